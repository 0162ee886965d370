//! A listing as it is read.

use libp2p::PeerId;
use rusqlite::{Connection, OptionalExtension, Row};

use super::StoreError;
use super::index::BEST_ID;
use super::origins::OURS;
use crate::clock::UnixMillis;
use crate::db::{time, when};
use crate::identity::envelope::payload_of_own;
use crate::proto::directory::{ListingId, Record};
use crate::proto::health::Health;

/// A listing, and what this hub knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in this hub's store: the older, the smaller.
    pub number: i64,
    /// Its public id.
    pub id: ListingId,
    /// What its origin says.
    pub record: Record,
    /// The number of its origin in this hub's store; see [`Self::is_ours`].
    pub origin: i64,
    /// What that is called.
    pub origin_name: String,
    /// When it was listed first.
    pub created: UnixMillis,
    /// What was seen of its server.
    pub health: Health,
    /// When its server was last looked at.
    pub checked: Option<UnixMillis>,
    /// Whether the operator shows it to nobody.
    pub hidden: bool,
    /// Whether the peer that the listing names as its server was seen answering there.
    pub proven: bool,
    /// An older listing of somebody else whose name looks alike.
    pub similar: Option<ListingId>,
}

impl Entry {
    /// Whether this hub lists it, and no other.
    pub fn is_ours(&self) -> bool {
        self.origin == OURS
    }
}

const ENTRY: &str = "SELECT l.id, l.public, l.sealed, l.origin, o.name, l.created, e.health, e.peer, \
                     (SELECT public FROM listings s WHERE s.id = l.similar AND s.deleted IS NULL AND s.hidden IS NULL), \
                     e.checked, l.hidden IS NOT NULL FROM listings l JOIN origins o ON o.id = l.origin LEFT JOIN endpoints e ON e.id = l.endpoint";

/// The listing of this id, tombstones too.
pub(in crate::superhub) fn by_public(look: &Connection, id: &ListingId) -> Result<Option<Entry>, StoreError> {
    let mut query = look.prepare_cached(&format!("{ENTRY} WHERE l.public = ?1"))?;
    Ok(query.query_row([id.as_bytes()], entry).optional()?)
}

/// The listing at this place of the index.
pub(in crate::superhub) fn by_place(look: &Connection, place: i64) -> Result<Option<Entry>, StoreError> {
    let mut query = look.prepare_cached(&format!("{ENTRY} WHERE l.id = ?1"))?;
    Ok(query.query_row([place & BEST_ID], entry).optional()?)
}

/// Numbers of the newest listings below `before`.
pub(in crate::superhub) fn newest(look: &Connection, before: i64, most: usize) -> Result<Vec<i64>, StoreError> {
    let mut query =
        look.prepare_cached("SELECT id FROM listings WHERE deleted IS NULL AND hidden IS NULL AND id < ?1 ORDER BY id DESC LIMIT ?2")?;
    Ok(query.query_map((before, most as i64), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?)
}

fn entry(row: &Row) -> rusqlite::Result<Entry> {
    let sealed = row.get_ref(2)?.as_blob()?;
    let record = payload_of_own(sealed).and_then(|payload| Record::of_kept(&payload).ok());
    let record = record.ok_or(rusqlite::Error::InvalidColumnType(2, "sealed".into(), rusqlite::types::Type::Blob))?;
    let health = row.get::<_, Option<u32>>(6)?.map(health).unwrap_or_default();
    let seen = row.get::<_, Option<Vec<u8>>>(7)?.and_then(|peer| PeerId::from_bytes(&peer).ok());
    let named = record.listing().and_then(|listing| listing.rendezvous_id);
    Ok(Entry {
        number: row.get(0)?,
        id: ListingId::from_bytes(row.get(1)?),
        origin: row.get(3)?,
        origin_name: row.get(4)?,
        created: time(row.get(5)?),
        health,
        proven: named.is_some() && named == seen,
        similar: row.get::<_, Option<[u8; 16]>>(8)?.map(ListingId::from_bytes),
        checked: when(row, 9)?,
        hidden: row.get(10)?,
        record,
    })
}

/// A health as SQLite keeps it.
pub(super) fn health(number: u32) -> Health {
    Health::ALL.get(number as usize).copied().unwrap_or_default()
}
