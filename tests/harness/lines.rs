//! The lines a child process writes, kept as they come, so that a test can wait for one or show them all.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use goop::clock::Moment;

/// Lines kept; a child that says more than this is out of its mind, and the rest is dropped.
const KEPT: usize = 100_000;
/// Lines shown of a child that took part in a failure.
const SHOWN: usize = 30;

#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    ended: bool,
}

/// Everything that came out of one pipe so far.
#[derive(Clone, Default)]
pub(crate) struct Lines {
    heard: Arc<(Mutex<Heard>, Condvar)>,
}

impl Lines {
    /// Read `pipe` to its end on a thread of its own.
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let keeper = lines.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
                keeper.keep(|heard| heard.lines.push(String::from_utf8_lossy(&line).into_owned()));
            }
            keeper.keep(|heard| heard.ended = true);
        });
        lines
    }

    fn keep(&self, change: impl FnOnce(&mut Heard)) {
        let mut heard = self.heard.0.lock().expect("no reader panics");
        if heard.lines.len() < KEPT {
            change(&mut heard);
        }
        heard.ended |= heard.lines.len() >= KEPT;
        self.heard.1.notify_all();
    }

    /// How many lines there are; a place to start [`Self::wait`] from.
    pub(crate) fn count(&self) -> usize {
        self.heard.0.lock().expect("no reader panics").lines.len()
    }

    /// All lines, for a message to the person who reads a failure.
    pub(crate) fn text(&self) -> String {
        self.heard.0.lock().expect("no reader panics").lines.join("\n")
    }

    /// The last lines, for the same.
    pub(crate) fn tail(&self) -> String {
        let heard = self.heard.0.lock().expect("no reader panics");
        heard.lines[heard.lines.len().saturating_sub(SHOWN)..].join("\n")
    }

    /// The first line from number `from` on that `pick` takes; `None` when `limit` has passed or the pipe has ended.
    pub(crate) fn wait<T>(&self, limit: Duration, from: usize, mut pick: impl FnMut(&str) -> Option<T>) -> Option<T> {
        let start = Moment::now();
        let mut heard = self.heard.0.lock().expect("no reader panics");
        let mut next = from;
        loop {
            while let Some(line) = heard.lines.get(next) {
                next += 1;
                if let Some(found) = pick(line) {
                    return Some(found);
                }
            }
            let left = limit.saturating_sub(Moment::now().since(start));
            if heard.ended || left.is_zero() {
                return None;
            }
            heard = self.heard.1.wait_timeout(heard, left).expect("no reader panics").0;
        }
    }
}
