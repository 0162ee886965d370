//! `/goop/site/1.0.0`: one file of a peer's site.
//!
//! The opener sends `GET <path>\n`, the path as raw text. The answer is `OK <mime> <size>\n` and exactly that many bytes, or
//! `ERR bad request|site disabled|forbidden|not found\n`; then the stream ends. One request a stream.

use tokio::io::{AsyncRead, BufReader};

use super::line::{finish, printable, read_line, read_text_line, write_all, write_piece};
use super::pace::Pace;
use super::{MAX_LINE, StreamError};
use crate::peer::site_root::{OpenFile, SiteError, SiteRoot};
use crate::peer::{Duplex, FetchError};

mod body;
mod head;

use body::Body;
use head::{Answer, Refusal};

/// A file of another peer's site, its head read, its body still on the wire.
pub struct RemoteFile {
    /// Media type as the other side said it, at most 255 printable bytes, perhaps empty; never to be trusted.
    pub mime: String,
    /// Length of the body, in bytes; any that a `u64` holds, so look at it before the body is kept anywhere.
    pub size: u64,
    /// The body: ends after `size` bytes; `UnexpectedEof` if the stream ends sooner, `TimedOut` if it stays idle.
    pub body: Box<dyn AsyncRead + Send + Unpin>,
}

/// What was answered, for the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// A file of so many bytes went out whole.
    File(u64),
    /// Refused, in the word that went out: `bad request`, `site disabled`, `forbidden` or `not found`.
    Refused(&'static str),
}

/// Answer one request from `site`.
///
/// A file that becomes shorter while it is sent ends the stream early, so that the other side sees that bytes are missing; one that
/// grows is sent as long as it was.
pub async fn serve(io: impl Duplex, site: &SiteRoot) -> Result<Served, StreamError> {
    let mut io = BufReader::with_capacity(1024, io);
    let line = match read_line(&mut io, MAX_LINE).await {
        Err(StreamError::TooLong { .. }) => Some(Vec::new()),
        line => line?,
    };
    let line = line.ok_or_else(|| StreamError::Malformed("the stream ended before the request did".into()))?;
    let opened = match head::requested_path(&line) {
        Some(path) => site.open(path).await.map_err(refusal),
        None => Err(Refusal::BadRequest),
    };
    match opened {
        Ok(file) => send(io.into_inner(), file).await,
        Err(refusal) => refuse(io.into_inner(), refusal).await,
    }
}

async fn send(mut io: impl Duplex, file: OpenFile) -> Result<Served, StreamError> {
    let OpenFile { size, mime, mut body, .. } = file;
    let mut pace = Pace::start();
    let mut piece = head::ok_line(&mime, size).into_bytes();
    if let Some(first) = body.next(Vec::new()).await? {
        piece.extend_from_slice(&first);
    }
    write_piece(&mut io, &piece, &mut pace).await?;
    while let Some(next) = body.next(piece).await? {
        write_piece(&mut io, &next, &mut pace).await?;
        piece = next;
    }
    finish(&mut io).await?;
    Ok(Served::File(size))
}

async fn refuse(mut io: impl Duplex, refusal: Refusal) -> Result<Served, StreamError> {
    write_all(&mut io, refusal.line().as_bytes()).await?;
    finish(&mut io).await?;
    Ok(Served::Refused(refusal.word()))
}

/// goop2 knows four words; a broken disk is nearest to a site that is switched off.
fn refusal(error: SiteError) -> Refusal {
    match error {
        SiteError::NotFound => Refusal::NotFound,
        SiteError::Forbidden => Refusal::Forbidden,
        _ => Refusal::SiteDisabled,
    }
}

/// Ask for `path` (empty: `/`) and read the head of the answer.
pub async fn fetch(mut io: impl Duplex + 'static, path: &str) -> Result<RemoteFile, FetchError> {
    let request = head::request_line(path)?;
    write_all(&mut io, request.as_bytes()).await?;
    super::line::soon(tokio::io::AsyncWriteExt::flush(&mut io)).await?;
    let mut io = BufReader::with_capacity(4096, io);
    let line = read_text_line(&mut io, MAX_LINE).await?;
    match head::answer(&line)? {
        Answer::Refused(word) => Err(FetchError::Refused(printable(word, head::MAX_WORD))),
        Answer::Ok { mime, size } => Ok(RemoteFile { mime: printable(mime, head::MAX_WORD), size, body: Box::new(Body::new(io, size)) }),
    }
}
