//! Everyone who is here, encoded once and shared by all who come while little has changed.

use bytes::{BufMut, Bytes, BytesMut};

use super::reading::{Stream, id_line};
use super::{Board, beginning};
use crate::clock::Moment;
use crate::proto::presence::Kind;

/// A snapshot is made anew once this part of it was written to the log since.
const WORN: usize = 8;
/// Unless that is less than this many bytes.
const LITTLE: usize = 4 * 1024;

/// An encoded snapshot.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    /// The last event that it knows.
    pub(super) seen: u64,
    /// The bytes as they go out.
    pub(super) bytes: Bytes,
    complete: bool,
}

impl Board {
    /// The snapshot of `stream` that somebody gets who comes `now`: the one that is kept, if what followed it can still be read.
    pub(super) fn snapshot(&mut self, stream: Stream, now: Moment) -> Snapshot {
        let complete = now >= self.complete_at;
        let log = self.log(stream);
        let fresh = |kept: &&Snapshot| {
            let since = log.bytes_after(kept.seen);
            kept.complete == complete && since.is_some_and(|since| since <= LITTLE.max(kept.bytes.len() / WORN))
        };
        if let Some(kept) = self.snapshots[stream as usize].as_ref().filter(fresh) {
            return kept.clone();
        }
        let bytes = match stream {
            Stream::Changes => self.all_as_event(complete),
            Stream::Lines => self.all_as_lines(),
        };
        let made = Snapshot { seen: self.log(stream).last(), bytes, complete };
        self.snapshots[stream as usize] = Some(made.clone());
        made
    }

    fn all_as_event(&self, complete: bool) -> Bytes {
        let mut text = BytesMut::with_capacity(self.row_bytes + 24 * self.rows.len() + 128);
        text.put_slice(id_line(self.run, self.changes.last()).as_bytes());
        text.put_slice(format!("event: snapshot\ndata: {{\"complete\":{complete},\"peers\":[").as_bytes());
        for (nth, row) in self.rows.values().enumerate() {
            if nth > 0 {
                text.put_u8(b',');
            }
            text.put_slice(beginning(Kind::Online).as_bytes());
            text.put_slice(row.public.as_bytes());
        }
        text.put_slice(b"]}\n\n");
        text.freeze()
    }

    fn all_as_lines(&self) -> Bytes {
        let mut text = BytesMut::with_capacity(self.row_bytes + 32 * self.rows.len());
        for row in self.rows.values() {
            for part in ["data: ", beginning(Kind::Online), &row.public, "\n\n"] {
                text.put_slice(part.as_bytes());
            }
        }
        text.freeze()
    }
}
