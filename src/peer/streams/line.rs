//! Lines and bytes over a stream that may be slow, endless or dead.
//!
//! A line has [`IDLE`] from its first wait to its LF, so that a byte now and then does not hold a stream (THREATS 43). Bodies have
//! no such end: there [`IDLE`] counts between two bytes, and [`Pace`] asks for a least rate.

use std::future::Future;
use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use super::pace::Pace;
use super::{IDLE, StreamError};

/// What `io` answers within [`IDLE`].
pub(super) async fn soon<T>(io: impl Future<Output = io::Result<T>>) -> Result<T, StreamError> {
    Ok(timeout(IDLE, io).await.map_err(|_| StreamError::Idle)??)
}

/// The next line without its LF; `None` if the stream ended before the LF. At most `limit` bytes are taken in.
pub(super) async fn read_line<R: AsyncBufRead + Unpin>(io: &mut R, limit: usize) -> Result<Option<Vec<u8>>, StreamError> {
    let mut line = Vec::new();
    soon(io.take(limit as u64 + 1).read_until(b'\n', &mut line)).await?;
    match line.pop() {
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() >= limit => Err(StreamError::TooLong { limit }),
        _ => Ok(None),
    }
}

/// As [`read_line`], as text; a stream that ends early, or other bytes than UTF-8, are `Malformed`.
pub(super) async fn read_text_line<R: AsyncBufRead + Unpin>(io: &mut R, limit: usize) -> Result<String, StreamError> {
    let line = read_line(io, limit).await?.ok_or_else(|| StreamError::Malformed("the stream ended before the first line did".into()))?;
    String::from_utf8(line).map_err(|_| StreamError::Malformed("the first line is not UTF-8".into()))
}

/// Exactly `length` bytes; the caller has bounded it.
pub(super) async fn read_exactly<R: AsyncRead + Unpin>(io: &mut R, length: usize) -> Result<Vec<u8>, StreamError> {
    let mut bytes = vec![0; length];
    let (mut filled, mut pace) = (0, Pace::start());
    while filled < length {
        match soon(io.read(&mut bytes[filled..])).await? {
            0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("{filled} of {length} bytes came")).into()),
            read => {
                filled += read;
                pace.step(read)?;
            }
        }
    }
    Ok(bytes)
}

/// Everything of a line, within [`IDLE`].
pub(super) async fn write_all<W: AsyncWrite + Unpin>(io: &mut W, line: &[u8]) -> Result<(), StreamError> {
    soon(io.write_all(line)).await
}

/// Everything of a piece of a body; the other side may be slow, but neither still nor slower than `pace` allows.
pub(super) async fn write_piece<W: AsyncWrite + Unpin>(io: &mut W, mut piece: &[u8], pace: &mut Pace) -> Result<(), StreamError> {
    while !piece.is_empty() {
        match soon(io.write(piece)).await? {
            0 => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
            written => {
                piece = &piece[written..];
                pace.step(written)?;
            }
        }
    }
    Ok(())
}

/// Send what is buffered and say that nothing more comes; reading goes on.
pub(super) async fn finish<W: AsyncWrite + Unpin>(io: &mut W) -> Result<(), StreamError> {
    soon(io.flush()).await?;
    soon(io.shutdown()).await
}

/// Foreign text made fit for a screen and a log: control characters gone, at most `limit` bytes, cut between characters.
pub(super) fn printable(text: &str, limit: usize) -> String {
    let mut shown = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if shown.len() + c.len_utf8() > limit {
            break;
        }
        shown.push(c);
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::io::BufReader;

    use super::*;

    #[tokio::test]
    async fn a_line_ends_at_lf_at_the_limit_or_at_the_end_of_the_stream() {
        let read = async |bytes: &[u8]| read_line(&mut BufReader::new(bytes), 4).await;
        assert_eq!(read(b"abcd\nrest").await.unwrap(), Some(b"abcd".to_vec()));
        assert_eq!(read(b"\n").await.unwrap(), Some(Vec::new()));
        assert_eq!(read(b"").await.unwrap(), None);
        assert_eq!(read(b"abcd").await.unwrap(), None);
        assert!(matches!(read(b"abcde\n").await, Err(StreamError::TooLong { limit: 4 })));
    }

    #[tokio::test]
    async fn an_endless_line_is_cut_at_the_limit() {
        let mut endless = BufReader::new(tokio::io::repeat(b'a'));
        assert!(matches!(read_line(&mut endless, 64 * 1024).await, Err(StreamError::TooLong { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_now_and_then_does_not_hold_a_line_open() {
        let (mut slow, io) = tokio::io::duplex(64);
        let dripping = tokio::spawn(async move {
            while slow.write_all(b"a").await.is_ok() {
                tokio::time::sleep(IDLE / 3).await
            }
        });
        let started = tokio::time::Instant::now();
        assert!(matches!(read_line(&mut BufReader::new(io), 1000).await, Err(StreamError::Idle)));
        assert_eq!(started.elapsed(), IDLE);
        dripping.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stands_still_is_left_after_the_idle_time() {
        let (mut io, _still) = tokio::io::duplex(64);
        assert!(matches!(write_all(&mut io, &[0; 65]).await, Err(StreamError::Idle)));
    }

    proptest! {
        #[test]
        fn printable_text_is_short_and_holds_no_control_character(text in "\\PC*|[\0-\u{ff}]*", limit in 0_usize..300) {
            let shown = printable(&text, limit);
            prop_assert!(shown.len() <= limit && !shown.contains(char::is_control));
        }
    }
}
