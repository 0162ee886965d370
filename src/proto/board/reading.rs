//! Who is owed what: a reader is a stream and the number of the last event it has.

use bytes::Bytes;

use super::Board;
use crate::clock::Moment;
use crate::proto::event_log::{Behind, EventLog};

/// The two streams about a board.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Named events with ids; only what changes.
    Changes,
    /// Data lines for goop2.
    Lines,
}

/// Somebody who reads a stream. What it has not been given yet is kept by the board, not here, but for a snapshot that everyone shares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    pub(super) stream: Stream,
    seen: u64,
    pub(super) first: [Option<Bytes>; 2],
}

/// What a reader gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owed {
    /// Nothing now.
    Nothing,
    /// These bytes.
    These(Bytes),
    /// It fell too far behind and its stream ends; goop2 comes back and starts anew.
    Ended,
}

/// The line with an event's id.
pub(super) fn id_line(run: u32, number: u64) -> String {
    format!("id: {run:x}.{number}\n")
}

fn number_of(id: &str, run: u32) -> Option<u64> {
    let (its_run, number) = id.trim().split_once('.')?;
    (u32::from_str_radix(its_run, 16) == Ok(run)).then(|| number.parse().ok())?
}

impl Board {
    /// A reader who comes `now`. On the stream of changes one may say which event it has seen last: it goes on from there, or is told
    /// `gap` before everything.
    pub fn join(&mut self, stream: Stream, last_event_id: Option<&str>, now: Moment) -> Reader {
        let Some(id) = last_event_id.filter(|_| stream == Stream::Changes) else { return self.begin(stream, now) };
        match number_of(id, self.run).filter(|seen| self.changes.bytes_after(*seen).is_some()) {
            Some(seen) => Reader { stream, seen, first: [None, None] },
            None => self.begin_after_gap(now),
        }
    }

    /// What `reader` gets next; called until it answers [`Owed::Nothing`], and again after every [`Board::seal`].
    pub fn owed(&mut self, reader: &mut Reader, now: Moment) -> Owed {
        if let Some(first) = reader.first.iter_mut().find_map(Option::take) {
            return Owed::These(first);
        }
        match self.log(reader.stream).after(reader.seen) {
            Ok(None) => Owed::Nothing,
            Ok(Some((bytes, last))) => {
                reader.seen = last;
                Owed::These(bytes)
            }
            Err(Behind) if reader.stream == Stream::Lines => Owed::Ended,
            Err(Behind) => {
                *reader = self.begin_after_gap(now);
                self.owed(reader, now)
            }
        }
    }

    pub(super) fn log(&self, stream: Stream) -> &EventLog {
        match stream {
            Stream::Changes => &self.changes,
            Stream::Lines => &self.lines,
        }
    }

    fn begin(&mut self, stream: Stream, now: Moment) -> Reader {
        let snapshot = self.snapshot(stream, now);
        let first = Some(snapshot.bytes).filter(|bytes| !bytes.is_empty());
        Reader { stream, seen: snapshot.seen, first: [None, first] }
    }

    fn begin_after_gap(&mut self, now: Moment) -> Reader {
        let mut reader = self.begin(Stream::Changes, now);
        let gap = format!("{}event: gap\ndata: {{}}\n\n", id_line(self.run, reader.seen));
        reader.first[0] = Some(gap.into());
        reader
    }
}
