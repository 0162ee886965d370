//! `/goop/avatar/1.0.0`: a peer's picture. The opener sends nothing; the answer is `NONE\n`, or `OK <size>\n` and the bytes.

use bytes::Bytes;
use tokio::io::BufReader;

use super::StreamError;
use super::line::{finish, read_exactly, read_text_line, write_all, write_piece};
use super::pace::Pace;
use crate::peer::Duplex;

/// Largest picture that is fetched, in bytes (goop2 has the same limit).
pub const MAX_AVATAR: usize = 512 * 1024;
/// Longest answer line, in bytes.
const MAX_HEAD: usize = 1024;

/// Answer with the owner's picture, if there is one.
pub async fn serve(mut io: impl Duplex, avatar: Option<&[u8]>) -> Result<(), StreamError> {
    match avatar {
        None => write_all(&mut io, b"NONE\n").await?,
        Some(avatar) => {
            write_all(&mut io, format!("OK {}\n", avatar.len()).as_bytes()).await?;
            write_piece(&mut io, avatar, &mut Pace::start()).await?;
        }
    }
    finish(&mut io).await
}

/// The picture of the other side; `None` where it has none, or an empty one. What it really is, is for the reader to find out.
pub async fn fetch(io: impl Duplex) -> Result<Option<Bytes>, StreamError> {
    let mut io = BufReader::new(io);
    let head = read_text_line(&mut io, MAX_HEAD).await?;
    match size(head.trim_end())? {
        None | Some(0) => Ok(None),
        Some(size) => Ok(Some(read_exactly(&mut io, size).await?.into())),
    }
}

fn size(head: &str) -> Result<Option<usize>, StreamError> {
    if head == "NONE" {
        return Ok(None);
    }
    let digits = head.strip_prefix("OK ").map(str::trim).filter(|size| size.bytes().all(|b| b.is_ascii_digit()));
    let size: u64 = digits.and_then(|size| size.parse().ok()).ok_or_else(|| not_an_answer(head))?;
    usize::try_from(size).ok().filter(|size| *size <= MAX_AVATAR).map(Some).ok_or(StreamError::TooLong { limit: MAX_AVATAR })
}

fn not_an_answer(head: &str) -> StreamError {
    let what = if head.starts_with("EOK ") { "encrypted, which was not asked for" } else { "neither NONE nor OK and a size" };
    StreamError::Malformed(format!("the answer is {what}"))
}
