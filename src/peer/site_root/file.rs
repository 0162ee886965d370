//! An opened file of the site and its body, read in pieces.
//!
//! Memory of one transfer: one piece of [`CHUNK`] bytes; for up to [`READERS_AHEAD`] large transfers at a time two pieces of
//! [`AHEAD_CHUNK`], of which one is filled from disk while the other goes out. A transfer that finds no place among those goes
//! without, it never waits.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use cap_std::fs::{Dir, Metadata, MetadataExt, OpenOptions, OpenOptionsExt};
use futures::{Stream, stream};
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;

use super::media::media_type;
use super::{INDEX_FILES, SiteError, SitePath, folder};
use crate::clock::UnixMillis;

/// Bytes of one piece, and of the first piece, which is read together with opening.
pub const CHUNK: usize = 64 * 1024;
/// Bytes of one piece where the next one is read while this one is sent.
pub const AHEAD_CHUNK: usize = 256 * 1024;
/// Transfers that read ahead at the same time, in the whole process.
pub const READERS_AHEAD: usize = 64;

static AHEAD: Semaphore = Semaphore::const_new(READERS_AHEAD);

/// A regular file of the site, open.
#[derive(Debug)]
pub struct OpenFile {
    /// Length of the body, in bytes.
    pub size: u64,
    /// Media type by extension; `application/octet-stream` where it is unknown.
    pub mime: String,
    /// When it was last modified.
    pub modified: UnixMillis,
    /// Strong validator: another one whenever the file was replaced or written to.
    pub etag: String,
    /// The bytes.
    pub body: FileBody,
}

/// The bytes of an open file: exactly as many as it had when it was opened, or an error where it became shorter.
#[derive(Debug)]
pub struct FileBody {
    first: Option<Vec<u8>>,
    file: Option<File>,
    reading: Option<JoinHandle<Piece>>,
    unread: u64,
    ahead: Option<SemaphorePermit<'static>>,
}

type Piece = (File, io::Result<Vec<u8>>);

impl OpenFile {
    /// Blocking: open what `path` names beneath `root`, and read its first piece.
    pub(super) fn open(root: &Dir, path: &SitePath) -> Result<Self, SiteError> {
        if path.is_folder() {
            return Self::open_folder(root, path);
        }
        let (file, metadata) = open_beneath(root, path.relative())?;
        if metadata.is_dir() {
            return Self::open_folder(root, path);
        }
        Self::from_file(file, &metadata, path.relative())
    }

    fn open_folder(root: &Dir, path: &SitePath) -> Result<Self, SiteError> {
        for index in INDEX_FILES {
            let name = if path.relative().is_empty() { index.to_owned() } else { format!("{}/{index}", path.relative()) };
            match open_beneath(root, &name) {
                Ok((file, metadata)) if metadata.is_file() => return Self::from_file(file, &metadata, &name),
                Ok(_) | Err(SiteError::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        folder::page(root, path)
    }

    fn from_file(file: File, metadata: &Metadata, name: &str) -> Result<Self, SiteError> {
        if !metadata.is_file() {
            return Err(SiteError::NotFound);
        }
        let size = metadata.len();
        Ok(Self {
            size,
            mime: media_type(name),
            modified: modified(metadata),
            etag: etag(metadata),
            body: FileBody::start(file, size).map_err(SiteError::Io)?,
        })
    }
}

impl FileBody {
    /// Bytes that are in memory already.
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self { first: Some(bytes), file: None, reading: None, unread: 0, ahead: None }
    }

    fn start(mut file: File, size: u64) -> io::Result<Self> {
        let first = read_piece(&mut file, Vec::new(), at_most(size, CHUNK))?;
        let unread = size - first.len() as u64;
        Ok(Self { first: Some(first), file: Some(file), reading: None, unread, ahead: None })
    }

    /// The `length` bytes that start at `from`, all of which must lie within the file; before anything was read.
    pub fn part(mut self, from: u64, length: u64) -> io::Result<Self> {
        if let Some(file) = &mut self.file {
            file.seek(SeekFrom::Start(from))?;
            (self.first, self.unread) = (None, length);
        } else if let Some(first) = self.first.take() {
            self.first = Some(first.into_iter().skip(at_most(from, usize::MAX)).take(at_most(length, usize::MAX)).collect());
        }
        Ok(self)
    }

    /// The next piece, never empty; `None` at the end. `spent` is a buffer that is no longer needed, such as the piece before.
    pub async fn next(&mut self, spent: Vec<u8>) -> io::Result<Option<Vec<u8>>> {
        if let Some(first) = self.first.take() {
            self.ahead = (self.unread > 0).then(|| AHEAD.try_acquire().ok()).flatten();
            if self.ahead.is_some() {
                self.start_reading(spent);
            }
            return Ok(Some(first).filter(|piece| !piece.is_empty()));
        }
        let mut spent = Some(spent);
        if self.reading.is_none() {
            self.start_reading(spent.take().unwrap_or_default());
        }
        let Some(reading) = &mut self.reading else { return Ok(None) };
        let (file, piece) = reading.await.map_err(io::Error::other)?;
        (self.file, self.reading) = (Some(file), None);
        if self.ahead.is_some() && piece.is_ok() {
            self.start_reading(spent.unwrap_or_default());
        }
        piece.map(Some)
    }

    /// The pieces as a stream, for an HTTP body.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        stream::try_unfold(self, |mut body| async move { Ok(body.next(Vec::new()).await?.map(|piece| (Bytes::from(piece), body))) })
    }

    fn start_reading(&mut self, buffer: Vec<u8>) {
        let want = at_most(self.unread, if self.ahead.is_some() { AHEAD_CHUNK } else { CHUNK });
        let Some(mut file) = self.file.take_if(|_| want > 0) else { return };
        self.unread -= want as u64;
        self.reading = Some(tokio::task::spawn_blocking(move || {
            let piece = read_piece(&mut file, buffer, want);
            (file, piece)
        }));
    }
}

fn at_most(left: u64, chunk: usize) -> usize {
    usize::try_from(left).map_or(chunk, |left| left.min(chunk))
}

fn read_piece(file: &mut File, mut buffer: Vec<u8>, want: usize) -> io::Result<Vec<u8>> {
    buffer.resize(want, 0);
    file.read_exact(&mut buffer).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the file became shorter while it was read"),
        _ => error,
    })?;
    Ok(buffer)
}

/// Open for reading. A pipe answers at once instead of waiting for a writer, and is sorted out by its metadata.
fn open_beneath(root: &Dir, name: &str) -> Result<(File, Metadata), SiteError> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed());
    let file = root.open_with(name, &options)?;
    let metadata = file.metadata()?;
    Ok((file.into_std(), metadata))
}

pub(super) fn modified(metadata: &Metadata) -> UnixMillis {
    UnixMillis(u64::try_from(since_epoch(metadata).as_millis()).unwrap_or(u64::MAX))
}

fn since_epoch(metadata: &Metadata) -> Duration {
    let modified = metadata.modified().map(cap_std::time::SystemTime::into_std).ok();
    modified.and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default()
}

/// Size, times, inode and device, hashed: nothing about the machine shows.
pub(super) fn etag(metadata: &Metadata) -> String {
    let mut hash = Sha256::new();
    hash.update(metadata.len().to_be_bytes());
    hash.update(since_epoch(metadata).as_nanos().to_be_bytes());
    for part in [metadata.ino(), metadata.dev(), metadata.ctime().cast_unsigned(), metadata.ctime_nsec().cast_unsigned()] {
        hash.update(part.to_be_bytes());
    }
    hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}
