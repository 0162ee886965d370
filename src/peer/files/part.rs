//! A file that is coming: gathered under a private name, hashed as it comes, and named when it is whole.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::{RenameFlags, fstatvfs, renameat_with};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::config::files::create_private_dir;
use crate::peer::memory::Transfer;
use crate::proto::transfer::name::{numbered, safe};

/// Bytes that no file takes from the disk: the node itself needs some.
pub const RESERVE: u64 = 64 << 20;
/// Names that are tried before it is given up.
const MAX_NUMBER: u32 = 10_000;
const CHUNK: usize = 256 * 1024;

/// Why a file that came is not taken.
#[derive(Debug, Error)]
pub(super) enum PartError {
    /// The bytes are not those that were offered.
    #[error("what came is not what was offered")]
    Different,
    /// There is not room enough.
    #[error("the disk has no room for it")]
    Full,
    /// The disk failed.
    #[error("the downloads folder cannot be used: {0}")]
    Io(io::Error),
}

impl From<io::Error> for PartError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        if matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) { Self::Full } else { Self::Io(error) }
    }
}

/// See the head of this file. All of it blocks.
pub(super) struct Part {
    dir: Dir,
    name: String,
    file: File,
    hash: Sha256,
    have: u64,
}

impl Part {
    /// Opens what there is of `transfer`, or begins it, and looks whether the rest has room.
    pub(super) fn open(downloads: &Path, transfer: &Transfer) -> Result<Self, PartError> {
        create_private_dir(downloads)?;
        let dir = Dir::open_ambient_dir(downloads, ambient_authority())?;
        let name = private_name(transfer);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let mut file = dir.open_with(&name, &options)?.into_std();
        if file.metadata()?.len() > transfer.offer.size {
            file.set_len(0)?;
        }
        let mut hash = Sha256::new();
        let have = hash_all(&mut file, &mut hash)?;
        if free(&file)? < (transfer.offer.size - have).saturating_add(RESERVE) {
            return Err(PartError::Full);
        }
        Ok(Self { dir, name, file, hash, have })
    }

    /// How many bytes are there.
    pub(super) fn have(&self) -> u64 {
        self.have
    }

    pub(super) fn add(&mut self, piece: &[u8]) -> Result<(), PartError> {
        self.file.write_all(piece)?;
        self.hash.update(piece);
        self.have += piece.len() as u64;
        Ok(())
    }

    /// Checks the whole file and gives it its name, which is answered. What is not what was offered is removed.
    pub(super) fn finish(self, transfer: &Transfer) -> Result<String, PartError> {
        if self.have != transfer.offer.size || hex(self.hash) != transfer.offer.hash {
            let _ = self.dir.remove_file(&self.name);
            return Err(PartError::Different);
        }
        self.file.sync_all()?;
        let wanted = safe(&transfer.offer.name);
        for number in 1..MAX_NUMBER {
            let name = numbered(&wanted, number);
            match give_name(&self.dir, &self.name, &name) {
                Ok(()) => {
                    let _ = self.dir.open(".").and_then(|folder| folder.sync_all());
                    return Ok(name);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(PartError::Io(io::Error::new(io::ErrorKind::AlreadyExists, "there are too many files of this name")))
    }
}

/// Bytes of `transfer` that are on the disk.
pub(super) fn length(downloads: &Path, transfer: &Transfer) -> u64 {
    std::fs::symlink_metadata(downloads.join(private_name(transfer))).map_or(0, |found| found.len().min(transfer.offer.size))
}

/// Removes what there is of `transfer`.
pub(super) fn remove(downloads: &Path, transfer: &Transfer) {
    let _ = std::fs::remove_file(downloads.join(private_name(transfer)));
}

/// Whether this is the private name of something that is coming.
pub(super) fn is_private_name(name: &str) -> bool {
    name.starts_with(PREFIX) && name.ends_with(SUFFIX)
}

const PREFIX: &str = ".goop-";
const SUFFIX: &str = ".part";

/// With its hash, so that what another memory left behind is not taken for its beginning.
pub(super) fn private_name(transfer: &Transfer) -> String {
    let hash = transfer.offer.hash.get(..16).unwrap_or_default();
    format!("{PREFIX}{}-{hash}{SUFFIX}", transfer.number)
}

/// Never replaces anything.
fn give_name(dir: &Dir, from: &str, to: &str) -> io::Result<()> {
    match renameat_with(dir, from, dir, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            dir.hard_link(from, dir, to)?;
            dir.remove_file(from)
        }
        renamed => Ok(renamed?),
    }
}

/// Bytes that are free where `file` lies.
pub(super) fn free(file: &File) -> io::Result<u64> {
    let disk = fstatvfs(file)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// A hash as it is written.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_all(file: &mut File, hash: &mut Sha256) -> io::Result<u64> {
    let (mut chunk, mut have) = (vec![0; CHUNK], 0);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(have),
            read => {
                hash.update(&chunk[..read]);
                have += read as u64;
            }
        }
    }
}
