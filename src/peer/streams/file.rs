//! `/goop/file/1.0.0`: files from one peer to another. Ours; goop2 has nothing like it.
//!
//! Everything is in frames (`file/frames.rs`). The opener says one thing as JSON, the other side answers in JSON, and after the answer to
//! `get` come the bytes, the receiver's pace being the stream's:
//!
//! ```text
//! {"op":"offer","id","name","size","type","hash"}   -> {"ok":true}
//! {"op":"get","id","from"}                          -> {"ok":true,"size"} and that many bytes, from the offset `from` on
//! {"op":"end","id","how"}                           -> {"ok":true}             how: declined, cancelled, done, failed
//! ```
//! A refusal is `{"ok":false,"why"}` with one of the words of [`Refusal`]. Unknown members are ignored.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWriteExt};

use super::StreamError;
use super::line::{finish, soon};
use super::pace::Pace;
use crate::peer::Duplex;
use crate::proto::transfer::Offer;

mod frames;

pub use frames::{MAX_HEAD, MAX_PIECE};

/// What the opener wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Request {
    /// Would you like this file?
    Offer(Offer),
    /// The bytes of a file that was offered, from an offset on.
    Get {
        /// Which.
        id: String,
        /// What is there already, in bytes.
        from: u64,
    },
    /// A transfer ended; whoever has offered or was offered it may say so.
    End {
        /// Which.
        id: String,
        /// How.
        how: End,
    },
}

/// How a transfer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// The receiver does not want it.
    Declined,
    /// One of both took it back.
    Cancelled,
    /// All of it arrived, and it is what was offered.
    Done,
    /// It did not work out.
    Failed,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// No such transfer, or it ended.
    Unknown,
    /// Too many at the moment; worth another try.
    Busy,
    /// Too many offers wait for a decision.
    TooMany,
    /// The file is larger than is taken of this peer.
    TooLarge,
    /// The bytes are not there any more.
    Gone,
    /// Not understood, or not wanted.
    #[serde(other)]
    Refused,
}

impl Refusal {
    /// What a person is told.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unknown => "the other side does not know this transfer any more",
            Self::Busy => "the other side is busy",
            Self::TooMany => "too many offers wait for a decision there",
            Self::TooLarge => "the file is larger than the other side takes",
            Self::Gone => "the other side does not have the file any more",
            Self::Refused => "the other side refused",
        }
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Reply {
    ok: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    why: Option<Refusal>,
}

/// Say `request`, which is no `get`, and hear what becomes of it.
pub async fn say(mut io: impl Duplex, request: &Request) -> Result<Result<(), Refusal>, StreamError> {
    frames::write_json(&mut io, request).await?;
    let reply: Reply = frames::read_json(&mut io).await?;
    let _ = finish(&mut io).await;
    Ok(if reply.ok { Ok(()) } else { Err(reply.why.unwrap_or(Refusal::Refused)) })
}

/// Ask for the bytes of `offer` from `from` on.
pub async fn get<T: Duplex>(mut io: T, offer: &Offer, from: u64) -> Result<Result<Pieces<T>, Refusal>, StreamError> {
    frames::write_json(&mut io, &Request::Get { id: offer.id.clone(), from }).await?;
    let reply: Reply = frames::read_json(&mut io).await?;
    if !reply.ok {
        return Ok(Err(reply.why.unwrap_or(Refusal::Refused)));
    }
    let left = offer.size.saturating_sub(from);
    if reply.size != Some(left) {
        return Err(StreamError::Malformed("the other side sends another number of bytes than it offered".into()));
    }
    Ok(Ok(Pieces { io, left, pace: Pace::start() }))
}

/// The bytes of a file as they come.
pub struct Pieces<T> {
    io: T,
    left: u64,
    /// Of the whole: many small pieces may not drip either (THREATS 42).
    pace: Pace,
}

impl<T: Duplex> Pieces<T> {
    /// The next piece, at most [`MAX_PIECE`] bytes; `None` once all of them came. More than was announced is refused.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, StreamError> {
        if self.left == 0 {
            return Ok(None);
        }
        let piece = frames::read(&mut self.io, MAX_PIECE).await?;
        let length = piece.len() as u64;
        if length == 0 || length > self.left {
            return Err(StreamError::Malformed("a piece that is empty, or longer than what is missing".into()));
        }
        self.left -= length;
        self.pace.step(piece.len())?;
        Ok(Some(piece))
    }
}

/// Hear what the opener wants.
pub async fn hear(io: &mut impl Duplex) -> Result<Request, StreamError> {
    frames::read_json(io).await
}

/// Answer a request that is no `get`, or refuse one that is.
pub async fn answer(mut io: impl Duplex, verdict: Result<(), Refusal>) -> Result<(), StreamError> {
    frames::write_json(&mut io, &Reply { ok: verdict.is_ok(), size: None, why: verdict.err() }).await?;
    finish(&mut io).await
}

/// Answer a `get` with the next `size` bytes of `body`; `moved` hears of each piece that went out.
pub async fn send(
    mut io: impl Duplex,
    mut body: impl AsyncRead + Unpin,
    size: u64,
    mut moved: impl FnMut(usize),
) -> Result<(), StreamError> {
    frames::write_json(&mut io, &Reply { ok: true, size: Some(size), why: None }).await?;
    let (mut left, mut piece, mut pace) = (size, vec![0; MAX_PIECE], Pace::start());
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(MAX_PIECE).min(MAX_PIECE);
        let read = frames::fill(&mut body, &mut piece[..most]).await?;
        if read == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter").into());
        }
        frames::write(&mut io, &piece[..read], &mut pace).await?;
        left -= read as u64;
        moved(read);
    }
    soon(io.flush()).await?;
    finish(&mut io).await
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn attack_a_file_that_drips_in_whole_pieces_is_too_slow() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        tokio::spawn(async move {
            while theirs.write_all(&[0, 0, 0, 1, b'x']).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        });
        let mut pieces = Pieces { io: ours, left: 1 << 20, pace: Pace::start() };
        let ended = loop {
            match pieces.next().await {
                Ok(piece) => assert_eq!(piece.as_deref(), Some(&b"x"[..])),
                Err(error) => break error,
            }
        };
        assert!(matches!(ended, StreamError::TooSlow), "{ended}");
    }
}
