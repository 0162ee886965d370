//! A file that is coming: gathered under a private name, hashed as it comes, and named when it is whole.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions, OpenOptionsExt};
use rustix::fs::{RenameFlags, fstatvfs, renameat_with};
use rustix::io::Errno;
use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::config::files::create_private_dir;
use crate::peer::memory::Transfer;
use crate::proto::transfer::name::{numbered, safe};

/// Bytes that no file takes from the disk: the node itself needs some.
pub const RESERVE: u64 = 64 << 20;
/// Names that are tried before it is given up.
const MAX_NUMBER: u32 = 10_000;
const CHUNK: usize = 256 * 1024;
/// How many bytes are added before it is looked again whether there is room.
const LOOK_EVERY: u64 = 4 << 20;

/// Why a file that came is not taken.
#[derive(Debug, Error)]
pub(super) enum PartError {
    /// The bytes are not those that were offered.
    #[error("what came is not what was offered")]
    Different,
    /// There is not room enough.
    #[error("the disk has no room for it")]
    Full,
    /// It was stopped while what is there was read.
    #[error("it was stopped")]
    Stopped,
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
    /// How many bytes were added since it was looked whether there is room.
    unlooked: u64,
}

impl Part {
    /// Opens what there is of `transfer`, or begins it, and looks whether the rest has room. Reading what is there takes a while; it ends
    /// early with `stop`, so that it keeps neither its owner nor the end of the program waiting.
    pub(super) fn open(downloads: &Path, transfer: &Transfer, stop: &CancellationToken) -> Result<Self, PartError> {
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
        let have = hash_all(&mut file, &mut hash, stop)?;
        if free(&file)? < (transfer.offer.size - have).saturating_add(RESERVE) {
            return Err(PartError::Full);
        }
        Ok(Self { dir, name, file, hash, have, unlooked: 0 })
    }

    /// How many bytes are there.
    pub(super) fn have(&self) -> u64 {
        self.have
    }

    pub(super) fn add(&mut self, piece: &[u8]) -> Result<(), PartError> {
        self.unlooked += piece.len() as u64;
        if self.unlooked >= LOOK_EVERY {
            self.unlooked = 0;
            // Others fill the disk too, other parts among them.
            if free(&self.file)? < RESERVE {
                return Err(PartError::Full);
            }
        }
        self.file.write_all(piece)?;
        self.hash.update(piece);
        self.have += piece.len() as u64;
        Ok(())
    }

    /// Checks the whole file and gives it its name, which is answered. `promise` hears of each name before it is given, so that a crash
    /// between the two leaves no second copy ([`arrived`]). What is not what was offered is removed.
    pub(super) fn finish(self, transfer: &Transfer, promise: impl Fn(&str) -> Result<(), PartError>) -> Result<String, PartError> {
        if self.have != transfer.offer.size || hex(self.hash) != transfer.offer.hash {
            let _ = self.dir.remove_file(&self.name);
            return Err(PartError::Different);
        }
        self.file.sync_all()?;
        let wanted = safe(&transfer.offer.name);
        for number in 1..MAX_NUMBER {
            let name = numbered(&wanted, number);
            promise(&name)?;
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

/// Whether `transfer` has the name already that was promised: there is no part of it, and that file is what was offered.
pub(super) fn arrived(downloads: &Path, transfer: &Transfer, name: &str, stop: &CancellationToken) -> bool {
    let (part, path) = (downloads.join(private_name(transfer)), downloads.join(name));
    let is_whole = || {
        let (mut file, mut hash) = (File::open(&path)?, Sha256::new());
        Ok::<_, PartError>(hash_all(&mut file, &mut hash, stop)? == transfer.offer.size && hex(hash) == transfer.offer.hash)
    };
    let is_plain = std::fs::symlink_metadata(&path).is_ok_and(|found| found.is_file() && found.len() == transfer.offer.size);
    is_plain && !part.exists() && is_whole().unwrap_or(false)
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

/// Bytes that are free where an open file or folder lies.
pub(in crate::peer) fn free(place: impl AsFd) -> io::Result<u64> {
    let disk = fstatvfs(place)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// A hash as it is written.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn hash_all(file: &mut File, hash: &mut Sha256, stop: &CancellationToken) -> Result<u64, PartError> {
    let (mut chunk, mut have) = (vec![0; CHUNK], 0);
    loop {
        if stop.is_cancelled() {
            return Err(PartError::Stopped);
        }
        match file.read(&mut chunk)? {
            0 => return Ok(have),
            read => {
                hash.update(&chunk[..read]);
                have += read as u64;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;
    use crate::proto::transfer::{Direction, Offer, State};

    fn transfer(number: i64, name: &str, content: &[u8]) -> Transfer {
        let hash = hex(Sha256::new_with_prefix(content));
        let offer = Offer { id: "0123456789".into(), name: name.into(), size: content.len() as u64, mime: String::new(), hash };
        let (at, until) = (UnixMillis(1), UnixMillis(2));
        let peer = libp2p::PeerId::random();
        Transfer { number, peer, direction: Direction::In, offer, state: State::Accepted, why: None, at, until, place: None, tell: false }
    }

    fn arrives(folder: &Path, transfer: &Transfer, content: &[u8]) -> Result<String, PartError> {
        let mut part = Part::open(folder, transfer, &CancellationToken::new())?;
        part.add(&content[usize::try_from(part.have()).unwrap()..])?;
        part.finish(transfer, |_| Ok(()))
    }

    #[test]
    fn what_arrives_never_replaces_anything_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let outside = folder.path().join("outside");
        let downloads = folder.path().join("downloads");
        std::fs::write(&outside, "mine").unwrap();
        std::fs::create_dir(&downloads).unwrap();
        std::os::unix::fs::symlink(&outside, downloads.join("link.txt")).unwrap();
        for (number, name) in ["../outside", "link.txt", "/etc/passwd", "a.txt", "a.txt", "CON", ".", "\u{202e}txt.exe"].iter().enumerate()
        {
            let transfer = transfer(number as i64, name, name.as_bytes());
            let given = arrives(&downloads, &transfer, name.as_bytes()).unwrap();
            assert_eq!(std::fs::read(downloads.join(&given)).unwrap(), name.as_bytes(), "{name:?} became {given:?}");
        }
        assert_eq!(std::fs::read(&outside).unwrap(), b"mine");
        let names: Vec<_> = std::fs::read_dir(&downloads).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 9, "{names:?}");
    }

    #[test]
    fn a_part_is_gone_on_with_and_checked_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let content = b"0123456789";
        let honest = transfer(1, "a.txt", content);
        let mut part = Part::open(folder.path(), &honest, &CancellationToken::new()).unwrap();
        part.add(&content[..4]).unwrap();
        drop(part);
        assert_eq!(length(folder.path(), &honest), 4);
        assert_eq!(Part::open(folder.path(), &honest, &CancellationToken::new()).unwrap().have(), 4);
        std::fs::write(folder.path().join(private_name(&honest)), b"012x").unwrap();
        assert!(matches!(arrives(folder.path(), &honest, content), Err(PartError::Different)));
        assert_eq!(length(folder.path(), &honest), 0, "what is not what was offered does not stay");
        assert_eq!(arrives(folder.path(), &honest, content).unwrap(), "a.txt");
    }

    #[test]
    fn a_crash_between_the_name_and_its_note_leaves_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let content = b"0123456789";
        let transfer = transfer(1, "a.txt", content);
        std::fs::write(folder.path().join("a.txt"), "another").unwrap();
        let mut part = Part::open(folder.path(), &transfer, &CancellationToken::new()).unwrap();
        part.add(content).unwrap();
        let promised = std::cell::RefCell::new(Vec::new());
        assert!(!arrived(folder.path(), &transfer, "a.txt", &CancellationToken::new()), "that one is another");
        let promise = |name: &str| {
            promised.borrow_mut().push(name.to_owned());
            Ok(())
        };
        assert_eq!(part.finish(&transfer, promise).unwrap(), "a (2).txt");
        assert_eq!(promised.into_inner(), ["a.txt", "a (2).txt"]);
        assert!(
            arrived(folder.path(), &transfer, "a (2).txt", &CancellationToken::new())
                && !arrived(folder.path(), &transfer, "a.txt", &CancellationToken::new())
        );
    }

    #[test]
    fn a_file_that_is_cut_short_or_too_long_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let short = transfer(1, "a.txt", b"0123456789");
        let mut part = Part::open(folder.path(), &short, &CancellationToken::new()).unwrap();
        part.add(b"012345678").unwrap();
        assert!(matches!(part.finish(&short, |_| Ok(())), Err(PartError::Different)));
        std::fs::write(folder.path().join(private_name(&short)), b"0123456789 and more").unwrap();
        assert_eq!(
            Part::open(folder.path(), &short, &CancellationToken::new()).unwrap().have(),
            0,
            "what is longer than offered is begun anew"
        );
    }

    #[test]
    fn reading_what_is_there_ends_when_it_is_stopped() {
        let folder = tempfile::tempdir().unwrap();
        let stopped = CancellationToken::new();
        stopped.cancel();
        assert!(matches!(Part::open(folder.path(), &transfer(1, "a", b"x"), &stopped), Err(PartError::Stopped)));
    }

    /// THREATS 54.
    #[test]
    fn a_file_that_has_no_room_is_refused_before_it_comes() {
        let folder = tempfile::tempdir().unwrap();
        let mut huge = transfer(1, "a", b"");
        huge.offer.size = 1 << 60;
        assert!(matches!(Part::open(folder.path(), &huge, &CancellationToken::new()), Err(PartError::Full)));
        assert!(matches!(PartError::from(io::Error::from(io::ErrorKind::StorageFull)), PartError::Full));
    }
}
