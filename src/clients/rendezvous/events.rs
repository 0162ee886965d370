//! The bytes of an event stream, cut into events within bounds.
//!
//! The parser gets whole lines only, so that a line in many pieces is not looked at once per piece, and a line or an event without
//! end never fills the memory: both end the stream. (A server that ends its lines with CR alone, which no server does, would be taken
//! for one that never ends them.)

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use eventsource_stream::{Event, EventStream, EventStreamError};
use futures::stream::BoxStream;
use futures::{Stream, StreamExt, TryStreamExt};

use super::request::Failure;

/// A stream that says nothing for this long is dead; servers say something at least every 25 s.
pub const IDLE: Duration = Duration::from_secs(60);

/// The longest event of a stream, in bytes, names and line ends included.
#[derive(Debug, Clone, Copy)]
pub struct MaxEvent(pub usize);

/// One event of a stream.
pub type Events = BoxStream<'static, Result<Event, Failure>>;

/// The events in `bytes`; it ends with the first failure.
pub fn events<E: 'static>(bytes: impl Stream<Item = Result<Bytes, E>> + Send + Unpin + 'static, max: MaxEvent) -> Events {
    let lines = futures::stream::try_unfold((bytes, Lines::new(max)), |(mut bytes, mut lines)| async move {
        loop {
            let chunk = tokio::time::timeout(IDLE, bytes.next()).await.map_err(|_| Failure::Silent)?;
            let Some(Ok(chunk)) = chunk else { return Err(Failure::Ended) };
            if let Some(whole) = lines.push(&chunk)? {
                return Ok(Some((whole, (bytes, lines))));
            }
        }
    });
    EventStream::new(Box::pin(lines))
        .map_err(|error| match error {
            EventStreamError::Transport(failure) => failure,
            EventStreamError::Utf8(_) => Failure::Strange("an event is not UTF-8"),
            EventStreamError::Parser(_) => Failure::Strange("an event is malformed"),
        })
        .boxed()
}

/// Gathers chunks into whole lines, and counts.
struct Lines {
    max: usize,
    gathered: BytesMut,
    /// Bytes of the event that is being read, in lines that were handed out.
    handed_out: usize,
}

impl Lines {
    fn new(max: MaxEvent) -> Self {
        Self { max: max.0, gathered: BytesMut::new(), handed_out: 0 }
    }

    /// The whole lines there are now.
    fn push(&mut self, chunk: &[u8]) -> Result<Option<Bytes>, Failure> {
        let end = chunk.iter().rposition(|byte| *byte == b'\n');
        let before = self.gathered.len();
        self.gathered.extend_from_slice(chunk);
        let whole = end.map(|end| self.gathered.split_to(before + end + 1).freeze());
        if let Some(whole) = &whole {
            self.count(whole)?;
        }
        if self.handed_out + self.gathered.len() > self.max {
            return Err(Failure::Strange("an event is too long"));
        }
        Ok(whole)
    }

    fn count(&mut self, lines: &[u8]) -> Result<(), Failure> {
        for line in lines.split_inclusive(|byte| *byte == b'\n') {
            self.handed_out = if matches!(line, b"\n" | b"\r\n") { 0 } else { self.handed_out + line.len() };
            if self.handed_out > self.max {
                return Err(Failure::Strange("an event is too long"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use proptest::prelude::*;

    use super::*;

    async fn read(pieces: Vec<Vec<u8>>, max: usize) -> (Vec<(String, String)>, String) {
        let bytes = futures::stream::iter(pieces.into_iter().map(|piece| Ok::<_, Infallible>(Bytes::from(piece))));
        let mut events = events(bytes, MaxEvent(max));
        let mut read = Vec::new();
        loop {
            match events.next().await {
                Some(Ok(event)) => read.push((event.event, event.data)),
                Some(Err(failure)) => return (read, failure.to_string()),
                None => return (read, String::new()),
            }
        }
    }

    fn in_pieces(text: &[u8], size: usize) -> Vec<Vec<u8>> {
        text.chunks(size).map(<[u8]>::to_vec).collect()
    }

    #[tokio::test]
    async fn events_come_whole_whatever_the_pieces() {
        let text = ": ok\n\ndata: {\"a\":1}\n\nevent: update\r\nid: 7\r\ndata: é\r\n\r\n: ping\n\ndata:x\n\n".as_bytes();
        for size in [1, 2, 3, 7, 1000] {
            let (read, end) = read(in_pieces(text, size), 1000).await;
            let expected = [("message", "{\"a\":1}"), ("update", "é"), ("message", "x")];
            assert_eq!(read, expected.map(|(event, data)| (event.to_owned(), data.to_owned())), "pieces of {size}");
            assert_eq!(end, "the stream ended");
        }
    }

    #[tokio::test]
    async fn attack_neither_a_line_nor_an_event_without_end_fills_the_memory() {
        let line = format!("data: x\n\ndata: {}", "y".repeat(2000));
        let (before, end) = read(in_pieces(line.as_bytes(), 100), 1000).await;
        assert_eq!((before.len(), end.as_str()), (1, "the answer is not understood: an event is too long"));
        let event = format!("data: x\n\n{}", "data: y\n".repeat(500));
        for size in [100, 1_000_000] {
            assert_eq!(read(in_pieces(event.as_bytes(), size), 1000).await.1, "the answer is not understood: an event is too long");
        }
        let comments = ": ping\n\n".repeat(10_000);
        assert_eq!(read(in_pieces(comments.as_bytes(), 100), 1000).await.1, "the stream ended", "keep-alives are no event");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_falls_silent_is_dead() {
        let mut silent = events(futures::stream::pending::<Result<Bytes, Infallible>>(), MaxEvent(1000));
        assert!(matches!(silent.next().await, Some(Err(Failure::Silent))));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..20)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            runtime.block_on(read(pieces, 200));
        }
    }
}
