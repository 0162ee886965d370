//! How far a file is, on stderr where that is a terminal.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use crate::clock::Moment;

/// How often it is told.
const EVERY: Duration = Duration::from_millis(200);

/// A line that is written over again and again; nothing where nobody looks.
pub(super) struct Progress {
    total: Option<u64>,
    done: u64,
    told: Option<Moment>,
    is_seen: bool,
}

impl Progress {
    /// Of a file of `total` bytes, as far as that is known.
    pub(super) fn new(total: Option<u64>) -> Self {
        Self { total, done: 0, told: None, is_seen: std::io::stderr().is_terminal() }
    }

    /// So many bytes more.
    pub(super) fn more(&mut self, length: usize) {
        self.done = self.done.saturating_add(length as u64);
        let now = Moment::now();
        if self.is_seen && self.told.is_none_or(|told| now.since(told) >= EVERY) {
            self.told = Some(now);
            self.tell("");
        }
    }

    /// Leaves the last line standing.
    pub(super) fn end(&self) {
        if self.is_seen {
            self.tell("\n");
        }
    }

    fn tell(&self, end: &str) {
        let _ = write!(std::io::stderr(), "\r{}{end}", self.line());
    }

    fn line(&self) -> String {
        match self.total.filter(|total| *total > 0) {
            Some(total) => format!("{} of {total} bytes, {} %", self.done, u128::from(self.done) * 100 / u128::from(total)),
            None => format!("{} bytes", self.done),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_tells_bytes_and_percent() {
        let line = |total, done| Progress { total, done, told: None, is_seen: false }.line();
        assert_eq!(line(Some(200), 50), "50 of 200 bytes, 25 %");
        assert_eq!(line(Some(u64::MAX), u64::MAX), format!("{0} of {0} bytes, 100 %", u64::MAX));
        assert_eq!((line(None, 7), line(Some(0), 0)), ("7 bytes".into(), "0 bytes".into()));
    }
}
