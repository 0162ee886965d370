//! What waits for the operator's word, also when more servers ask to be listed than anybody can look at. Whoever has one name has all below it, so what waits is seen by site
//! ([`crate::proto::directory::site`]): each site has its turn before the operator, and where the queue is full, the site that fills it gives way.

use std::collections::HashMap;

use libp2p::PeerId;
use rusqlite::{Connection, Row};
use serde::Serialize;

use super::registration::count;
use super::store::StoreError;
use crate::clock::UnixMillis;
use crate::db::time;
use crate::proto::directory::site::site;

/// Requests that give way together at most: to find them, all that wait are read.
const ROOM: usize = 1000;

/// A request as the operator sees it.
#[derive(Debug, Clone, Serialize)]
pub struct Waiting {
    /// Its number.
    pub id: i64,
    /// Who asks.
    pub peer_id: String,
    /// For which address.
    pub rendezvous: String,
    /// When it was asked last, in milliseconds since 1970.
    pub asked: UnixMillis,
    /// What it wants to be listed as.
    pub draft: serde_json::Value,
}

const WAITING: &str = "SELECT id, peer, address, asked, draft FROM registrations";

fn of_row(row: &Row) -> rusqlite::Result<Waiting> {
    let peer: Vec<u8> = row.get(1)?;
    Ok(Waiting {
        id: row.get(0)?,
        peer_id: PeerId::from_bytes(&peer).map(|peer| peer.to_base58()).unwrap_or_default(),
        rendezvous: row.get(2)?,
        asked: time(row.get(3)?),
        draft: serde_json::from_str(&row.get::<_, String>(4)?).unwrap_or_default(),
    })
}

/// Requests that wait, those after `after`, the oldest first; and how many there are.
pub(super) fn waiting(look: &Connection, after: i64, most: usize) -> Result<(Vec<Waiting>, i64), StoreError> {
    let mut query = look.prepare_cached(&format!("{WAITING} WHERE state = 'waiting' AND id > ?1 ORDER BY id LIMIT ?2"))?;
    let found = query.query_map((after, most as i64), of_row)?.collect::<rusqlite::Result<_>>()?;
    Ok((found, count(look, "state = 'waiting'", [])?))
}

/// The same, those first that are the first of their sites: nobody hides the others behind a thousand of his own.
pub(super) fn waiting_by_turns(look: &Connection, most: usize) -> Result<(Vec<Waiting>, i64), StoreError> {
    let mut query = look.prepare_cached(&format!("{WAITING} WHERE id = ?1"))?;
    let found = by_turns(look, most)?.into_iter().map(|number| query.query_row([number], of_row)).collect::<rusqlite::Result<_>>()?;
    Ok((found, count(look, "state = 'waiting'", [])?))
}

/// The numbers of the requests to look at first, at most `most`: the oldest of each site, then the second of each.
fn by_turns(look: &Connection, most: usize) -> Result<Vec<i64>, StoreError> {
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
