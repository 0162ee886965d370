//! A board with those who read it. One lock, held for as long as a table look-up or an append takes.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use libp2p::PeerId;
use tokio::sync::Notify;

use super::locked;
use crate::clock::{Moment, UnixMillis};
use crate::http::sse::KEEP_ALIVE;
use crate::proto::board::{Board, Elsewhere, Full, Lapsed, Owed, Publication, Published, Reader, Stream};

/// What a flush costs for each reader: a wake-up and a write, whatever is written.
const FLUSH_PRICE: Duration = Duration::from_micros(8);
/// A flush is paid back by this many times its price in quiet, so that flushing stays under a third of a core.
const QUIET: u32 = 3;
/// A flush is never followed by another sooner: with a few readers, waking them would cost more than what they are told.
const LEAST_QUIET: Duration = Duration::from_millis(1);
/// Nobody waits longer than this for others to be woken together, though many thousand readers then cost more than a third of a core.
const MOST_QUIET: Duration = Duration::from_millis(150);
/// Who has not asked for more for this long is stuck, and costs a flush nothing.
const STUCK: Duration = Duration::from_secs(1);
/// What is gathered at most while nobody reads, in bytes.
const MAX_UNREAD: usize = 64 * 1024;

/// A board and its readers.
pub struct LiveBoard {
    slug: Option<String>,
    inner: Mutex<Inner>,
    news: Arc<Notify>,
}

struct Inner {
    board: Board,
    /// Index is the seat number. As long as the most readers there ever were.
    seats: Vec<Option<Occupant>>,
    free: Vec<usize>,
    /// When readers were last given something.
    flushed: Moment,
    /// How many of them then were not [`STUCK`]: a thousand who take nothing delay nobody (THREATS 8).
    active: u32,
    /// When they were last given a sign of life.
    kept_alive: Moment,
    /// Whether the fan-out knows that there is news.
    announced: bool,
}

struct Occupant {
    seat: Seat,
    waker: Option<Waker>,
    /// When it last asked for more.
    asked: Moment,
    ended: bool,
}

/// Who sits there and reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Where it reads from.
    pub address: IpAddr,
    /// The peer for whom its personal URL was issued, if it has one.
    pub peer: Option<PeerId>,
    /// The number of the token of that URL.
    pub token: Option<i64>,
}

impl LiveBoard {
    pub(super) fn new(slug: Option<String>, board: Board, news: Arc<Notify>) -> Self {
        let inner = Inner {
            board,
            seats: Vec::new(),
            free: Vec::new(),
            flushed: Moment::START,
            active: 0,
            kept_alive: Moment::START,
            announced: false,
        };
        Self { slug, inner: Mutex::new(inner), news }
    }

    /// The community; `None` is the open board.
    pub fn slug(&self) -> Option<&str> {
        self.slug.as_deref()
    }

    /// Looks at the board, for as short as possible.
    pub fn read<T>(&self, look: impl FnOnce(&Board) -> T) -> T {
        look(&self.lock().board)
    }

    /// How many read.
    pub fn readers(&self) -> usize {
        self.lock().readers()
    }

    /// Takes a publication that was admitted.
    ///
    /// # Errors
    /// [`Full`].
    pub fn publish(&self, publication: Publication, now: Moment) -> Result<Published, Full> {
        self.change(|board| board.publish(publication, now))
    }

    /// Removes a peer (THREATS: a ban takes effect at once); `false` where it was not here.
    pub fn remove(&self, peer: &PeerId, at: UnixMillis) -> bool {
        self.change(|board| board.remove(peer, at))
    }

    /// Removes those whose TTL lapsed, at most `most`.
    pub fn expire(&self, now: Moment, at: UnixMillis, most: usize) -> Vec<Lapsed> {
        self.change(|board| board.expire(now, at, most))
    }

    /// Takes what another instance of this server heard; `false` where that is no news.
    ///
    /// # Errors
    /// [`Full`].
    pub fn learn(&self, publication: Publication, by: Elsewhere, now: Moment) -> Result<bool, Full> {
        self.change(|board| board.learn(publication, by, now))
    }

    /// Another instance says that a peer is gone, of which it had heard nothing since `heard`.
    pub fn forget(&self, peer: &PeerId, heard: Moment, at: UnixMillis) -> bool {
        self.change(|board| board.forget(peer, heard, at))
    }

    /// That instance died.
    pub fn orphan(&self, instance: u64) {
        self.change(|board| board.orphan(instance));
    }

    /// Tells readers that the community is now at `url`, and ends all streams: goop2's readers, who do not know the word, come back and
    /// follow the redirect.
    pub fn moved(&self, url: &str) {
        self.change(|board| board.moved(url));
        self.end_streams(|_| true);
    }

    /// Ends the streams of those who `leave`, once they have read what they are owed.
    pub fn end_streams(&self, leave: impl Fn(&Seat) -> bool) {
        let mut inner = self.lock();
        for occupant in inner.seats.iter_mut().flatten().filter(|occupant| leave(&occupant.seat)) {
            occupant.ended = true;
        }
        inner.board.seal();
        let wakers = inner.wakers();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Lets a new reader sit down.
    pub(super) fn join(&self, seat: Seat, stream: Stream, last_event_id: Option<&str>, now: Moment) -> (usize, Reader) {
        let mut inner = self.lock();
        let reader = inner.board.join(stream, last_event_id, now);
        let occupant = Some(Occupant { seat, waker: None, asked: now, ended: false });
        let number = match inner.free.pop() {
            Some(number) => number,
            None => {
                inner.seats.push(None);
                inner.seats.len() - 1
            }
        };
        inner.seats[number] = occupant;
        (number, reader)
    }

    /// The reader of seat `number` went.
    pub(super) fn leave(&self, number: usize) {
        let mut inner = self.lock();
        inner.seats[number] = None;
        inner.free.push(number);
    }

    /// What the reader of seat `number` gets next; `None` ends its stream.
    pub(super) fn poll(&self, number: usize, reader: &mut Reader, cx: &Context<'_>) -> Poll<Option<Bytes>> {
        let (now, mut inner) = (Moment::now(), self.lock());
        if let Some(occupant) = &mut inner.seats[number] {
            occupant.asked = now;
        }
        match inner.board.owed(reader, now) {
            Owed::These(bytes) => return Poll::Ready(Some(bytes)),
            Owed::Ended => return Poll::Ready(None),
            Owed::Nothing => {}
        }
        match &mut inner.seats[number] {
            Some(occupant) if !occupant.ended => {
                match &mut occupant.waker {
                    Some(waker) => waker.clone_from(cx.waker()),
                    none => *none = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
            _ => Poll::Ready(None),
        }
    }

    /// Gives readers what was gathered, if it is time; answers when to come again.
    pub(super) fn flush(&self, now: Moment) -> Moment {
        let mut inner = self.lock();
        let due = inner.due();
        if now < due {
            return due;
        }
        // News on one stream is silence on the other: heartbeats are told to goop2's readers only.
        if now >= inner.kept_alive + KEEP_ALIVE {
            inner.kept_alive = now;
            inner.board.keep_alive();
        }
        inner.board.seal();
        let is_active = |occupant: &&Occupant| occupant.waker.is_some() || now.since(occupant.asked) < STUCK;
        let active = inner.seats.iter().flatten().filter(is_active).count();
        inner.active = u32::try_from(active).unwrap_or(u32::MAX);
        let wakers = inner.wakers();
        (inner.flushed, inner.announced) = (now, false);
        let next = inner.due();
        drop(inner);
        wakers.into_iter().for_each(Waker::wake);
        next
    }

    /// Makes a change, and tells the fan-out where it does not know yet that there is something to tell.
    fn change<T>(&self, change: impl FnOnce(&mut Board) -> T) -> T {
        let mut inner = self.lock();
        let answer = change(&mut inner.board);
        if inner.readers() == 0 {
            if inner.board.gathered() > MAX_UNREAD {
                inner.board.seal();
            }
        } else if !inner.announced && inner.board.has_news() {
            inner.announced = true;
            drop(inner);
            self.news.notify_one();
        }
        answer
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        locked(&self.inner)
    }
}

impl Inner {
    fn readers(&self) -> usize {
        self.seats.len() - self.free.len()
    }

    /// When readers are to be given something: news when the last flush is paid back, else a sign of life.
    fn due(&self) -> Moment {
        if self.board.has_news() {
            self.flushed + (FLUSH_PRICE * QUIET * self.active).clamp(LEAST_QUIET, MOST_QUIET)
        } else {
            self.kept_alive + KEEP_ALIVE
        }
    }

    fn wakers(&mut self) -> Vec<Waker> {
        self.seats.iter_mut().flatten().filter_map(|occupant| occupant.waker.take()).collect()
    }
}

impl fmt::Debug for LiveBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveBoard").field("slug", &self.slug).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
