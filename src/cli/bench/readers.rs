//! Those who read event streams, and what is counted of it.

use std::cell::RefCell;
use std::io;
use std::ops::{Add, Range};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::peers::DIGITS;
use super::publishers::find;
use super::target::Target;
use crate::clock::Moment;

/// Connections that are opened at the same time.
const AT_ONCE: usize = 256;
/// Readers, spread evenly over all, that look when what they read was sent.
const PROBES: usize = 16;
/// Arrivals whose time is noted.
const MAX_WAITS: usize = 1_000_000;
/// What stands before the moment at which a publication was sent.
const SENT: &[u8] = b"\"at-";

thread_local! {
    /// Readers share it: twenty thousand of their own would cost more than what is measured.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

/// What is counted while it runs.
#[derive(Debug, Default)]
pub(super) struct Counts {
    messages: AtomicU64,
    bytes: AtomicU64,
    ended: AtomicU64,
    /// Microseconds from the sending of a publication to its arrival at a probe; at most [`MAX_WAITS`].
    waits: Mutex<Vec<u64>>,
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Read {
    /// Events.
    pub(super) messages: u64,
    /// Bytes, chunk sizes included.
    pub(super) bytes: u64,
    /// Streams that ended.
    pub(super) ended: u64,
}

impl Add for Read {
    type Output = Read;

    fn add(self, other: Read) -> Read {
        Read { messages: self.messages + other.messages, bytes: self.bytes + other.bytes, ended: self.ended + other.ended }
    }
}

impl Counts {
    /// Counts from now on.
    pub(super) fn begin(&self) {
        self.messages.store(0, Ordering::Relaxed);
        self.bytes.store(0, Ordering::Relaxed);
        self.noted().clear();
    }

    /// What was read since.
    pub(super) fn read(&self) -> Read {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Read { messages: of(&self.messages), bytes: of(&self.bytes), ended: of(&self.ended) }
    }

    /// How long publications took to their readers, in milliseconds: half of them at most, and all but a hundredth.
    pub(super) fn waits(&self) -> (Option<f64>, Option<f64>) {
        let mut waits = std::mem::take(&mut *self.noted());
        waits.sort_unstable();
        let at = |per_mille: usize| waits.get(waits.len() * per_mille / 1000).map(|micros| *micros as f64 / 1000.0);
        (at(500), at(990))
    }

    fn noted(&self) -> MutexGuard<'_, Vec<u64>> {
        self.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Each message is one JSON object without another inside.
    fn take(&self, bytes: &[u8]) {
        let messages = bytes.iter().filter(|byte| **byte == b'{').count();
        self.messages.fetch_add(messages as u64, Ordering::Relaxed);
        self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
    }

    /// Notes when the messages in `text` were sent; what may go on with the next bytes stays in it.
    fn look_when(&self, text: &mut Vec<u8>) {
        let (now, mut seen) = (Moment::now().since(Moment::START).as_micros() as u64, 0);
        let mut waits = self.noted();
        while let Some(at) = find(&text[seen..], SENT).map(|at| seen + at + SENT.len()).filter(|at| at + DIGITS <= text.len()) {
            seen = at + DIGITS;
            let sent = std::str::from_utf8(&text[at..seen]).ok().and_then(|digits| digits.parse::<u64>().ok());
            let room = MAX_WAITS - waits.len();
            waits.extend(sent.map(|sent| now.saturating_sub(sent)).iter().take(room));
        }
        let keep = (text.len() - seen).min(SENT.len() + DIGITS);
        text.drain(..text.len() - keep);
    }
}

/// Open event streams; dropped, they end.
pub(super) struct Readers {
    _tasks: JoinSet<()>,
}

impl Readers {
    /// Opens a stream for each of these clients; some of them are probes.
    pub(super) async fn join(target: &Target, stream: &str, numbers: Range<usize>, counts: &Arc<Counts>) -> Result<Self> {
        let mut tasks = JoinSet::new();
        let every = numbers.len().div_ceil(PROBES).max(1);
        for first in numbers.clone().step_by(AT_ONCE) {
            let some = first..numbers.end.min(first + AT_ONCE);
            let opened = try_join_all(some.clone().map(|number| target.subscribe(stream, number))).await?;
            for (number, socket) in some.zip(opened) {
                tasks.spawn(read(socket, counts.clone(), number % every == every / 2));
            }
        }
        Ok(Self { _tasks: tasks })
    }
}

async fn read(socket: TcpStream, counts: Arc<Counts>, probe: bool) {
    let mut text = Vec::new();
    while socket.readable().await.is_ok() {
        let read = BUFFER.with_borrow_mut(|buffer| {
            let read = socket.try_read(buffer)?;
            counts.take(&buffer[..read]);
            if probe {
                text.extend_from_slice(&buffer[..read]);
            }
            Ok(read)
        });
        match read {
            Ok(0) => break,
            Err(cause) if io::Error::kind(&cause) != io::ErrorKind::WouldBlock => break,
            _ if probe => counts.look_when(&mut text),
            _ => {}
        }
    }
    counts.ended.fetch_add(1, Ordering::Relaxed);
}
