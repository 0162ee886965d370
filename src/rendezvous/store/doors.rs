//! What the operator changes: communities, where they are, and bans.

use std::net::IpAddr;

use rusqlite::{Connection, params};

use super::{MOST, Store, StoreError};
use crate::clock::UnixMillis;
use crate::db::millis;
use crate::proto::community::{Ban, Community, Kind};

impl Store {
    /// Founds a community.
    ///
    /// # Errors
    /// [`StoreError::Taken`]; see [`StoreError`].
    pub fn found(&self, community: &Community) -> Result<(), StoreError> {
        let Community { slug, name, kind, created } = community;
        self.change(|change| {
            let added = "INSERT OR IGNORE INTO communities (slug, name, kind, created) VALUES (?1, ?2, ?3, ?4)";
            Ok(match change.execute(added, params![slug, name, kind.word(), millis(*created)])? {
                0 => Err(StoreError::Taken),
                _ => Ok(()),
            })
        })
    }

    /// Gives a community another name and another way in; its members stay.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn amend(&self, slug: &str, name: &str, kind: Kind) -> Result<(), StoreError> {
        let set = "UPDATE communities SET name = ?2, kind = ?3 WHERE slug = ?1";
        self.change(|change| something(change.execute(set, params![slug, name, kind.word()])))
    }

    /// Ends a community and everything that belongs to it.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn end(&self, slug: &str) -> Result<(), StoreError> {
        self.change(|change| {
            change.execute("DELETE FROM bans WHERE slug = ?1", [slug])?;
            change.execute("DELETE FROM moves WHERE slug = ?1", [slug])?;
            change.execute("DELETE FROM presence WHERE slug = ?1", [slug])?;
            something(change.execute("DELETE FROM communities WHERE slug = ?1", [slug]))
        })
    }

    /// A community (`None`: the open board) has gone to `place`, a base URL without a slash at its end.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn move_to(&self, slug: Option<&str>, place: &str, now: UnixMillis) -> Result<(), StoreError> {
        self.change(|change| {
            let there = "INSERT OR REPLACE INTO moves (slug, url, since)
                SELECT ?1, ?2, ?3 WHERE ?1 = '' OR EXISTS (SELECT 1 FROM communities WHERE slug = ?1)";
            something(change.execute(there, params![slug.unwrap_or_default(), place, millis(now)]))
        })
    }

    /// A community (`None`: the open board) that had gone is here again.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn move_back(&self, slug: Option<&str>) -> Result<(), StoreError> {
        self.change(|change| something(change.execute("DELETE FROM moves WHERE slug = ?1", [slug.unwrap_or_default()])))
    }

    /// Keeps somebody out, and answers the ban's number.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn ban(&self, ban: &Ban) -> Result<i64, StoreError> {
        let Ban { slug, peer, address, reason, since, ends, .. } = ban;
        self.change(|change| {
            if is_full(change, "bans", None, *since)? {
                return Ok(Err(StoreError::TooMany));
            }
            let added = "INSERT INTO bans (slug, peer, address, reason, since, ends) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let (peer, address) = (peer.map(|peer| peer.to_base58()), address.map(|address: IpAddr| address.to_string()));
            change.execute(added, params![slug, peer, address, reason, millis(*since), ends.map(millis)])?;
            Ok(Ok(change.last_insert_rowid()))
        })
    }

    /// Lets somebody in again.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn unban(&self, id: i64) -> Result<(), StoreError> {
        self.change(|change| something(change.execute("DELETE FROM bans WHERE id = ?1", [id])))
    }
}

pub(super) fn something(changed: rusqlite::Result<usize>) -> rusqlite::Result<Result<(), StoreError>> {
    Ok(if changed? > 0 { Ok(()) } else { Err(StoreError::Nothing) })
}

/// Whether [`MOST`] rows count; if not, the oldest that count no longer go where they leave no room for one more.
pub(super) fn is_full(change: &Connection, table: &str, slug: Option<&str>, now: UnixMillis) -> rusqlite::Result<bool> {
    let lasts = format!("(ends IS NULL OR ends > {})", millis(now));
    let counts = match table {
        "applications" => "state IN ('asked', 'approved')".to_owned(),
        "invitations" => format!("revoked = 0 AND uses > 0 AND {lasts}"),
        "members" => "revoked = 0".to_owned(),
        _ => lasts,
    };
    let query = format!("SELECT count(*), count(*) FILTER (WHERE {counts}) FROM {table} WHERE ?1 IS NULL OR slug = ?1");
    let (all, live): (i64, i64) = change.query_row(&query, [slug], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if live < MOST && all >= MOST {
        let closed = format!("SELECT id FROM {table} WHERE (?1 IS NULL OR slug = ?1) AND NOT ({counts}) ORDER BY id LIMIT ?2");
        change.execute(&format!("DELETE FROM {table} WHERE id IN ({closed})"), params![slug, all - MOST + 1])?;
    }
    Ok(live >= MOST)
}
