//! Files sent and received: offers, decisions, and the bytes, which go straight between disk and stream.
//!
//! - What is to be sent is copied into the *spool* first, so that it stays what was offered. It leaves the spool when the transfer ends.
//! - What comes is gathered in the *downloads* under a private name, and gets its own name ([`crate::proto::transfer::name`]) when all of
//!   it is there and has the hash that was offered; it never replaces a file and is never executable (THREATS 39, 54).
//! - `run` does what is due, again if need be: tells the other side of an offer or of an end, fetches what was accepted.
//! - A peer that knows no transfers is given a link: the file is put into our site under a path that nobody can guess, until the transfer
//!   is cancelled or its time is over.
//!
//! Memory of one transfer: two pieces of at most 256 KiB.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libp2p::PeerId;
use prometheus_client::metrics::counter::Counter;
use serde::Serialize;
use tokio::sync::{Notify, Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::PeerEvent;
use super::memory::{Memory, MemoryError, Outcome, Transfer};
use super::site_root::SiteRoot;
use crate::clock::Moment;
use crate::proto::rate::RateTable;
use crate::proto::transfer::{Direction, OFFERING_PEERS, OFFERS_PER_PEER, State, Step};

mod download;
mod link;
mod part;
mod run;
mod serve;
mod spool;
mod sweep;

pub use part::RESERVE;
pub(super) use part::free;
pub use run::run;
pub use spool::SpoolError;
pub use sweep::sweep;

/// Bytes of files that are sent at the same time; whoever asks for more hears `busy`.
const MAX_SENDING: usize = 16;
/// Least time between two events of one transfer's progress.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);

/// Where files lie that are on their way.
#[derive(Debug, Clone)]
pub struct Folders {
    /// What was received; made when it is first needed.
    pub downloads: PathBuf,
    /// What is to be sent; made when it is first needed.
    pub spool: PathBuf,
}

/// A transfer as its owner sees it.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// What is remembered of it.
    #[serde(flatten)]
    pub transfer: Transfer,
    /// Bytes that travelled.
    pub moved: u64,
    /// The name in the downloads, once it arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The path on our site, while the other side has a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

#[derive(Default)]
struct UnderWay {
    moved: u64,
    told: Option<Moment>,
    stop: CancellationToken,
}

/// See the head of this file.
pub struct Files {
    memory: Memory,
    events: broadcast::Sender<PeerEvent>,
    folders: Folders,
    site: SiteRoot,
    offers: Mutex<RateTable<PeerId>>,
    under_way: Mutex<HashMap<i64, UnderWay>>,
    sending: Semaphore,
    wake: Notify,
    /// Offers of others that were refused: too many, too large, or not understood.
    pub refused: Counter,
}

impl Files {
    /// Nothing moves yet.
    pub fn new(memory: Memory, events: broadcast::Sender<PeerEvent>, folders: Folders, site: SiteRoot) -> Self {
        let offers = Mutex::new(RateTable::new(OFFERS_PER_PEER, OFFERING_PEERS));
        let (under_way, sending, wake) = (Mutex::default(), Semaphore::new(MAX_SENDING), Notify::new());
        Self { memory, events, folders, site, offers, under_way, sending, wake, refused: Counter::default() }
    }

    /// The transfer as its owner sees it.
    pub fn listed(&self, transfer: Transfer) -> Listed {
        let moved = match (transfer.state, transfer.direction) {
            (State::Done, _) => transfer.offer.size,
            (State::Accepted | State::Paused, _) => self.moved(&transfer),
            _ => 0,
        };
        let file = transfer.place.clone().filter(|_| transfer.state == State::Done && transfer.direction == Direction::In);
        let link = transfer.place.clone().filter(|_| transfer.state == State::Linked);
        Listed { transfer, moved, file, link }
    }

    fn moved(&self, transfer: &Transfer) -> u64 {
        let running = self.under_way().get(&transfer.number).map(|way| way.moved);
        let on_disk = || part::length(&self.folders.downloads, transfer);
        running.unwrap_or_else(|| if transfer.direction == Direction::In { on_disk() } else { 0 })
    }

    /// Takes a step, tells of it, and tidies up after what ended. `None` where the step cannot be taken.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub async fn step(&self, number: i64, step: Step, outcome: Outcome) -> Result<Option<Transfer>, MemoryError> {
        let stepped = self.memory.ask(move |memory| {
            let before = memory.transfer(number)?;
            Ok(memory.take_step(number, step, &outcome)?.map(|after| (before, after)))
        });
        let Some((before, transfer)) = stepped.await? else { return Ok(None) };
        if transfer.state != State::Accepted {
            self.stop(number);
        }
        if !transfer.state.is_open() {
            self.tidy(before, &transfer).await;
        }
        self.tell(transfer.clone());
        self.wake.notify_one();
        Ok(Some(transfer))
    }

    /// Removes what is not needed any more once a transfer has ended.
    async fn tidy(&self, before: Transfer, ended: &Transfer) {
        self.under_way().remove(&ended.number);
        match (before.direction, before.state, before.place) {
            (Direction::Out, State::Linked, Some(path)) => link::remove(&self.site, &path).await,
            (Direction::Out, _, Some(place)) => spool::remove(&self.folders.spool, &place),
            (Direction::In, ..) if ended.state != State::Done => part::remove(&self.folders.downloads, ended),
            _ => {}
        }
    }

    fn tell(&self, transfer: Transfer) {
        let _ = self.events.send(PeerEvent::File { file: self.listed(transfer) });
    }

    /// Copies what is to be sent into the spool; answers its place, size and hash.
    pub(super) async fn copy_in(&self, source: impl tokio::io::AsyncRead + Unpin, limit: u64) -> Result<(String, u64, String), SpoolError> {
        let spooled = spool::copy(&self.folders.spool, source, limit).await?;
        let copied = (spooled.place.clone(), spooled.size, spooled.hash.clone());
        spooled.keep();
        Ok(copied)
    }

    /// What is not sent after all leaves the spool.
    pub(super) fn unspool(&self, place: &str) {
        spool::remove(&self.folders.spool, place);
    }

    /// A transfer is there, to be worked at.
    pub(super) fn announce(&self, transfer: &Transfer) {
        self.tell(transfer.clone());
        self.wake.notify_one();
    }

    /// A file of the downloads by the name we gave it, and its size.
    pub(super) async fn open_received(&self, name: &str) -> Option<(tokio::fs::File, u64)> {
        let path = self.folders.downloads.join(name);
        let found = tokio::fs::symlink_metadata(&path).await.ok().filter(|found| found.is_file() && !name.contains('/'))?;
        Some((tokio::fs::File::open(path).await.ok()?, found.len()))
    }

    /// Takes back what is under way with a peer that was blocked; it is told nothing.
    pub(super) async fn cancel_all(&self, peer: &PeerId) -> Result<(), MemoryError> {
        let under_way = self.memory.ask(Memory::transfers_under_way).await?;
        for transfer in under_way.iter().filter(|transfer| transfer.peer == *peer) {
            self.step(transfer.number, Step::Cancel, Outcome::default()).await?;
        }
        Ok(())
    }

    /// A transfer begins to move; answers what ends it early.
    fn start(&self, number: i64, moved: u64) -> CancellationToken {
        let way = UnderWay { moved, ..UnderWay::default() };
        let stop = way.stop.clone();
        if let Some(before) = self.under_way().insert(number, way) {
            before.stop.cancel();
        }
        stop
    }

    /// So much was there already.
    fn start_from(&self, number: i64, moved: u64) {
        if let Some(way) = self.under_way().get_mut(&number) {
            way.moved = moved;
        }
    }

    /// Bytes moved; told now and then.
    fn progress(&self, transfer: &Transfer, bytes: usize) {
        let now = Moment::now();
        let tell = self.under_way().get_mut(&transfer.number).is_some_and(|way| {
            way.moved += bytes as u64;
            let due = way.told.is_none_or(|told| now.since(told) >= PROGRESS_EVERY);
            if due {
                way.told = Some(now);
            }
            due
        });
        if tell {
            self.tell(transfer.clone());
        }
    }

    fn stop(&self, number: i64) {
        if let Some(way) = self.under_way().get(&number) {
            way.stop.cancel();
        }
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<i64, UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn noted(done: Result<Option<Transfer>, MemoryError>) {
    if let Err(error) = done {
        warn!(%error, "what became of a file could not be noted");
    }
}
