//! What discovery dropped and why, for logs and metrics.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Totals since the start; each number only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets and resolved records that were looked at.
    pub seen: u64,
    /// Packets dropped unread because too many came at once (THREATS 48).
    pub flooded: u64,
    /// Packets that are no DNS message, are longer than 9000 bytes or carry an authority section.
    pub malformed: u64,
    /// Records that name no peer, several peers, or no address a LAN peer can have.
    pub refused: u64,
    /// Instances that made room for newcomers in a full table.
    pub evicted: u64,
    /// Packets that could not be sent.
    pub unsent: u64,
    /// Times the DNS-SD daemon died, hung or was flooded, and was started again (THREATS 57).
    pub restarts: u64,
}

/// The counters that the tasks share.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) seen: AtomicU64,
    pub(super) flooded: AtomicU64,
    pub(super) malformed: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) evicted: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) restarts: AtomicU64,
}

impl Tally {
    pub(super) fn read(&self) -> Counters {
        Counters {
            seen: self.seen.load(Relaxed),
            flooded: self.flooded.load(Relaxed),
            malformed: self.malformed.load(Relaxed),
            refused: self.refused.load(Relaxed),
            evicted: self.evicted.load(Relaxed),
            unsent: self.unsent.load(Relaxed),
            restarts: self.restarts.load(Relaxed),
        }
    }
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}
