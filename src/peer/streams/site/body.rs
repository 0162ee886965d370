//! The body of a fetched file: exactly as long as its head said, or an error.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf, Take};
use tokio::time::{Instant, Sleep, sleep};

use super::super::IDLE;

/// Reads as many bytes from a stream as its limit says.
pub(super) struct Body<R> {
    io: Take<R>,
    idle: Pin<Box<Sleep>>,
}

impl<R: AsyncRead + Unpin> Body<R> {
    pub(super) fn new(io: R, size: u64) -> Self {
        Self { io: io.take(size), idle: Box::pin(sleep(IDLE)) }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Body<R> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (before, room) = (out.filled().len(), out.remaining());
        if let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(cx, out) {
            read?;
            self.idle.as_mut().reset(Instant::now() + IDLE);
            let ended = out.filled().len() == before && room > 0;
            return Poll::Ready(if ended && self.io.limit() > 0 { Err(cut(self.io.limit())) } else { Ok(()) });
        }
        ready!(self.idle.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, format!("no byte for {} s", IDLE.as_secs()))))
    }
}

fn cut(missing: u64) -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, format!("the stream ended {missing} bytes early"))
}
