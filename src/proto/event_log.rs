//! A log of events that many subscribers read at their own pace: every event is written once, events that go out together lie in
//! one allocation, and a reader is a number.
//!
//! Events are numbered from 1. [`EventLog::push`] gathers, [`EventLog::seal`] makes what was gathered readable as one chunk of
//! shared bytes. [`EventLog::after`] gives a reader what follows the last event it has: the rest of one chunk at a time, so that a
//! reader who is up to date is handed the very bytes that everyone is handed.
//!
//! Bound: sealed chunks of [`MAX_BEHIND`] bytes together, and the newest chunk whatever its size. Who is further behind hears
//! [`Behind`] and has to start again from a snapshot (THREATS 8: bytes are counted, not messages).

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

/// How far a reader may fall behind, in bytes; also how much can be resumed.
pub const MAX_BEHIND: usize = 1024 * 1024;

/// What the reader asks for is gone, or was never there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Behind;

/// Events that went out together.
#[derive(Debug)]
struct Chunk {
    first: u64,
    /// Where each event ends in `bytes`.
    ends: Box<[u32]>,
    bytes: Bytes,
}

impl Chunk {
    fn last(&self) -> u64 {
        self.first + self.ends.len() as u64 - 1
    }

    /// The bytes of all events with a number above `seen`, which is below the last.
    fn after(&self, seen: u64) -> Bytes {
        match seen.checked_sub(self.first) {
            None => self.bytes.clone(),
            Some(at) => self.bytes.slice(self.ends[at as usize] as usize..),
        }
    }
}

/// The log.
#[derive(Debug)]
pub struct EventLog {
    chunks: VecDeque<Chunk>,
    /// Bytes of all sealed chunks.
    sealed: usize,
    max_behind: usize,
    gathered: BytesMut,
    ends: Vec<u32>,
    /// Number of the last event, gathered or sealed.
    last: u64,
}

impl Default for EventLog {
    fn default() -> Self {
        Self::new(MAX_BEHIND)
    }
}

impl EventLog {
    /// An empty log whose readers may fall this many bytes behind.
    pub fn new(max_behind: usize) -> Self {
        Self { chunks: VecDeque::new(), sealed: 0, max_behind, gathered: BytesMut::new(), ends: Vec::new(), last: 0 }
    }

    /// Number of the last event; 0 before the first.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Whether there are events that nobody can read yet.
    pub fn has_gathered(&self) -> bool {
        !self.ends.is_empty()
    }

    /// How many bytes nobody can read yet.
    pub fn gathered(&self) -> usize {
        self.gathered.len()
    }

    /// Gathers one event, made of these `parts`.
    pub fn push(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.gathered.extend_from_slice(part);
        }
        self.ends.push(u32::try_from(self.gathered.len()).unwrap_or(u32::MAX));
        self.last += 1;
    }

    /// Makes what was gathered readable, and drops what is too old.
    pub fn seal(&mut self) {
        if self.ends.is_empty() {
            return;
        }
        let ends: Box<[u32]> = self.ends.drain(..).collect();
        let bytes = self.gathered.split().freeze();
        self.sealed += bytes.len();
        self.chunks.push_back(Chunk { first: self.last + 1 - ends.len() as u64, ends, bytes });
        while self.sealed > self.max_behind && self.chunks.len() > 1 {
            self.sealed -= self.chunks.pop_front().map_or(0, |oldest| oldest.bytes.len());
        }
    }

    /// What a reader that has seen event `seen` gets next, and the last event therein; `None` where there is nothing new.
    ///
    /// # Errors
    /// [`Behind`] where events after `seen` are gone, or `seen` has not happened yet.
    pub fn after(&self, seen: u64) -> Result<Option<(Bytes, u64)>, Behind> {
        if seen > self.last {
            return Err(Behind);
        }
        let next = self.chunks.partition_point(|chunk| chunk.last() <= seen);
        match self.chunks.get(next) {
            Some(chunk) if chunk.first > seen + 1 => Err(Behind),
            Some(chunk) => Ok(Some((chunk.after(seen), chunk.last()))),
            None => Ok(None),
        }
    }

    /// How many bytes were written after event `seen`, gathered ones included; `None` where they are gone.
    pub fn bytes_after(&self, seen: u64) -> Option<usize> {
        let oldest = self.chunks.front().map_or(self.last + 1 - self.ends.len() as u64, |chunk| chunk.first);
        if seen + 1 < oldest || seen > self.last {
            return None;
        }
        let next = self.chunks.partition_point(|chunk| chunk.last() <= seen);
        let mut chunks = self.chunks.iter().skip(next);
        let first = chunks.next().map_or(0, |chunk| chunk.after(seen).len());
        Some(first + chunks.map(|chunk| chunk.bytes.len()).sum::<usize>() + self.gathered_after(seen))
    }

    fn gathered_after(&self, seen: u64) -> usize {
        let sealed = self.last - self.ends.len() as u64;
        let known = seen.checked_sub(sealed + 1).map_or(0, |at| self.ends[at as usize] as usize);
        self.gathered.len() - known
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(log: &EventLog, mut seen: u64) -> Result<Vec<u8>, Behind> {
        let mut all = Vec::new();
        while let Some((bytes, last)) = log.after(seen)? {
            all.extend_from_slice(&bytes);
            seen = last;
        }
        Ok(all)
    }

    #[test]
    fn readers_who_are_up_to_date_share_one_allocation() {
        let mut log = EventLog::default();
        log.push(&[b"one;"]);
        log.push(&[b"two;"]);
        assert_eq!(log.after(0), Ok(None), "not sealed yet");
        log.seal();
        let (a, b) = (log.after(0).unwrap().unwrap().0, log.after(0).unwrap().unwrap().0);
        assert_eq!((a.as_ptr(), &a[..]), (b.as_ptr(), &b"one;two;"[..]));
    }

    proptest! {
        /// Whatever is written and sealed in whatever batches: a reader gets exactly the events after the one it has, or is told
        /// that some are gone, and the log stays within its bound.
        #[test]
        fn a_reader_gets_what_it_misses_or_is_told(
            steps in prop::collection::vec(prop_oneof![(1..40usize).prop_map(Some), Just(None)], 1..120),
            seen in 0..130u64,
        ) {
            let mut log = EventLog::new(200);
            let mut events: Vec<Vec<u8>> = Vec::new();
            let mut sealed = 0;
            for step in steps {
                match step {
                    Some(len) => {
                        events.push(vec![b'a' + (events.len() % 26) as u8; len]);
                        log.push(&[events.last().unwrap()]);
                    }
                    None => {
                        log.seal();
                        sealed = events.len();
                    }
                }
                prop_assert!(log.chunks.len() == 1 || log.sealed <= 200);
            }
            prop_assert_eq!(log.last(), events.len() as u64);
            let readable = &events[..sealed];
            match read_all(&log, seen) {
                Ok(all) => {
                    prop_assert!(seen <= events.len() as u64);
                    let from = (seen as usize).min(readable.len());
                    prop_assert_eq!(all, readable[from..].concat());
                    let expected: usize = events[seen as usize..].iter().map(Vec::len).sum();
                    prop_assert_eq!(log.bytes_after(seen), Some(expected));
                }
                Err(Behind) => {
                    let written: usize = readable.iter().map(Vec::len).sum();
                    prop_assert!(seen > events.len() as u64 || written > 200, "only {} bytes were written", written);
                    prop_assert_eq!(log.bytes_after(seen), None);
                }
            }
        }
    }
}
