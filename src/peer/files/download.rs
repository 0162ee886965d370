//! Fetches a file that was accepted: from where it was, to its name.

use std::io;

use libp2p::PeerId;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::noted;
use super::part::{self, Part, PartError};
use crate::peer::memory::{Outcome, Transfer};
use crate::peer::streams::file::{self, Pieces, Refusal};
use crate::peer::streams::{self, StreamError};
use crate::peer::{Duplex, OpenError, PeerHandle};
use crate::proto::transfer::Step;

/// Why a download is not done now.
enum Broken {
    /// It is worth another try.
    Later(String),
    /// The other side will not send it.
    Refused(Refusal),
    /// The disk, or what came.
    Part(PartError),
    /// The owner stopped it.
    Stopped,
}

impl From<OpenError> for Broken {
    fn from(error: OpenError) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<StreamError> for Broken {
    fn from(error: StreamError) -> Self {
        Self::Later(error.to_string())
    }
}

impl From<PartError> for Broken {
    fn from(error: PartError) -> Self {
        if matches!(error, PartError::Stopped) { Self::Stopped } else { Self::Part(error) }
    }
}

/// Fetches what is missing of `transfer`; whether nothing more is to be tried.
pub(super) async fn run(handle: PeerHandle, transfer: Transfer) -> bool {
    let stop = handle.files.start(transfer.number, 0);
    // Whatever ends this, disk work that goes on without it ends too.
    let _end = stop.clone().drop_guard();
    let arrived = fetch(&handle, &transfer, &stop).await;
    let name = arrived.as_ref().ok().cloned();
    let (step, outcome) = match arrived {
        Ok(name) => (Step::Finish, Outcome { place: Some(name), tell: true, why: None }),
        Err(Broken::Stopped) => return true,
        Err(Broken::Later(why)) => {
            debug!(peer = %transfer.peer, number = transfer.number, why, "a file comes later");
            return false;
        }
        Err(Broken::Refused(Refusal::Busy)) => return false,
        Err(Broken::Refused(refusal)) => (Step::Fail, because(refusal.words(), false)),
        Err(Broken::Part(error @ PartError::Different)) => (Step::Fail, because(&error.to_string(), true)),
        Err(Broken::Part(error)) => (Step::Pause, because(&error.to_string(), false)),
    };
    let taken = handle.files.step(transfer.number, step, outcome).await;
    if let (Ok(None), Some(name)) = (&taken, name) {
        // It was cancelled while it got its name.
        let _ = std::fs::remove_file(handle.files.folders.downloads.join(name));
    }
    noted(taken);
    true
}

fn because(why: &str, tell: bool) -> Outcome {
    Outcome { why: Some(why.to_owned()), tell, place: None }
}

async fn fetch(handle: &PeerHandle, transfer: &Transfer, stop: &CancellationToken) -> Result<String, Broken> {
    if let Some(name) = named_already(handle, transfer, stop).await? {
        return Ok(name);
    }
    let part = open(handle, transfer, stop).await?;
    handle.files.start_from(transfer.number, part.have());
    let part = if part.have() < transfer.offer.size { fill(handle, transfer, part, stop).await? } else { part };
    let (whole, memory) = (transfer.clone(), handle.memory().clone());
    let promise = move |number, name: &str| memory.promise_name(number, name).map_err(|error| PartError::Io(io::Error::other(error)));
    on_disk(move || part.finish(&whole, |name| promise(whole.number, name))).await
}

/// The name that it got right before a crash.
async fn named_already(handle: &PeerHandle, transfer: &Transfer, stop: &CancellationToken) -> Result<Option<String>, Broken> {
    let Some(name) = transfer.place.clone() else { return Ok(None) };
    let (downloads, transfer, stopped) = (handle.files.folders.downloads.clone(), transfer.clone(), stop.clone());
    let arrived = on_disk(move || Ok(part::arrived(&downloads, &transfer, &name, &stopped).then_some(name))).await?;
    if stop.is_cancelled() { Err(Broken::Stopped) } else { Ok(arrived) }
}

async fn open(handle: &PeerHandle, transfer: &Transfer, stop: &CancellationToken) -> Result<Part, Broken> {
    let (downloads, transfer, stop) = (handle.files.folders.downloads.clone(), transfer.clone(), stop.clone());
    on_disk(move || Part::open(&downloads, &transfer, &stop)).await
}

async fn fill(handle: &PeerHandle, transfer: &Transfer, part: Part, stop: &CancellationToken) -> Result<Part, Broken> {
    let filling = async {
        let pieces = ask(handle, transfer.peer, transfer, part.have()).await?;
        gather(handle, transfer, part, pieces).await
    };
    tokio::select! {
        filled = filling => filled,
        () = stop.cancelled() => Err(Broken::Stopped),
    }
}

async fn ask(handle: &PeerHandle, peer: PeerId, transfer: &Transfer, from: u64) -> Result<Pieces<Box<dyn Duplex>>, Broken> {
    let stream = handle.open(peer, &[streams::FILE]).await?;
    file::get(stream.io, &transfer.offer, from).await?.map_err(Broken::Refused)
}

/// What came before a cut is on the disk; the next try goes on from there.
async fn gather(handle: &PeerHandle, transfer: &Transfer, mut part: Part, mut pieces: Pieces<Box<dyn Duplex>>) -> Result<Part, Broken> {
    while let Some(piece) = pieces.next().await? {
        let length = piece.len();
        part = on_disk(move || part.add(&piece).map(|()| part)).await?;
        handle.files.progress(transfer, length);
    }
    Ok(part)
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> Result<T, PartError> + Send + 'static) -> Result<T, Broken> {
    let done = spawn_blocking(work).await.map_err(|error| Broken::Later(error.to_string()))?;
    Ok(done?)
}
