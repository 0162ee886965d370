//! Whose listings there are: this hub's own, and those of other hubs.

use libp2p::PeerId;
use rusqlite::{Connection, OptionalExtension, params};

use super::StoreError;
use crate::db::Db;

/// The number of this hub, which begins the table of origins.
pub(in crate::superhub) const OURS: i64 = 1;

/// From now on this hub is `peer` and called `name`.
///
/// # Errors
/// [`StoreError::Unfit`] where the directory is another hub's; see [`StoreError`].
pub(super) fn claim(db: &Db, peer: &PeerId, name: &str) -> Result<(), StoreError> {
    let peer = peer.to_bytes();
    let known: Option<Vec<u8>> =
        db.read(|look| look.query_row("SELECT peer FROM origins WHERE id = ?1", [OURS], |row| row.get(0)).optional())?;
    if known.is_some_and(|known| known != peer) {
        return Err(StoreError::Unfit(
            "this directory was begun under another identity: restore its identity.key, or move directory.db away".into(),
        ));
    }
    let own = "INSERT INTO origins (id, peer, name) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO UPDATE SET name = ?3";
    db.write(|change| change.execute(own, params![OURS, peer, name]))?;
    Ok(())
}

/// The number of the origin that is called `name`, in whatever case, or is `peer`.
pub(in crate::superhub) fn origin_called(look: &Connection, name: &str, peer: Option<&PeerId>) -> Result<Option<i64>, StoreError> {
    let query = "SELECT id FROM origins WHERE lower(name) = ?1 OR peer = ?2";
    let values = params![name.to_lowercase(), peer.map(|peer| peer.to_bytes())];
    Ok(look.prepare_cached(query)?.query_row(values, |row| row.get(0)).optional()?)
}

/// How many there are.
pub(in crate::superhub) fn how_many_origins(look: &Connection) -> Result<i64, StoreError> {
    Ok(look.prepare_cached("SELECT count(*) FROM origins")?.query_row([], |row| row.get(0))?)
}
