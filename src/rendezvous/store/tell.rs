//! What an instance tells the others through the database, in one transaction for all that gathered. What counts is decided in it, where
//! nobody else writes: a number above every earlier one of its peer, a message that arrived after the one that stands, and no unsigned
//! one of a peer that signs.

use std::net::IpAddr;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::news::{Asked, Farewell, Heard};
use super::server::micros;
use super::{Store, StoreError};
use crate::clock::{MachineMicros, Moment, UnixMillis};
use crate::db::millis;
use crate::proto::binding::{MAX_BOUND, place};
use crate::proto::board::Publication;

/// How long rows of peers that are gone are kept; longer than any instance is late.
const KEPT: Duration = Duration::from_secs(60);
/// How long an application is kept, whatever became of it.
const APPLIED: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Whether a signed message counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It counts, as of then.
    Counts(Moment),
    /// This number was used before, here or at another instance.
    Again(u64),
}

/// What an instance writes at once.
#[derive(Debug, Default)]
pub struct Batch {
    /// Signed messages that wait for a verdict.
    pub asked: Vec<Asked>,
    /// Who is here.
    pub heard: Vec<Heard>,
    /// Who is gone.
    pub farewells: Vec<Farewell>,
}

impl Store {
    /// Writes a batch as a whole, and answers what was asked, in order. `instance` also says that it lives; `None`: there is no other
    /// instance, and the numbers alone are written.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn tell(&self, instance: Option<u64>, batch: &Batch, wall: UnixMillis) -> Result<Vec<Verdict>, StoreError> {
        let db = self.db()?;
        let told = match instance {
            None => db.write(|change| Telling::begin(change, wall)?.numbers(batch)),
            Some(instance) => db.write_lightly(|change| Telling::begin(change, wall)?.all(instance, batch)),
        };
        Ok(self.noted(told)?)
    }

    /// Forgets bindings that have ended, those beyond [`MAX_BOUND`], bans that have ended, applications after [`APPLIED`], and presence
    /// that has long lapsed by a TTL of `ttl`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn tidy(&self, ttl: Duration, now: MachineMicros, wall: UnixMillis) -> Result<(), StoreError> {
        let kept = MachineMicros(now.0.saturating_sub((ttl * 2 + KEPT).as_micros() as u64));
        let tidied = self.db()?.write_lightly(|change| {
            change.execute("DELETE FROM bindings WHERE until <= ?1", [millis(wall)])?;
            let beyond = "DELETE FROM bindings WHERE peer IN (SELECT peer FROM bindings ORDER BY until DESC LIMIT -1 OFFSET ?1)";
            if change.query_row("SELECT count(*) FROM bindings", [], |row| row.get::<_, i64>(0))? > MAX_BOUND as i64 {
                change.execute(beyond, [MAX_BOUND as i64])?;
            }
            change.execute("DELETE FROM bans WHERE ends <= ?1", [millis(wall)])?;
            change.execute("DELETE FROM applications WHERE asked <= ?1", [millis(wall) - APPLIED.as_millis() as i64])?;
            change.execute("DELETE FROM presence WHERE heard < ?1", [micros(kept)]).map(drop)
        });
        Ok(self.noted(tidied)?)
    }
}

/// A transaction that tells.
struct Telling<'a> {
    change: &'a Connection,
    wall: UnixMillis,
    now: Moment,
    news: i64,
}

impl<'a> Telling<'a> {
    /// The time is asked here, where everyone else waits: so numbers and times of a peer grow together, whichever instance hears it.
    fn begin(change: &'a Connection, wall: UnixMillis) -> rusqlite::Result<Self> {
        let news = change.query_row("SELECT news FROM server", [], |row| row.get(0))?;
        Ok(Self { change, wall, now: Moment::now(), news })
    }

    fn all(mut self, instance: u64, batch: &Batch) -> rusqlite::Result<Vec<Verdict>> {
        let verdicts = self.judge(batch)?;
        for heard in &batch.heard {
            self.heard(heard)?;
        }
        for farewell in &batch.farewells {
            self.gone(instance, farewell)?;
        }
        let alive = "INSERT INTO instances (id, alive) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET alive = excluded.alive";
        self.change.execute(alive, params![instance.cast_signed(), micros(self.now.on_machine())])?;
        self.end(verdicts)
    }

    fn numbers(mut self, batch: &Batch) -> rusqlite::Result<Vec<Verdict>> {
        let verdicts = self.judge(batch)?;
        self.end(verdicts)
    }

    fn end(self, verdicts: Vec<Verdict>) -> rusqlite::Result<Vec<Verdict>> {
        self.change.execute("UPDATE server SET news = ?1", [self.news])?;
        Ok(verdicts)
    }

    fn next(&mut self) -> i64 {
        self.news += 1;
        self.news
    }

    fn judge(&mut self, batch: &Batch) -> rusqlite::Result<Vec<Verdict>> {
        batch.asked.iter().zip(0_u64..).map(|(asked, nth)| self.verdict(asked, nth)).collect()
    }

    fn verdict(&mut self, asked: &Asked, nth: u64) -> rusqlite::Result<Verdict> {
        let peer = asked.peer.to_base58();
        let higher = "INSERT INTO bindings (peer, seq, until, news) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (peer) DO UPDATE
                      SET seq = excluded.seq, until = max(until, excluded.until), news = excluded.news WHERE excluded.seq > bindings.seq";
        let news = self.next();
        let row = params![peer, asked.seq.cast_signed(), millis(asked.until), news];
        if self.change.prepare_cached(higher)?.execute(row)? > 0 {
            return Ok(Verdict::Counts(self.now + Duration::from_micros(nth)));
        }
        let highest = self.change.query_row("SELECT seq FROM bindings WHERE peer = ?1", [peer], |row| row.get::<_, i64>(0))?;
        Ok(Verdict::Again(highest.cast_unsigned()))
    }

    fn heard(&mut self, heard: &Heard) -> rusqlite::Result<()> {
        let Publication { message, signed, from, at: seen } = &heard.publication;
        let peer = message.presence.peer.to_base58();
        if !signed && self.is_bound(&peer)? {
            return Ok(());
        }
        let later = "INSERT INTO presence (slug, peer, heard, instance, news, message, signed, address, seen)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT (slug, peer) DO UPDATE
                     SET heard = excluded.heard, instance = excluded.instance, news = excluded.news, message = excluded.message,
                         signed = excluded.signed, address = excluded.address, seen = excluded.seen
                     WHERE excluded.heard > presence.heard OR (excluded.heard = presence.heard AND presence.message IS NOT NULL)
                        OR (excluded.signed AND NOT presence.signed)";
        let (slug, news) = (heard.slug.as_deref().unwrap_or_default(), self.next());
        let (instance, json, address) = (heard.instance.cast_signed(), message.to_json(), from.to_string());
        let row = params![slug, peer, micros(heard.at), instance, news, json, signed, address, millis(*seen)];
        self.change.prepare_cached(later)?.execute(row).map(drop)
    }

    fn gone(&mut self, instance: u64, farewell: &Farewell) -> rusqlite::Result<()> {
        let (slug, peer) = (farewell.slug.as_deref().unwrap_or_default(), farewell.peer.to_base58());
        if let Some(from) = farewell.from
            && (self.is_bound(&peer)? || self.address(slug, &peer)? != Some(place(from)))
        {
            return Ok(());
        }
        // The row may not be written yet that this ends; a signed farewell, or a lapse, waits for it.
        let gone = "INSERT INTO presence (slug, peer, heard, instance, news, message, signed, address, seen)
                    VALUES (?1, ?2, ?3, ?4, ?5, NULL, ?6, '', 0) ON CONFLICT (slug, peer) DO UPDATE
                    SET heard = excluded.heard, instance = excluded.instance, news = excluded.news, message = NULL
                    WHERE excluded.heard >= presence.heard";
        let (instance, news, signed) = (instance.cast_signed(), self.next(), farewell.from.is_none());
        self.change.prepare_cached(gone)?.execute(params![slug, peer, micros(farewell.at), instance, news, signed]).map(drop)
    }

    fn is_bound(&self, peer: &str) -> rusqlite::Result<bool> {
        let mut query = self.change.prepare_cached("SELECT 1 FROM bindings WHERE peer = ?1 AND until > ?2")?;
        query.exists(params![peer, millis(self.wall)])
    }

    /// From where the peer was heard last.
    fn address(&self, slug: &str, peer: &str) -> rusqlite::Result<Option<IpAddr>> {
        let mut query = self.change.prepare_cached("SELECT address FROM presence WHERE slug = ?1 AND peer = ?2")?;
        let address: Option<String> = query.query_row([slug, peer], |row| row.get(0)).optional()?;
        Ok(address.and_then(|address| address.parse().ok()).map(place))
    }
}
