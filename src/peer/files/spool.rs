//! What is to be sent: a copy of its own, so that it stays what was offered.

use std::io::{self, Write};
use std::path::Path;

use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::part::{RESERVE, free, hex};
use crate::config::files::create_private_dir;

const CHUNK: usize = 256 * 1024;

/// Why a file cannot be sent.
#[derive(Debug, Error)]
pub enum SpoolError {
    /// More than may be sent.
    #[error("larger than the {limit} bytes allowed")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// The disk has no room for a copy.
    #[error("the disk is full")]
    Full,
    /// What was to be sent could not be read to its end.
    #[error("the file could not be read: {0}")]
    Source(io::Error),
    /// The disk failed.
    #[error("the file could not be kept: {0}")]
    Io(io::Error),
}

/// A file in the spool; it disappears with this value unless it is kept.
pub(super) struct Spooled {
    path: std::path::PathBuf,
    /// Its name in the spool.
    pub(super) place: String,
    /// In bytes.
    pub(super) size: u64,
    /// As it is written.
    pub(super) hash: String,
    kept: bool,
}

impl Spooled {
    /// It stays.
    pub(super) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Spooled {
    fn drop(&mut self) {
        if !self.kept {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Copies at most `limit` bytes of `source` into the folder `spool`. Deadlines for `source` are its owner's.
pub(super) async fn copy(spool: &Path, mut source: impl AsyncRead + Unpin, limit: u64) -> Result<Spooled, SpoolError> {
    let place = Uuid::new_v4().to_string();
    let path = spool.join(&place);
    let mut writing = (create(spool, &path)?, Sha256::new());
    let mut spooled = Spooled { path, place, size: 0, hash: String::new(), kept: false };
    loop {
        let mut piece = Vec::with_capacity(CHUNK);
        (&mut source).take(CHUNK as u64).read_to_end(&mut piece).await.map_err(SpoolError::Source)?;
        if piece.is_empty() {
            break;
        }
        spooled.size += piece.len() as u64;
        if spooled.size > limit {
            return Err(SpoolError::TooLarge { limit });
        }
        writing = on_disk(move || {
            let (mut file, mut hash) = writing;
            if free(&file)? < RESERVE + piece.len() as u64 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            file.write_all(&piece)?;
            hash.update(&piece);
            Ok((file, hash))
        })
        .await?;
    }
    let (file, hash) = writing;
    on_disk(move || file.sync_all()).await?;
    spooled.hash = hex(hash);
    Ok(spooled)
}

/// Removes a file of the spool.
pub(super) fn remove(spool: &Path, place: &str) {
    if is_place(place) {
        let _ = std::fs::remove_file(spool.join(place));
    }
}

/// Whether this is a name that the spool gives.
pub(super) fn is_place(place: &str) -> bool {
    Uuid::parse_str(place).is_ok()
}

fn create(spool: &Path, path: &Path) -> Result<std::fs::File, SpoolError> {
    use std::os::unix::fs::OpenOptionsExt;
    create_private_dir(spool).map_err(failed)?;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(failed)
}

async fn on_disk<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, SpoolError> {
    spawn_blocking(work).await.map_err(io::Error::other).flatten().map_err(failed)
}

fn failed(error: io::Error) -> SpoolError {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) { SpoolError::Full } else { SpoolError::Io(error) }
}
