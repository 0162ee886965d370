//! What several instances of one server hear from each other through the database: who signed which number, who is here, who left.

use std::net::IpAddr;

use libp2p::PeerId;
use rusqlite::{Row, params};

use super::{Store, StoreError};
use crate::clock::{MachineMicros, UnixMillis};
use crate::proto::board::{Message, Publication};

/// Most rows of each kind that are read at once.
const AT_ONCE: usize = 5000;
/// A signed message wants to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Whose.
    pub peer: PeerId,
    /// Its number.
    pub seq: u64,
    /// Until when it binds its peer.
    pub until: UnixMillis,
}

/// A peer is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// At which board.
    pub slug: Option<String>,
    /// What it said.
    pub publication: Publication,
    /// When that arrived.
    pub at: MachineMicros,
    /// Which instance heard it.
    pub instance: u64,
}

/// A peer is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farewell {
    /// From which board.
    pub slug: Option<String>,
    /// Who.
    pub peer: PeerId,
    /// When it said so; or when it was heard last, where its TTL lapsed.
    pub at: MachineMicros,
    /// From where an unsigned one came. Only one from the address of the last heartbeat counts.
    pub from: Option<IpAddr>,
}

/// What is new to an instance.
#[derive(Debug, Default)]
pub struct News {
    /// Highest number and end of the binding of peers that signed.
    pub bound: Vec<Asked>,
    /// Who is here, by other instances.
    pub heard: Vec<Heard>,
    /// Who is gone, by any instance.
    pub gone: Vec<Farewell>,
    /// Whether there is more to read.
    pub more: bool,
}

/// How far an instance has read.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cursor {
    bound: i64,
    presence: i64,
}

impl Store {
    /// Reads what other instances than `own` wrote since; `cursor` then stands behind it. A part only where it is much: then there is
    /// more to read.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn hear(&self, own: u64, cursor: &mut Cursor) -> Result<News, StoreError> {
        let mut news = News::default();
        let after = *cursor;
        let read = self.db()?.read(|look| {
            let mut query = look.prepare_cached("SELECT news, peer, seq, until FROM bindings WHERE news > ?1 ORDER BY news LIMIT ?2")?;
            let mut rows = query.query(params![after.bound, AT_ONCE as i64])?;
            let mut read = 0;
            while let Some(row) = rows.next()? {
                cursor.bound = row.get(0)?;
                news.bound.extend(bound(row)?);
                read += 1;
            }
            news.more = read == AT_ONCE;
            let mut query = look.prepare_cached(PRESENCE)?;
            let mut rows = query.query(params![after.presence, AT_ONCE as i64])?;
            let mut read = 0;
            while let Some(row) = rows.next()? {
                cursor.presence = row.get(0)?;
                news.take(row, own)?;
                read += 1;
            }
            news.more |= read == AT_ONCE;
            Ok(())
        });
        read?;
        Ok(news)
    }
}

const PRESENCE: &str =
    "SELECT news, slug, peer, heard, instance, message, signed, address, seen FROM presence WHERE news > ?1 ORDER BY news LIMIT ?2";

impl News {
    fn take(&mut self, row: &Row, own: u64) -> rusqlite::Result<()> {
        let (slug, peer): (String, String) = (row.get(1)?, row.get(2)?);
        let (at, instance) = (MachineMicros(row.get::<_, i64>(3)?.cast_unsigned()), row.get::<_, i64>(4)?.cast_unsigned());
        let (Ok(peer), slug) = (peer.parse(), Some(slug).filter(|slug| !slug.is_empty())) else { return Ok(()) };
        let Some(json) = row.get::<_, Option<String>>(5)? else {
            // Also an own one: what it ended may have become known here before it was written.
            self.gone.push(Farewell { slug, peer, at, from: None });
            return Ok(());
        };
        if instance == own {
            return Ok(());
        }
        let from = row.get::<_, String>(7)?.parse().ok();
        // What a newer goop wrote may not be understood; then this peer is not shown here.
        if let (Ok(message), Some(from)) = (Message::parse(json.as_bytes()), from) {
            let seen = UnixMillis(row.get::<_, i64>(8)?.cast_unsigned());
            let publication = Publication { message, signed: row.get(6)?, from, at: seen };
            self.heard.push(Heard { slug, publication, at, instance });
        }
        Ok(())
    }
}

fn bound(row: &Row) -> rusqlite::Result<Option<Asked>> {
    let (seq, until) = (row.get::<_, i64>(2)?.cast_unsigned(), UnixMillis(row.get::<_, i64>(3)?.cast_unsigned()));
    Ok(row.get::<_, String>(1)?.parse().ok().map(|peer| Asked { peer, seq, until }))
}
