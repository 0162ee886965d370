//! When bytes last moved on a connection.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};

use crate::clock::Moment;

/// The last moment at which a stream of a connection moved bytes; zero if none did yet.
#[derive(Debug, Default)]
pub struct Pulse(AtomicU64);

impl Pulse {
    /// How long ago bytes last moved; `None` if none ever did.
    pub fn quiet_for(&self, now: Moment) -> Option<Duration> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            millis => Some(now.since(Moment::from_millis(millis))),
        }
    }

    fn beat(&self) {
        let millis = Moment::now().since(Moment::START).as_millis();
        self.0.store(u64::try_from(millis).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
    }
}

/// A stream that feeds the pulse of its connection. What it writes counts too: once the other side's receive window is full, a
/// write only succeeds because the other side answered.
#[derive(Debug)]
pub struct Pulsing<S> {
    stream: S,
    pulse: Arc<Pulse>,
}

impl<S> Pulsing<S> {
    pub(super) fn new(stream: S, pulse: Arc<Pulse>) -> Self {
        Self { stream, pulse }
    }

    fn felt<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(result, Poll::Ready(Ok(_))) {
            self.pulse.beat();
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Pulsing<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.felt(read)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Pulsing<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.felt(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}
