//! The board of one community on a rendezvous server: who is here, and who is owed what. Pure.
//!
//! Two streams are told about it, each an [`EventLog`] that all its subscribers share ([`Stream`]):
//!
//! - *Changes* (`/api/v1/events`), for communities of any size. A new reader gets `snapshot`, then `online`, `update` (something
//!   other than `ts` differs) and `offline`; a heartbeat that changes nothing is not told. Every event has an id `<run>.<number>`;
//!   who comes back with one gets what it missed, or `gap` and a new snapshot. `run` differs from start to start.
//!
//!   ```text
//!   id: 5f3a.17            event: snapshot   data: {"complete":true,"peers":[{"type":"online","peerID":…},…]}
//!   id: 5f3a.18            event: update     data: {"type":"update","peerID":"12D3KooW…","content":"Alice",…,"signed":true}
//!   id: 5f3a.19            event: offline    data: {"type":"offline","peerID":"12D3KooW…","ts":1760000000000}
//!   id: 5f3a.19            event: gap        data: {}
//!   ```
//! - *Lines* (`/events`), as goop2 reads them: data only, everyone who is here first as `online`, then every change at once, and an
//!   unchanged heartbeat at most once per peer and third of the TTL, which keeps goop2's 20 s alive.
//!
//! For one TTL after the start a snapshot says `"complete":false`: peers that were here before may just not have come back yet
//! (THREATS 72).
//!
//! Costs: an event is written once and shared by all. A snapshot is kept, and given to later readers together with what the log has
//! gathered since, so it is made anew only when an eighth of it has changed.
//!
//! Bounds ([`Rules`]): rows and their bytes; the last twentieth is for peers that sign. Streams are bounded by the log.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;
use thiserror::Error;

use super::event_log::EventLog;
use super::presence::Kind;
use crate::clock::{Moment, UnixMillis};

mod elsewhere;
mod message;
mod reading;
mod row;
mod snapshot;

pub use elsewhere::{Elsewhere, Lapsed};
pub use message::{Message, Publication};
pub use reading::{Owed, Reader, Stream};
pub use row::Row;

use message::beginning;
use snapshot::Snapshot;

/// Most rows of a board.
pub const MAX_ROWS: usize = 65_536;
/// Most bytes of what all rows say, as JSON.
pub const MAX_ROW_BYTES: usize = 64 * 1024 * 1024;

/// How a board behaves.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How long a peer is here after its last heartbeat.
    pub ttl: Duration,
    /// Most rows.
    pub rows: usize,
    /// Most bytes of rows.
    pub row_bytes: usize,
    /// Whether everyone who reads is of one closed community, and may see what goop2 peers tell about themselves.
    pub emails: bool,
}

impl Rules {
    /// An open board of the usual size.
    pub fn open(ttl: Duration) -> Self {
        Self { ttl, rows: MAX_ROWS, row_bytes: MAX_ROW_BYTES, emails: false }
    }
}

/// What became of a publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Published {
    /// A peer that was not here came.
    Came,
    /// A peer says something else than before.
    Changed,
    /// A heartbeat.
    Unchanged,
    /// The heartbeat of a peer's third of the TTL: the one that is passed on.
    PassedOn,
    /// A peer left.
    Left,
    /// A peer left that was not here.
    WasNotHere,
}

/// There is no room for another peer, or for a longer text of one. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this board is full")]
pub struct Full;

/// Who is here.
#[derive(Debug)]
pub struct Board {
    rules: Rules,
    /// Random, so that ids of an earlier start are not taken for ours.
    run: u32,
    /// Until when snapshots are not complete.
    complete_at: Moment,
    rows: HashMap<PeerId, Row>,
    /// Rows by a moment at or before which none of them lapses.
    due: BTreeSet<(Moment, PeerId)>,
    row_bytes: usize,
    changes: EventLog,
    lines: EventLog,
    snapshots: [Option<Snapshot>; 2],
    /// Bytes told on `lines`, for goop2's statistics.
    told: u64,
}

impl Board {
    /// An empty board that starts `now`; `run` is random.
    pub fn new(rules: Rules, run: u32, now: Moment) -> Self {
        Self {
            rules,
            run,
            complete_at: now + rules.ttl,
            rows: HashMap::new(),
            due: BTreeSet::new(),
            row_bytes: 0,
            changes: EventLog::default(),
            lines: EventLog::default(),
            snapshots: [None, None],
            told: 0,
        }
    }

    /// The same, whose snapshots are complete from `at` on: others of the same server knew before it started who was here.
    #[must_use]
    pub fn complete_at(self, at: Moment) -> Self {
        Self { complete_at: at, ..self }
    }

    /// Who is here, in no order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (&PeerId, &Row)> {
        self.rows.iter()
    }

    /// What is known about a peer that is here.
    pub fn row(&self, peer: &PeerId) -> Option<&Row> {
        self.rows.get(peer)
    }

    /// Bytes that every reader of `lines` was told since the start.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// Takes a publication; whether its sender may speak for the peer was asked before ([`super::binding`]).
    ///
    /// # Errors
    /// [`Full`].
    pub fn publish(&mut self, publication: Publication, now: Moment) -> Result<Published, Full> {
        let peer = publication.message.presence.peer;
        // Two messages of one peer may pass each other on their way here; and another instance may have heard a later one.
        if self.rows.get(&peer).is_some_and(|row| row.heard > now) {
            return Ok(Published::Unchanged);
        }
        if publication.message.presence.kind == Kind::Offline {
            let left = self.remove(&peer, publication.at);
            return Ok(if left { Published::Left } else { Published::WasNotHere });
        }
        let known = self.rows.get_mut(&peer);
        if let Some(row) = known
            && row.heartbeat(&publication, now, now + self.rules.ttl)
        {
            let passed_on = self.pass_on(&peer, publication.message.presence.kind, now);
            return Ok(if passed_on { Published::PassedOn } else { Published::Unchanged });
        }
        self.change(peer, publication, now)
    }

    /// Removes those whose TTL lapsed, at most `most` of them at a time.
    pub fn expire(&mut self, now: Moment, at: UnixMillis, most: usize) -> Vec<Lapsed> {
        let mut gone = Vec::new();
        while gone.len() < most
            && let Some(&(due, peer)) = self.due.first()
            && due <= now
        {
            self.due.pop_first();
            let Some(row) = self.rows.get_mut(&peer) else { continue };
            if row.lapses() <= now {
                gone.push(Lapsed { peer, heard: row.heard, elsewhere: row.elsewhere.is_some() });
                self.remove(&peer, at);
            } else {
                row.due = row.lapses();
                self.due.insert((row.due, peer));
            }
        }
        gone
    }

    /// Removes a peer and tells everyone; `false` where it was not here.
    pub fn remove(&mut self, peer: &PeerId, at: UnixMillis) -> bool {
        let Some(row) = self.rows.remove(peer) else { return false };
        self.due.remove(&(row.due, *peer));
        self.row_bytes -= row.public.len();
        let rest = format!(r#""peerID":"{}","ts":{},"verified":true}}"#, row.peer, at.0);
        self.tell_change(Kind::Offline, &rest);
        self.tell_line(Kind::Offline, &rest);
        true
    }

    /// Tells readers of changes that the community is now at `url`.
    pub fn moved(&mut self, url: &str) {
        let data = serde_json::json!({ "url": url }).to_string();
        self.changes.push(&[self.next_id().as_bytes(), b"event: moved\ndata: ", data.as_bytes(), b"\n\n"]);
    }

    /// Tells every reader of both streams that we are still here.
    pub fn keep_alive(&mut self) {
        self.changes.push(&[b": still here\n\n"]);
        self.lines.push(&[b": ping\n\n"]);
    }

    /// Whether something waits for [`Board::seal`].
    pub fn has_news(&self) -> bool {
        self.changes.has_gathered() || self.lines.has_gathered()
    }

    /// How many bytes wait for [`Board::seal`].
    pub fn gathered(&self) -> usize {
        self.changes.gathered() + self.lines.gathered()
    }

    /// Lets readers have what was gathered since the last time.
    pub fn seal(&mut self) {
        self.changes.seal();
        self.lines.seal();
    }

    /// Passes an unchanged heartbeat on to goop2, unless that was done in the last third of the TTL.
    fn pass_on(&mut self, peer: &PeerId, kind: Kind, now: Moment) -> bool {
        let third = self.rules.ttl / 3;
        let Some(row) = self.rows.get_mut(peer).filter(|row| now.since(row.passed_on) >= third) else { return false };
        row.passed_on = now;
        let public = row.public.clone();
        self.tell_line(kind, &public);
        true
    }

    fn change(&mut self, peer: PeerId, publication: Publication, now: Moment) -> Result<Published, Full> {
        let known = self.rows.get(&peer);
        let name = known.map_or_else(|| peer.to_base58().into(), |row| row.peer.clone());
        let public: Arc<str> = publication.to_public(&name, self.rules.emails).into();
        let others = self.row_bytes - known.map_or(0, |row| row.public.len());
        let share = |all: usize| if publication.signed { all } else { all - all / 20 };
        if others + public.len() > share(self.rules.row_bytes) || (known.is_none() && self.rows.len() >= share(self.rules.rows)) {
            return Err(Full);
        }
        let kind = if known.is_some() { Kind::Update } else { Kind::Online };
        self.row_bytes = others + public.len();
        match self.rows.get_mut(&peer) {
            Some(row) => row.replace(publication, public.clone(), now, now + self.rules.ttl),
            None => {
                let row = Row::new(publication, [name, public.clone()], now, now + self.rules.ttl, self.told);
                self.due.insert((row.due, peer));
                self.rows.insert(peer, row);
            }
        }
        self.tell_change(kind, &public);
        self.tell_line(kind, &public);
        Ok(if kind == Kind::Online { Published::Came } else { Published::Changed })
    }

    fn tell_change(&mut self, kind: Kind, rest: &str) {
        let name = match kind {
            Kind::Online => "event: online\ndata: ",
            Kind::Update => "event: update\ndata: ",
            Kind::Offline => "event: offline\ndata: ",
        };
        self.changes.push(&[self.next_id().as_bytes(), name.as_bytes(), beginning(kind).as_bytes(), rest.as_bytes(), b"\n\n"]);
    }

    fn tell_line(&mut self, kind: Kind, rest: &str) {
        let begin = beginning(kind);
        self.told += (begin.len() + rest.len()) as u64;
        self.lines.push(&[b"data: ", begin.as_bytes(), rest.as_bytes(), b"\n\n"]);
    }

    fn next_id(&self) -> String {
        reading::id_line(self.run, self.changes.last() + 1)
    }
}

#[cfg(test)]
mod tests;
