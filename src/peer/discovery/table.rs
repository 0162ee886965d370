//! Who was seen under which instance name by which source, so that each change is told once.
//!
//! Pure. At most [`MAX_INSTANCES`] instances per source and [`MAX_PER_PEER`] per peer and source; a newcomer beyond that replaces the
//! oldest, so that a flood of forged ones cannot shut out the next real one. Nothing is told of the one that was replaced.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};

use super::Event;
use crate::clock::Moment;

/// Instances kept per source (THREATS 48).
pub(super) const MAX_INSTANCES: usize = 256;

/// Instances kept per peer and source: a peer that was restarted has a stale one beside the new one.
pub(super) const MAX_PER_PEER: usize = 4;

/// The longest time that an instance is believed without being heard again: three rounds of questions, whatever its TTL says.
pub(super) const MAX_TTL: Duration = Duration::from_secs(200);

/// Who told us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// DNS-SD, which keeps a cache of its own and tells when a record is gone.
    Mdns,
    /// goop2's bare name, whose records lapse here.
    Goop2Mdns,
}

/// What a source tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Report {
    /// The instance is there; `ttl`: `None` if the source will tell when it is gone.
    Seen { source: Source, instance: String, peer: PeerId, addrs: Vec<Multiaddr>, ttl: Option<Duration> },
    /// The instance said goodbye, or its records lapsed.
    Gone { source: Source, instance: String },
}

struct Entry {
    source: Source,
    instance: String,
    peer: PeerId,
    addrs: Vec<Multiaddr>,
    expires: Option<Moment>,
}

/// Every instance that is believed now.
#[derive(Default)]
pub(super) struct Table {
    /// The newest last.
    entries: Vec<Entry>,
    /// How many were replaced by newcomers.
    pub(super) evicted: u64,
}

impl Table {
    /// Takes a report in, and says what the owner should hear of it.
    pub(super) fn take(&mut self, report: Report, now: Moment) -> Option<Event> {
        self.entries.retain(|entry| entry.expires.is_none_or(|expires| expires > now));
        match report {
            Report::Gone { source, instance } => self.gone(source, &instance),
            Report::Seen { source, instance, peer, addrs, ttl } => {
                let expires = ttl.map(|ttl| now + ttl.min(MAX_TTL));
                self.seen(Entry { source, instance, peer, addrs, expires })
            }
        }
    }

    /// The interfaces changed: whoever is still there answers the question that follows, and is told as found once more, so that a
    /// neighbour behind a cable that is back is dialled again. (DNS-SD's cache follows the interfaces by itself.)
    pub(super) fn forget_lapsing(&mut self) {
        self.entries.retain(|entry| entry.expires.is_none());
    }

    fn seen(&mut self, new: Entry) -> Option<Event> {
        let peer = new.peer;
        let before = self.addrs_of(peer);
        match self.entries.iter_mut().find(|known| known.source == new.source && known.instance == new.instance) {
            Some(known) => *known = new,
            None => self.insert(new),
        }
        let addrs = self.addrs_of(peer);
        (addrs != before).then_some(Event::Found { peer, addrs })
    }

    fn insert(&mut self, new: Entry) {
        self.make_room(MAX_PER_PEER, |entry| entry.source == new.source && entry.peer == new.peer);
        self.make_room(MAX_INSTANCES, |entry| entry.source == new.source);
        self.entries.push(new);
    }

    /// Drops the oldest of those that `counts` picks if there are `limit` of them.
    fn make_room(&mut self, limit: usize, counts: impl Fn(&Entry) -> bool) {
        if self.entries.iter().filter(|entry| counts(entry)).count() >= limit
            && let Some(oldest) = self.entries.iter().position(counts)
        {
            self.entries.remove(oldest);
            self.evicted += 1;
        }
    }

    /// A peer that leaves one source has left: it says goodbye on both, and the slower one need not be waited for.
    fn gone(&mut self, source: Source, instance: &str) -> Option<Event> {
        let index = self.entries.iter().position(|entry| entry.source == source && entry.instance == instance)?;
        let peer = self.entries[index].peer;
        let before = self.addrs_of(peer);
        self.entries.remove(index);
        if !self.entries.iter().any(|entry| entry.source == source && entry.peer == peer) {
            self.entries.retain(|entry| entry.peer != peer);
            return Some(Event::Goodbye { peer });
        }
        let addrs = self.addrs_of(peer);
        (addrs != before).then_some(Event::Found { peer, addrs })
    }

    /// All that is believed of a peer, the newest instance's addresses first.
    fn addrs_of(&self, peer: PeerId) -> Vec<Multiaddr> {
        let mut addrs = Vec::new();
        for addr in self.entries.iter().rev().filter(|entry| entry.peer == peer).flat_map(|entry| &entry.addrs) {
            if !addrs.contains(addr) {
                addrs.push(addr.clone());
            }
        }
        addrs
    }
}

#[cfg(test)]
mod tests;
