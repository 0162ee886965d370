//! A client's socket that tells the pulse what moves on it, and closes without cutting off the client's own words.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::lengths::LengthLines;
use super::pulse::Pulse;

/// Bytes of an unread body that are thrown away so that the client hears the answer before the connection closes.
const MAX_LINGER: usize = 1024 * 1024;

/// The socket, telling the pulse what moves on it.
pub(super) struct Watched {
    socket: TcpStream,
    pulse: Arc<Pulse>,
    lengths: LengthLines,
    discarded: usize,
    shut: bool,
}

impl Watched {
    /// Tells `pulse` what moves on `socket`.
    pub(super) fn new(socket: TcpStream, pulse: Arc<Pulse>) -> Self {
        Self { socket, pulse, lengths: LengthLines::new(), discarded: 0, shut: false }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            let lengths = self.lengths.count(&buf.filled()[before..]);
            self.pulse.heard(lengths);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.socket).poll_write(cx, buf);
        self.pulse.wrote(wrote.is_pending());
        wrote
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let wrote = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.pulse.wrote(wrote.is_pending());
        wrote
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Closes our side. Where a body was left unread, what the client still sends is taken for a moment: a close with unread bytes
    /// would reset the connection, and the client would never hear that its body was too long.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.shut {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
            self.shut = true;
            self.pulse.leave();
        }
        if !self.pulse.is_left_unread() {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = [0; 4096];
        while self.discarded < MAX_LINGER {
            let mut buf = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.discarded += buf.filled().len();
        }
        Poll::Pending
    }
}
