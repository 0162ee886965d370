//! When more servers ask to be listed than anybody can look at. Whoever has one name has all below it, so what waits is seen by site
//! ([`crate::proto::directory::site`]): each site has its turn before the operator, and where the queue is full, the site that fills it gives way.

use std::collections::HashMap;

use rusqlite::Connection;

use super::store::StoreError;
use crate::proto::directory::site::site;

/// Requests that give way together at most: to find them, all that wait are read.
const ROOM: usize = 1000;

/// The numbers of the requests to look at first, at most `most`: the oldest of each site, then the second of each.
pub(super) fn by_turns(look: &Connection, most: usize) -> Result<Vec<i64>, StoreError> {
    let sites = waiting_of_sites(look)?;
    let mut turns: Vec<(usize, i64)> = sites.into_values().flat_map(|numbers| numbers.into_iter().enumerate()).collect();
    turns.sort_unstable();
    Ok(turns.into_iter().take(most).map(|(_, number)| number).collect())
}

/// Makes room for a request of this host: the newest of the site that has most give way. `false` where no site has more than its own.
pub(super) fn make_room(change: &Connection, standing: &str) -> Result<bool, StoreError> {
    let sites = waiting_of_sites(change)?;
    let own = sites.get(site(standing)).map_or(0, Vec::len);
    let Some(most) = sites.into_values().max_by_key(Vec::len).filter(|most| most.len() > own.max(1)) else { return Ok(false) };
    let mut forget = change.prepare_cached("DELETE FROM registrations WHERE id = ?1")?;
    for number in most.iter().rev().take((most.len() / 2).min(ROOM)) {
        forget.execute([number])?;
    }
    Ok(true)
}

/// The numbers of what waits, of each site the oldest first. The index of hosts has all of it (`+` keeps SQLite from another).
fn waiting_of_sites(look: &Connection) -> Result<HashMap<String, Vec<i64>>, StoreError> {
    let mut sites: HashMap<String, Vec<i64>> = HashMap::new();
    let mut query = look.prepare_cached("SELECT id, host FROM registrations WHERE +state = 'waiting'")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let (number, host) = (row.get(0)?, row.get_ref(1)?.as_str().unwrap_or_default());
        match sites.get_mut(site(host)) {
            Some(numbers) => numbers.push(number),
            None => drop(sites.insert(site(host).to_owned(), vec![number])),
        }
    }
    sites.values_mut().for_each(|numbers| numbers.sort_unstable());
    Ok(sites)
}
