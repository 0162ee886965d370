//! Who is here: one row per peer, fed by several sources.
//!
//! A row is online while any source has heard from its peer within the TTL. It goes offline when the last such source says so or
//! falls silent, is remembered for [`REMEMBERED`], and is then forgotten. Each source speaks for itself only: an `offline` that one
//! reports does not silence another that still hears the peer.
//!
//! A row says what the best of its fresh sources told last, so that two that disagree do not make it flicker (THREATS 1, 3). The best is:
//!
//! - The LAN, where it hears the peer: it hears the peer itself.
//! - One that told something signed. Unsigned words never replace signed ones, whoever brings them and however long they stand alone.
//! - Of those the one with what the peer began to say later, by its own clock: a server that holds a change back is outdone by any other.
//!   What each server tells is in order already ([`crate::proto::signed::hearing`]).
//! - The smallest [`Source`].
//!
//! Bounds: [`MAX_ROWS`] rows. When the table is full a stranger takes the place of the row that has been offline longest; while
//! every row is online strangers are refused, but [`PresenceTable::make_room`] lets those who are near displace others. A row has at
//! most [`MAX_SOURCES`] sources, the best ones.
//!
//! Cost: hearing a known peer is one look-up and moves nothing; [`PresenceTable::expire`] touches only rows that are due, each at
//! most once per source and TTL.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;

use super::{Kind, Presence};
use crate::clock::Moment;

mod row;

use row::Heard;
pub use row::Row;

/// Most rows of a table: the largest community of a rendezvous, and a LAN beside it.
pub const MAX_ROWS: usize = 24_000;
/// Most sources that one row notes, the best ones.
pub const MAX_SOURCES: usize = 8;
/// How long an offline row is remembered; goop2's default.
pub const REMEMBERED: Duration = Duration::from_secs(15 * 60);
/// After an `offline` an `update` does not bring the peer back for this long: it may have been written before and come late.
pub const LATE_UPDATE: Duration = Duration::from_secs(2);

/// Where presence comes from. The smaller one decides what a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// GossipSub on the local network, signed by the peer itself.
    Lan,
    /// A rendezvous server, by its place in the configuration.
    Rendezvous(u16),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lan => f.write_str("lan"),
            Self::Rendezvous(number) => write!(f, "rendezvous-{number}"),
        }
    }
}

/// What happened to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A peer appeared or came back.
    Online(Row),
    /// A peer that is online says something else than before.
    Updated(Row),
    /// A peer left, or its TTL lapsed.
    Offline(Row),
    /// An offline peer was dropped from the table.
    Forgotten(PeerId),
}

/// The rows, and when each is due.
#[derive(Debug)]
pub struct PresenceTable {
    me: PeerId,
    ttl: Duration,
    capacity: usize,
    rows: HashMap<PeerId, Row>,
    /// Online rows by a moment at or before which no source of theirs lapses (`Row::due`).
    online: BTreeSet<(Moment, PeerId)>,
    /// Offline rows by the moment they went (`Row::due`).
    offline: BTreeSet<(Moment, PeerId)>,
    /// Rows that strangers displaced, until [`PresenceTable::expire`] tells of them.
    displaced: Vec<PeerId>,
}

impl PresenceTable {
    /// An empty table of the peer `me`, which never has a row itself. `ttl` is `presence.ttl_seconds`.
    pub fn new(me: PeerId, ttl: Duration) -> Self {
        Self::with_capacity(me, ttl, MAX_ROWS)
    }

    fn with_capacity(me: PeerId, ttl: Duration, capacity: usize) -> Self {
        let (rows, online, offline) = (HashMap::new(), BTreeSet::new(), BTreeSet::new());
        Self { me, ttl, capacity, rows, online, offline, displaced: Vec::new() }
    }

    /// Take in a message that `source` brought at `now`. A heartbeat that changes nothing answers `None`; so do an `offline` of a
    /// stranger, anything about ourselves, and a stranger for whom there is no room.
    pub fn apply(&mut self, source: Source, presence: &Presence, now: Moment) -> Option<Change> {
        match presence.kind {
            _ if presence.peer == self.me => None,
            Kind::Offline => self.part(source, presence.peer, now),
            Kind::Online | Kind::Update if self.rows.contains_key(&presence.peer) => self.refresh(source, presence, now),
            Kind::Online | Kind::Update => self.admit(source, presence, now),
        }
    }

    /// Makes room for a peer that is near (connected, or found on the LAN) where rows of strangers fill the table: the one whose look
    /// is due first and that is not `near` goes offline, and is the next to be displaced. `None` where there is room, or none to be made.
    pub fn make_room(&mut self, newcomer: &PeerId, near: impl Fn(&PeerId) -> bool, now: Moment) -> Option<Change> {
        let full = self.rows.len() >= self.capacity && self.offline.is_empty() && !self.rows.contains_key(newcomer);
        let (due, far) = self.online.iter().filter(|_| full).find(|(_, peer)| !near(peer)).copied()?;
        self.online.remove(&(due, far));
        self.rows.get_mut(&far)?.heard.clear();
        self.take_offline(far, now)
    }

    /// `source` still vouches for a peer that it has told of, though it says nothing new. Anybody else's row is left alone.
    pub fn keep(&mut self, source: Source, peer: &PeerId, now: Moment) {
        let Some(row) = self.rows.get_mut(peer).filter(|row| row.online) else { return };
        if let Some(heard) = row.heard.iter_mut().find(|heard| heard.source == source) {
            (heard.at, row.last_seen) = (now, now);
        }
    }

    /// Let everything lapse that is due at `now`: sources, rows, and the memory of offline rows.
    pub fn expire(&mut self, now: Moment) -> Vec<Change> {
        let mut changes: Vec<Change> = self.displaced.drain(..).map(Change::Forgotten).collect();
        while let Some((due, peer)) = self.online.first().copied().filter(|(due, _)| *due <= now) {
            self.online.remove(&(due, peer));
            changes.extend(self.look_at(peer, now));
        }
        while let Some((gone, peer)) = self.offline.first().copied().filter(|(gone, _)| *gone + REMEMBERED <= now) {
            self.offline.remove(&(gone, peer));
            self.rows.remove(&peer);
            changes.push(Change::Forgotten(peer));
        }
        changes
    }

    /// When [`Self::expire`] next has something to look at; it may then find that the row was heard meanwhile.
    pub fn next_expiry(&self) -> Option<Moment> {
        if !self.displaced.is_empty() {
            return Some(Moment::START);
        }
        let lapse = self.online.first().map(|(due, _)| *due);
        let forget = self.offline.first().map(|(gone, _)| *gone + REMEMBERED);
        lapse.into_iter().chain(forget).min()
    }

    /// A source ended (a rendezvous was removed, the LAN went): what only it had heard goes offline.
    pub fn forget_source(&mut self, source: Source, now: Moment) -> Vec<Change> {
        let told: Vec<PeerId> = self.rows.values().filter(|row| row.sources().any(|s| s == source)).map(|row| row.presence.peer).collect();
        told.into_iter().filter_map(|peer| self.silence(source, peer, now)).collect()
    }

    /// The row of a peer, online or not.
    pub fn get(&self, peer: &PeerId) -> Option<&Row> {
        self.rows.get(peer)
    }

    /// Every row, online or not, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Row> {
        self.rows.values()
    }

    /// How many rows there are, online or not.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many peers are online.
    pub fn online(&self) -> usize {
        self.online.len()
    }

    /// Whether there is no row at all.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn admit(&mut self, source: Source, presence: &Presence, now: Moment) -> Option<Change> {
        if self.rows.len() >= self.capacity && !self.displace() {
            return None;
        }
        let due = now + self.ttl;
        let says = Arc::new(presence.clone());
        let heard = vec![Heard { source, at: now, says: says.clone() }];
        let row = Row { presence: says, online: true, last_seen: now, heard, parted: None, due };
        self.online.insert((due, presence.peer));
        self.rows.insert(presence.peer, row.clone());
        Some(Change::Online(row))
    }

    fn displace(&mut self) -> bool {
        let Some((_, peer)) = self.offline.pop_first() else { return false };
        self.rows.remove(&peer);
        if self.displaced.len() < self.capacity {
            self.displaced.push(peer);
        }
        true
    }

    fn refresh(&mut self, source: Source, presence: &Presence, now: Moment) -> Option<Change> {
        let row = self.rows.get_mut(&presence.peer)?;
        let late = |parted: Moment| presence.kind == Kind::Update && now.since(parted) < LATE_UPDATE;
        if !row.online && row.parted.is_some_and(late) {
            return None;
        }
        row.heard.retain(|heard| heard.at + self.ttl > now);
        row.hear(source, presence, now);
        let news = row.reconsider();
        if row.online {
            return news.then(|| Change::Updated(row.clone()));
        }
        self.offline.remove(&(row.due, presence.peer));
        (row.online, row.parted, row.due) = (true, None, now + self.ttl);
        self.online.insert((row.due, presence.peer));
        Some(Change::Online(row.clone()))
    }

    fn part(&mut self, source: Source, peer: PeerId, now: Moment) -> Option<Change> {
        let change = self.silence(source, peer, now);
        if change.is_some() {
            self.rows.get_mut(&peer)?.parted = Some(now);
        }
        change
    }

    fn silence(&mut self, source: Source, peer: PeerId, now: Moment) -> Option<Change> {
        let row = self.rows.get_mut(&peer).filter(|row| row.online)?;
        row.heard.retain(|heard| heard.source != source);
        if !row.heard.is_empty() {
            return row.reconsider().then(|| Change::Updated(row.clone()));
        }
        self.online.remove(&(row.due, peer));
        self.take_offline(peer, now)
    }

    /// A row whose entry in `online` has just been taken out.
    fn look_at(&mut self, peer: PeerId, now: Moment) -> Option<Change> {
        let ttl = self.ttl;
        let row = self.rows.get_mut(&peer)?;
        row.heard.retain(|heard| heard.at + ttl > now);
        let Some(first) = row.heard.iter().map(|heard| heard.at).min() else { return self.take_offline(peer, now) };
        row.due = first + ttl;
        self.online.insert((row.due, peer));
        row.reconsider().then(|| Change::Updated(row.clone()))
    }

    fn take_offline(&mut self, peer: PeerId, now: Moment) -> Option<Change> {
        let row = self.rows.get_mut(&peer)?;
        (row.online, row.due) = (false, now);
        self.offline.insert((now, peer));
        Some(Change::Offline(row.clone()))
    }
}

#[cfg(test)]
mod tests;
