//! Does what is due: tells others of offers and of ends, fetches what was accepted, gives up what nobody decided.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use libp2p::PeerId;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Files, download, link, noted, spool};
use crate::clock::{Moment, UnixMillis};
use crate::peer::memory::{Outcome, Transfer};
use crate::peer::retry::Retry;
use crate::peer::streams::{self, file};
use crate::peer::{OpenError, PeerEvent, PeerHandle};
use crate::proto::transfer::{Direction, State, Step};

/// Transfers that are worked at at the same time.
const AT_ONCE: usize = 16;
/// Of these, files that are fetched,
const MAX_FETCHING: usize = 4;
/// and of these, of one peer: the others' do not wait for one that is slow.
const MAX_FETCHING_OF_ONE: usize = 2;
/// How often it is looked what is due, while there is something to do,
const LOOK: Duration = Duration::from_secs(1);
/// and while all that is under way waits for somebody.
const LOOK_IDLY: Duration = Duration::from_secs(60);

/// Runs until `stop`.
pub async fn run(handle: PeerHandle, stop: CancellationToken) {
    let (retries, jobs, busy, fetching) = Default::default();
    Runner { handle, retries, jobs, busy, fetching, work: false }.run(stop).await;
}

struct Runner {
    handle: PeerHandle,
    retries: HashMap<i64, (PeerId, Retry)>,
    jobs: JoinSet<Ended>,
    busy: HashSet<i64>,
    /// Transfers that are fetched, and from whom.
    fetching: HashMap<i64, PeerId>,
    /// Something is to be done, now or after a failure.
    work: bool,
}

struct Ended {
    number: i64,
    /// Nothing more is to be tried.
    settled: bool,
}

/// What is to be done about a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Fetch,
    Offer,
    TellEnd,
}

impl Work {
    fn of(transfer: &Transfer) -> Option<Self> {
        match (transfer.direction, transfer.state) {
            (Direction::In, State::Accepted) => Some(Self::Fetch),
            (Direction::Out, State::Waiting) => Some(Self::Offer),
            (_, state) if transfer.tell && !state.is_open() => Some(Self::TellEnd),
            _ => None,
        }
    }
}

impl Runner {
    async fn run(mut self, stop: CancellationToken) {
        let mut events = self.handle.events();
        self.look().await;
        loop {
            let pause = if self.work { LOOK } else { LOOK_IDLY };
            tokio::select! {
                () = stop.cancelled() => return,
                event = events.recv() => match event {
                    Ok(PeerEvent::Online { peer }) => self.bring_forward(Some(peer.peer_id)),
                    Ok(_) => continue,
                    Err(RecvError::Lagged(_)) => self.bring_forward(None),
                    Err(RecvError::Closed) => return,
                },
                () = self.handle.files.wake.notified() => {}
                Some(ended) = self.jobs.join_next(), if !self.jobs.is_empty() => self.note(ended.ok()),
                () = tokio::time::sleep(pause), if !self.retries.is_empty() => {}
            }
            self.look().await;
        }
    }

    fn bring_forward(&mut self, peer: Option<PeerId>) {
        let now = Moment::now();
        let theirs = self.retries.values_mut().filter(|(whose, _)| peer.is_none_or(|peer| *whose == peer));
        theirs.for_each(|(_, retry)| *retry = Retry::at_once(now));
    }

    async fn look(&mut self) {
        let transfers = match self.handle.memory().ask(super::Memory::transfers_under_way).await {
            Ok(transfers) => transfers,
            Err(error) => return warn!(%error, "what files are under way cannot be read"),
        };
        let (now, today) = (Moment::now(), UnixMillis::now());
        self.work = transfers.iter().any(|transfer| Work::of(transfer).is_some());
        let there: HashSet<i64> = transfers.iter().map(|transfer| transfer.number).collect();
        self.retries.retain(|number, _| there.contains(number));
        for transfer in transfers {
            let (_, retry) = self.retries.entry(transfer.number).or_insert((transfer.peer, Retry::at_once(now)));
            if transfer.until <= today {
                self.expire(transfer).await;
            } else if retry.at <= now && !self.busy.contains(&transfer.number) {
                self.begin(transfer);
            }
        }
    }

    fn begin(&mut self, transfer: Transfer) {
        let (handle, number) = (self.handle.clone(), transfer.number);
        let Some(work) = Work::of(&transfer).filter(|_| self.jobs.len() < AT_ONCE) else { return };
        if work == Work::Fetch {
            let theirs = self.fetching.values().filter(|peer| **peer == transfer.peer).count();
            if self.fetching.len() >= MAX_FETCHING || theirs >= MAX_FETCHING_OF_ONE {
                return;
            }
            self.fetching.insert(number, transfer.peer);
        }
        self.busy.insert(number);
        self.jobs.spawn(async move {
            let settled = match work {
                Work::Fetch => download::run(handle, transfer).await,
                Work::Offer => offer(handle, transfer).await,
                Work::TellEnd => tell_end(handle, transfer).await,
            };
            Ended { number, settled }
        });
    }

    fn note(&mut self, ended: Option<Ended>) {
        let Some(Ended { number, settled }) = ended else {
            // A job that panicked said nothing; all that is under way is looked at afresh.
            self.busy.clear();
            self.fetching.clear();
            return;
        };
        self.busy.remove(&number);
        self.fetching.remove(&number);
        if let Some((_, retry)) = self.retries.get_mut(&number) {
            if settled { *retry = Retry::at_once(Moment::now()) } else { retry.failed(Moment::now()) }
        }
    }

    async fn expire(&mut self, transfer: Transfer) {
        if transfer.state.is_open() {
            let why =
                Some(if transfer.state == State::Linked { "the link was good for seven days" } else { "its time is over" }.to_owned());
            noted(self.handle.files.step(transfer.number, Step::Expire, Outcome { why, ..Outcome::default() }).await);
        } else {
            let _ = self.handle.memory().ask(move |memory| memory.was_told(transfer.number)).await;
        }
    }
}

/// Tells the other side of an offer. Only a favourite is waited for.
async fn offer(handle: PeerHandle, transfer: Transfer) -> bool {
    let (step, outcome) = match say(&handle, &transfer, file::Request::Offer(transfer.offer.clone())).await {
        Ok(Ok(())) => (Step::Tell, Outcome::default()),
        Ok(Err(file::Refusal::Busy)) if handle.memory().is_favourite(&transfer.peer) => return false,
        Ok(Err(refusal)) => (Step::Fail, failed(refusal.words().into())),
        Err(Unsaid::Unsupported) => match give_link(&handle, &transfer).await {
            Ok(path) => (Step::Link, Outcome { place: Some(path), ..Outcome::default() }),
            Err(why) => (Step::Fail, failed(why)),
        },
        Err(Unsaid::Away(_)) if handle.memory().is_favourite(&transfer.peer) => return false,
        Err(Unsaid::Away(why)) => (Step::Fail, failed(why)),
    };
    noted(handle.files.step(transfer.number, step, outcome).await);
    true
}

fn failed(why: String) -> Outcome {
    Outcome { why: Some(why), ..Outcome::default() }
}

async fn tell_end(handle: PeerHandle, transfer: Transfer) -> bool {
    let how = match transfer.state {
        State::Done => file::End::Done,
        State::Declined => file::End::Declined,
        State::Failed => file::End::Failed,
        _ => file::End::Cancelled,
    };
    let request = file::Request::End { id: transfer.offer.id.clone(), how };
    let told = match say(&handle, &transfer, request).await {
        Ok(Err(file::Refusal::Busy)) | Err(Unsaid::Away(_)) => false,
        Ok(_) | Err(Unsaid::Unsupported) => true,
    };
    told && handle.memory().ask(move |memory| memory.was_told(transfer.number)).await.is_ok()
}

/// Why something could not be said.
enum Unsaid {
    Unsupported,
    Away(String),
}

async fn say(handle: &PeerHandle, transfer: &Transfer, request: file::Request) -> Result<Result<(), file::Refusal>, Unsaid> {
    let stream = handle.open(transfer.peer, &[streams::FILE]).await.map_err(|error| match error {
        OpenError::Unsupported => Unsaid::Unsupported,
        error => Unsaid::Away(error.to_string()),
    })?;
    file::say(stream.io, &request).await.map_err(|error| Unsaid::Away(error.to_string()))
}

/// Puts the file into our site and tells the other side where.
async fn give_link(handle: &PeerHandle, transfer: &Transfer) -> Result<String, String> {
    let files: &Files = &handle.files;
    let place = transfer.place.as_ref().filter(|place| spool::is_place(place)).ok_or("its copy is gone")?;
    let body = tokio::fs::File::open(files.folders.spool.join(place)).await.map_err(|error| error.to_string())?;
    let path = link::put(&files.site, &transfer.offer.name, body).await.map_err(|error| error.to_string())?;
    let text = link::message(&handle.peer_id(), &transfer.offer.name, transfer.offer.size, &path);
    if let Err(error) = handle.chat(Some(transfer.peer), text).await {
        link::remove(&files.site, &path).await;
        return Err(error.to_string());
    }
    spool::remove(&files.folders.spool, place);
    Ok(path)
}
