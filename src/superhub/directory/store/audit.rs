//! The audit log as the operator reads it; [`super::Desk::note`] writes it.

use rusqlite::{Connection, Row};
use serde::Serialize;

use super::StoreError;
use crate::db::time;
use crate::proto::directory::ListingId;
use crate::superhub::directory::rfc3339;

/// A row of the audit log.
#[derive(Debug, Serialize)]
pub(in crate::superhub) struct Audited {
    pub(in crate::superhub) id: i64,
    pub(in crate::superhub) at: String,
    pub(in crate::superhub) who: String,
    pub(in crate::superhub) what: String,
    pub(in crate::superhub) listing: Option<ListingId>,
    pub(in crate::superhub) detail: String,
}

/// The newest rows of the audit log below `before`, at most so many.
pub(in crate::superhub) fn audited(look: &Connection, before: i64, most: usize) -> Result<Vec<Audited>, StoreError> {
    let query = "SELECT id, at, who, what, listing, detail FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    let row = |row: &Row| {
        let listing = row.get::<_, Option<[u8; 16]>>(4)?.map(ListingId::from_bytes);
        let at = rfc3339(time(row.get(1)?));
        Ok(Audited { id: row.get(0)?, at, who: row.get(2)?, what: row.get(3)?, listing, detail: row.get(5)? })
    };
    Ok(look.prepare_cached(query)?.query_map((before, most as i64), row)?.collect::<rusqlite::Result<_>>()?)
}
