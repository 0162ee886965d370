//! Sending and receiving files.

use std::time::Duration;

use libp2p::PeerId;
use thiserror::Error;
use tokio::io::AsyncRead;
use tokio::sync::broadcast::Receiver;
use tokio::time::timeout;
use uuid::Uuid;

use super::PeerHandle;
use crate::clock::UnixMillis;
use crate::peer::PeerEvent;
use crate::peer::files::{Listed, SpoolError};
use crate::peer::memory::{MemoryError, Outcome, Transfer};
use crate::peer::site_root::SiteError;
use crate::proto::transfer::name::safe;
use crate::proto::transfer::{Direction, MAX_FILE, Offer, State, Step};

/// How long an offer is waited for before it is answered as waiting: a favourite may be away, any other is told by then or never.
const AT_ONCE: Duration = Duration::from_secs(2);
const AT_LAST: Duration = Duration::from_secs(25);

/// Why a file is not sent, or a decision not taken.
#[derive(Debug, Error)]
pub enum FileError {
    /// To oneself.
    #[error("a peer sends no files to itself")]
    Oneself,
    /// To a peer that the owner blocked.
    #[error("this peer is blocked; unblock it first")]
    Blocked,
    /// The decision does not fit how the transfer stands.
    #[error("this transfer is {0}, so that cannot be done")]
    NotNow(&'static str),
    /// The other side could not be told, or does not want it; the text says why.
    #[error("{0}")]
    NotTaken(String),
    /// The file cannot be sent.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The file of the own site cannot be read.
    #[error(transparent)]
    Site(#[from] SiteError),
    /// It could not be noted.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

impl PeerHandle {
    /// All transfers, the newest first.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub async fn transfers(&self) -> Result<Vec<Listed>, MemoryError> {
        let transfers = self.memory().ask(super::Memory::transfers).await?;
        Ok(transfers.into_iter().map(|transfer| self.files.listed(transfer)).collect())
    }

    /// Offers what `source` yields, called `name`, to a peer; answers once the other side has the offer. One to a favourite that is away
    /// waits.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn send_file(&self, to: PeerId, name: &str, mime: &str, source: impl AsyncRead + Unpin) -> Result<Listed, FileError> {
        if to == self.me {
            return Err(FileError::Oneself);
        }
        if self.memory().is_blocked(&to) {
            return Err(FileError::Blocked);
        }
        let (place, offer) = self.files.spool(name, mime, source).await?;
        let mut events = self.events();
        let noted = self.memory().ask({
            let place = place.clone();
            move |memory| memory.to_send(to, &offer, &place, UnixMillis::now())
        });
        let transfer = noted.await.inspect_err(|_| self.files.unspool(&place))?;
        self.files.announce(&transfer);
        let patience = if self.memory().is_favourite(&to) { AT_ONCE } else { AT_LAST };
        let _ = timeout(patience, told(&mut events, transfer.number)).await;
        let now = self.memory().ask(move |memory| memory.transfer(transfer.number)).await?;
        match now.state {
            State::Failed | State::Expired => Err(FileError::NotTaken(now.why.unwrap_or_else(|| now.state.word().into()))),
            _ => Ok(self.files.listed(now)),
        }
    }

    /// Offers a file of the own site.
    ///
    /// # Errors
    /// See [`FileError`].
    pub async fn send_site_file(&self, to: PeerId, path: &str) -> Result<Listed, FileError> {
        let file = self.site().open(path).await?;
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        let body = tokio_util::io::StreamReader::new(Box::pin(file.body.into_stream()));
        self.send_file(to, &name, &file.mime, body).await
    }

    /// Accepts, declines, pauses, resumes or cancels; the other side hears of an end.
    ///
    /// # Errors
    /// [`FileError::NotNow`]; see [`FileError`].
    pub async fn decide_file(&self, number: i64, step: Step) -> Result<Listed, FileError> {
        let tell = matches!(step, Step::Decline | Step::Cancel);
        let before = self.memory().ask(move |memory| memory.transfer(number)).await?;
        if before.direction == Direction::Out && step != Step::Cancel {
            return Err(FileError::NotNow("one of yours"));
        }
        match self.files.step(number, step, Outcome { tell, ..Outcome::default() }).await? {
            Some(transfer) => Ok(self.files.listed(transfer)),
            None => Err(FileError::NotNow(before.state.word())),
        }
    }

    /// Forgets a transfer that has ended; a file that was received stays.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub async fn forget_file(&self, number: i64) -> Result<(), MemoryError> {
        self.memory().ask(move |memory| memory.forget_transfer(number)).await.map(drop)
    }

    /// A file that was received: its name, its size, and its bytes.
    ///
    /// # Errors
    /// [`MemoryError::Nothing`] where it is not there, or not yet.
    pub async fn received_file(&self, number: i64) -> Result<(String, u64, tokio::fs::File), MemoryError> {
        let transfer: Transfer = self.memory().ask(move |memory| memory.transfer(number)).await?;
        let arrived = transfer.state == State::Done && transfer.direction == Direction::In;
        let name = transfer.place.filter(|_| arrived).ok_or(MemoryError::Nothing)?;
        let (file, size) = self.files.open_received(&name).await.ok_or(MemoryError::Nothing)?;
        Ok((name, size, file))
    }
}

impl crate::peer::files::Files {
    async fn spool(&self, name: &str, mime: &str, source: impl AsyncRead + Unpin) -> Result<(String, Offer), SpoolError> {
        let (place, size, hash) = self.copy_in(source, MAX_FILE).await?;
        let mime = mime.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(255).collect();
        Ok((place, Offer { id: Uuid::new_v4().to_string(), name: safe(name), size, mime, hash }))
    }
}

/// Waits until the other side has an offer, or it is settled that it never will.
async fn told(events: &mut Receiver<PeerEvent>, number: i64) {
    loop {
        match events.recv().await {
            Ok(PeerEvent::File { file }) if file.transfer.number == number && file.transfer.state != State::Waiting => return,
            Ok(_) => {}
            Err(_) => return,
        }
    }
}
