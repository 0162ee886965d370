//! Several instances of one server, each a process over the same database (`presence.peer_db_path`): they show the same peers within a
//! second, and a client may speak to any of them, with every message to another.
//!
//! - What changes here is noted, and written in one transaction a tenth of a second later at most ([`exchange`]); an unchanged heartbeat
//!   once in a third of the TTL. Nobody who publishes waits for that.
//! - A signed message does wait, for a verdict: its number must be written before it counts, or it could be played again to another
//!   instance (THREATS 3). Those that come together are written together.
//! - Where the database does not answer within [`PATIENCE`], or [`MAX_ASKED`] wait already, an instance judges alone, by what it knows,
//!   until it does again: the board serves on. The numbers that counted meanwhile are written as soon as it answers, the highest of each peer.
//! - Beyond [`MAX_NOTES`] peers at a time nothing more is noted; whoever is here is noted again with a later heartbeat, and whoever left
//!   stays with the other instances until the TTL lapses. Each such loss is counted.
//!
//! A single server keeps what it must know after a restart in the same way: the first signature of a peer waits until it is written
//! that the peer is bound, the rest of the numbers is written when the server stops.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use libp2p::PeerId;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::store::{Asked, Verdict};
use super::{App, LiveBoard, Refusal, locked};
use crate::clock::{Moment, UnixMillis};
use crate::proto::binding::{self, BOUND_FOR};
use crate::proto::board::{Lapsed, Published};
use crate::proto::signed::{Epoch, SignedPresence};

mod exchange;

use exchange::Exchange;

/// How long a signed message waits for its verdict, and a visitor for the store.
pub(super) const PATIENCE: Duration = Duration::from_millis(250);
/// Most signed messages that wait.
const MAX_ASKED: usize = 4096;
/// Most peers of whom something is noted.
const MAX_NOTES: usize = 65_536;
/// How often others are looked for, and notes are written.
const TICK: Duration = Duration::from_millis(100);
/// The same where there are no others.
const ALONE: Duration = Duration::from_secs(60);
/// How often those whose TTL lapsed are looked for where others wait to hear of it.
pub(super) const SWEEP: Duration = Duration::from_millis(500);

/// What this instance has to tell, and to ask.
#[derive(Debug)]
pub(super) struct Sharing {
    /// The number of this instance; `None`: there are no others.
    instance: Option<u64>,
    pending: Mutex<Pending>,
    asked: Notify,
    /// Whether the last numbers are being written.
    ends: AtomicBool,
}

#[derive(Debug, Default)]
struct Pending {
    asked: Vec<(Asked, oneshot::Sender<Verdict>)>,
    /// Numbers that counted here and are not written yet; at most [`MAX_NOTES`].
    late: HashMap<PeerId, Asked>,
    notes: HashMap<(Option<String>, PeerId), Note>,
}

/// What is to be told of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Note {
    /// It is here, as the board says when the note is written.
    Here,
    /// It is gone; from where an unsigned farewell came.
    Gone { at: Moment, from: Option<IpAddr> },
}

impl Pending {
    /// Has a number that counts already written when the database answers again.
    fn write_late(&mut self, asked: Asked) {
        if self.late.len() >= MAX_NOTES && !self.late.contains_key(&asked.peer) {
            return;
        }
        let late = self.late.entry(asked.peer).or_insert(asked);
        *late = if asked.seq > late.seq { asked } else { *late };
    }

    /// Whether there is anything to write.
    fn has_more(&self) -> bool {
        !self.notes.is_empty() || !self.late.is_empty()
    }
}

impl Sharing {
    /// The instance with this number, or the only one.
    pub(super) fn new(instance: Option<u64>) -> Self {
        Self { instance, pending: Mutex::default(), asked: Notify::new(), ends: AtomicBool::new(false) }
    }

    /// Whether there may be other instances.
    pub(super) fn is_shared(&self) -> bool {
        self.instance.is_some()
    }

    /// Has the number of a signed message written that counts here; answers as of when it counts. `first`: its peer was not bound.
    ///
    /// # Errors
    /// [`binding::Refusal::SignAgain`] where another instance knows a higher number; [`Refusal::Standby`] where this one ends, so that no
    /// number counts that is not written.
    pub(super) async fn agree(&self, signed: &SignedPresence, first: bool, epoch: Epoch, now: Moment) -> Result<Moment, Refusal> {
        if self.ends.load(Ordering::SeqCst) {
            return Err(Refusal::Standby);
        }
        if !first && !self.is_shared() {
            return Ok(now);
        }
        let until = UnixMillis(UnixMillis::now().0 + BOUND_FOR.as_millis() as u64);
        let (verdict, told) = oneshot::channel();
        {
            let mut pending = locked(&self.pending);
            let asked = Asked { peer: signed.peer, seq: signed.seq, until };
            if pending.asked.len() >= MAX_ASKED {
                pending.write_late(asked);
                return Ok(now);
            }
            pending.asked.push((asked, verdict));
        }
        self.asked.notify_one();
        match timeout(PATIENCE, told).await {
            Ok(Ok(Verdict::Again(seq))) => Err(binding::Refusal::SignAgain { epoch, seq }.into()),
            Ok(Ok(Verdict::Counts(at))) => Ok(at),
            _ => Ok(Moment::now()),
        }
    }

    /// Notes what came of a message of `peer` that arrived at `at`; `from` is the address of an unsigned one. Answers whether there was
    /// room.
    pub(super) fn published(&self, board: &LiveBoard, peer: PeerId, from: Option<IpAddr>, came: Published, at: Moment) -> bool {
        match came {
            Published::Unchanged => true,
            Published::Came | Published::Changed | Published::PassedOn => self.note(board, peer, Note::Here),
            Published::Left | Published::WasNotHere => self.note(board, peer, Note::Gone { at, from }),
        }
    }

    /// Notes those who fell silent here. Whom another instance heard last, that one tells of.
    pub(super) fn lapsed(&self, board: &LiveBoard, lapsed: &[Lapsed]) {
        for silent in lapsed.iter().filter(|silent| !silent.elsewhere) {
            self.note(board, silent.peer, Note::Gone { at: silent.heard, from: None });
        }
    }

    fn note(&self, board: &LiveBoard, peer: PeerId, note: Note) -> bool {
        if !self.is_shared() {
            return true;
        }
        let (mut pending, key) = (locked(&self.pending), (board.slug().map(str::to_owned), peer));
        let room = pending.notes.len() < MAX_NOTES || pending.notes.contains_key(&key);
        if room {
            pending.notes.insert(key, note);
        }
        room
    }
}

/// Reads what other instances wrote before this one began.
pub(super) fn begin(app: &App) -> Exchange {
    let mut exchange = Exchange::default();
    exchange.begin(app);
    exchange
}

/// Tells and hears until `stop`, then tells the rest.
pub(super) async fn run(app: Arc<App>, mut exchange: Exchange, stop: CancellationToken) {
    let tick = if app.sharing.is_shared() { TICK } else { ALONE };
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = app.sharing.asked.notified() => {}
            () = tokio::time::sleep(tick) => {}
        }
        let shared = app.clone();
        let turn = tokio::task::spawn_blocking(move || {
            exchange.turn(&shared);
            exchange
        });
        let Ok(after) = turn.await else { return };
        exchange = after;
    }
    let _ = tokio::task::spawn_blocking(move || exchange.end(&app)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// THREATS 3: a number that was judged alone must not count again at another instance once the database is back.
    #[test]
    fn attack_numbers_that_counted_while_the_database_failed_are_written_later_the_highest_of_each_peer() {
        let (ann, bob) = (PeerId::random(), PeerId::random());
        let of = |peer, seq| Asked { peer, seq, until: UnixMillis(9) };
        let mut pending = Pending::default();
        for asked in [of(ann, 3), of(ann, 9), of(ann, 4), of(bob, 1)] {
            pending.write_late(asked);
        }
        assert_eq!((pending.late.len(), pending.late[&ann].seq, pending.late[&bob].seq), (2, 9, 1));
        for _ in 0..MAX_NOTES + 10 {
            pending.write_late(of(PeerId::random(), 1));
        }
        pending.write_late(of(bob, 7));
        assert_eq!((pending.late.len(), pending.late[&bob].seq), (MAX_NOTES, 7), "bounded, and known peers go on");
    }
}
