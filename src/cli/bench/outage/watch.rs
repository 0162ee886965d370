//! What all clients together have seen.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// Counters that clients and those who speak for them write.
#[derive(Debug)]
pub(super) struct Watch {
    clients: usize,
    open: AtomicUsize,
    ended: AtomicUsize,
    /// Clients that have heard of every row since their stream began.
    complete: AtomicUsize,
    /// Peers whose presence was accepted since [`Watch::outage`].
    accepted: Vec<AtomicBool>,
    vanished: AtomicU64,
    refused: AtomicU64,
}

impl Watch {
    /// Nobody has come yet.
    pub(super) fn new(clients: usize) -> Self {
        Self {
            clients,
            open: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            complete: AtomicUsize::new(0),
            accepted: (0..clients).map(|_| AtomicBool::new(false)).collect(),
            vanished: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }

    /// What happened until now was before the outage.
    pub(super) fn forget(&self) {
        self.vanished.store(0, Ordering::Relaxed);
        self.refused.store(0, Ordering::Relaxed);
        self.ended.store(0, Ordering::Relaxed);
    }

    /// A stream began.
    pub(super) fn opens(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// A stream that had begun ended; `complete`: its client knew everybody.
    pub(super) fn ends(&self, complete: bool) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.ended.fetch_add(1, Ordering::Relaxed);
        self.complete.fetch_sub(usize::from(complete), Ordering::Relaxed);
    }

    /// A client has heard of every row.
    pub(super) fn completes(&self) {
        self.complete.fetch_add(1, Ordering::Relaxed);
    }

    /// A client does not know any more that all it shows are here: it starts anew.
    pub(super) fn starts_anew(&self) {
        self.complete.fetch_sub(1, Ordering::Relaxed);
    }

    /// Rows vanished from a client's table.
    pub(super) fn vanish(&self, rows: usize) {
        self.vanished.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// A peer's presence was answered.
    pub(super) fn answered(&self, peer: usize, accepted: bool) {
        self.accepted[peer].fetch_or(accepted, Ordering::Relaxed);
        self.refused.fetch_add(u64::from(!accepted), Ordering::Relaxed);
    }

    /// The first stream ended: what was accepted until now was forgotten with the server.
    pub(super) fn outage(&self) {
        self.accepted.iter().for_each(|peer| peer.store(false, Ordering::Relaxed));
    }

    /// Whether a stream has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Relaxed) > 0
    }

    /// Whether every stream has ended and is open again.
    pub(super) fn all_open_again(&self) -> bool {
        self.ended.load(Ordering::Relaxed) >= self.clients && self.open.load(Ordering::Relaxed) == self.clients
    }

    /// Whether every client has heard of every row.
    pub(super) fn all_complete(&self) -> bool {
        self.complete.load(Ordering::Relaxed) == self.clients
    }

    /// Whether every peer's presence was accepted since.
    pub(super) fn all_accepted(&self) -> bool {
        self.accepted.iter().all(|peer| peer.load(Ordering::Relaxed))
    }

    /// Rows that vanished from tables.
    pub(super) fn vanished(&self) -> u64 {
        self.vanished.load(Ordering::Relaxed)
    }

    /// Publications that were refused.
    pub(super) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}
