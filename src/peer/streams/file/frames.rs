//! Frames: four bytes that say how long, the highest first, and then as many bytes (THREATS 43).

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::peer::streams::line::{read_exactly, soon, write_all, write_piece};
use crate::peer::streams::pace::Pace;
use crate::peer::streams::{IDLE, StreamError};

/// Longest frame of JSON, in bytes.
pub const MAX_HEAD: usize = 8 * 1024;
/// Longest piece of a file, in bytes; what one transfer holds in memory.
pub const MAX_PIECE: usize = 256 * 1024;

/// The next frame, of at most `limit` bytes; nothing is made room for that was not announced within it.
pub(super) async fn read(io: &mut (impl AsyncRead + Unpin), limit: usize) -> Result<Vec<u8>, StreamError> {
    let mut length = [0; 4];
    soon(io.read_exact(&mut length)).await?;
    let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
    if length > limit {
        return Err(StreamError::TooLong { limit });
    }
    read_exactly(io, length).await
}

/// The next frame as JSON: one value of exactly this shape, with no key twice and nothing behind it (THREATS 13); all of it within [`IDLE`].
pub(super) async fn read_json<T: DeserializeOwned>(io: &mut (impl AsyncRead + Unpin)) -> Result<T, StreamError> {
    let frame = timeout(IDLE, read(io, MAX_HEAD)).await.map_err(|_| StreamError::Idle)??;
    serde_json::from_slice(&frame).map_err(|error| StreamError::Malformed(error.to_string()))
}

/// One frame that may be large.
pub(super) async fn write(io: &mut (impl AsyncWrite + Unpin), piece: &[u8], pace: &mut Pace) -> Result<(), StreamError> {
    write_all(io, &length_of(piece)?).await?;
    write_piece(io, piece, pace).await
}

/// One frame of JSON, sent at once.
pub(super) async fn write_json(io: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> Result<(), StreamError> {
    let json = serde_json::to_vec(value).map_err(|error| StreamError::Malformed(error.to_string()))?;
    if json.len() > MAX_HEAD {
        return Err(StreamError::TooLong { limit: MAX_HEAD });
    }
    write_all(io, &[&length_of(&json)?[..], &json].concat()).await?;
    soon(io.flush()).await
}

/// As many bytes of a file as there are, up to the length of `piece`.
pub(super) async fn fill(body: &mut (impl AsyncRead + Unpin), piece: &mut [u8]) -> Result<usize, StreamError> {
    let mut filled = 0;
    while filled < piece.len() {
        match body.read(&mut piece[filled..]).await? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn length_of(frame: &[u8]) -> Result<[u8; 4], StreamError> {
    let length = u32::try_from(frame.len()).map_err(|_| StreamError::TooLong { limit: MAX_PIECE })?;
    Ok(length.to_be_bytes())
}
