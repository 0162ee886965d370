//! What a connection is doing, and until when it may.
//!
//! ```text
//! fresh --bytes--> head --request complete--> busy --response done--> idle --bytes--> head …
//! ```
//! Each state but `busy` has a deadline, and whatever the state, a client that does not take what is written to it is cut
//! (THREATS 8, 10). One timer per connection watches all of them, because 19 000 quiet subscribers pay for each byte here.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Limits;

/// What a client that has said nothing yet gets when the node stops.
const LAST_CALL: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Fresh,
    Head,
    Busy,
    Idle,
    Leaving,
}

/// What socket, service and response of one connection tell its timer.
pub(super) struct Pulse {
    limits: Limits,
    proven: AtomicBool,
    unread: AtomicBool,
    /// Lines that declared a length and that no request was seen to have.
    lengths: AtomicUsize,
    inner: Mutex<Deadlines>,
}

struct Deadlines {
    state: State,
    state_until: Option<Instant>,
    write_until: Option<Instant>,
    drain_until: Option<Instant>,
}

impl Pulse {
    /// Of a connection that was just accepted.
    pub(super) fn new(limits: Limits) -> Arc<Self> {
        let state_until = Some(Instant::now() + limits.first_byte);
        let inner = Deadlines { state: State::Fresh, state_until, write_until: None, drain_until: None };
        Arc::new(Self {
            limits,
            proven: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            lengths: AtomicUsize::new(0),
            inner: Mutex::new(inner),
        })
    }

    /// Whether a whole request has come; until then the connection may have to make room for another.
    pub(super) fn proven(&self) -> bool {
        self.proven.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Deadlines> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a request's body may take before its speed counts.
    pub(super) fn body_patience(&self) -> Duration {
        self.limits.body
    }

    /// A request was answered before its body had come to its end: the client may still be sending.
    pub(super) fn left_unread(&self) {
        self.unread.store(true, Ordering::Relaxed);
    }

    /// Whether the client may still be sending what nobody will read.
    pub(super) fn is_left_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Bytes came, and in them so many lines that declare a length.
    pub(super) fn heard(&self, lengths: usize) {
        self.lengths.fetch_add(lengths, Ordering::Relaxed);
        let mut inner = self.lock();
        if matches!(inner.state, State::Fresh | State::Idle) {
            (inner.state, inner.state_until) = (State::Head, Some(Instant::now() + self.limits.head));
        }
    }

    /// A whole request came.
    pub(super) fn busy(&self) {
        self.proven.store(true, Ordering::Relaxed);
        let mut inner = self.lock();
        (inner.state, inner.state_until) = (State::Busy, None);
    }

    /// A request has a line that declares its length.
    pub(super) fn length_seen(&self) {
        self.lengths.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether lines that declare a length came which no request was seen to have.
    pub(super) fn misses_a_length(&self) -> bool {
        self.lengths.load(Ordering::Relaxed) > 0
    }

    /// Its answer is out of our hands.
    pub(super) fn answered(&self) {
        let mut inner = self.lock();
        (inner.state, inner.state_until) = (State::Idle, Some(Instant::now() + self.limits.keep_alive));
    }

    /// Something was written, or (`stuck`) could not be.
    pub(super) fn wrote(&self, stuck: bool) {
        let mut inner = self.lock();
        match (stuck, inner.write_until) {
            (true, None) => inner.write_until = Some(Instant::now() + self.limits.stall),
            (false, Some(_)) => inner.write_until = None,
            _ => {}
        }
    }

    /// Our side is closed; the client may say its last words.
    pub(super) fn leave(&self) {
        let mut inner = self.lock();
        if inner.state != State::Leaving {
            (inner.state, inner.state_until) = (State::Leaving, Some(Instant::now() + self.limits.linger));
        }
    }

    /// The node stops.
    pub(super) fn drain(&self) {
        let (mut inner, now) = (self.lock(), Instant::now());
        inner.drain_until = Some(now + self.limits.drain);
        if inner.state == State::Fresh {
            inner.state_until = inner.state_until.min(Some(now + LAST_CALL));
        }
    }

    /// Whether nothing has come yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.lock().state == State::Fresh
    }

    /// The next moment at which the connection is cut, unless something happens before.
    pub(super) fn due(&self) -> Option<Instant> {
        let inner = self.lock();
        [inner.state_until, inner.write_until, inner.drain_until].into_iter().flatten().min()
    }

    /// Whether our side is closed already.
    pub(super) fn leaving(&self) -> bool {
        self.lock().state == State::Leaving
    }
}
