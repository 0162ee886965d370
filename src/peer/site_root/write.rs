//! Writing, renaming and removing files of the site, for its owner.
//!
//! A new version is written beside the old one under a private name, synced, and renamed over it: readers see the old or the new
//! one, and a full disk or a crash leaves the old one. Large files leave the node its [`RESERVE`] of the disk (THREATS 54); what fits
//! into one piece does not ask, so that a page can be saved where the disk is nearly full.

use std::fs::File;
use std::io::{self, Write};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use rustix::fs::{RenameFlags, renameat_with};
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncReadExt};
use uuid::Uuid;

use super::file::etag;
use super::{SiteError, SitePath, SiteRoot};
use crate::peer::files::{RESERVE, free};

/// What is read and written at once, in bytes.
const PIECE: usize = 256 * 1024;

/// What must be at a path for a write or a removal to happen; else [`SiteError::Changed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// Whatever is there.
    None,
    /// The version with this ETag.
    Is(String),
    /// Nothing.
    Absent,
}

impl SiteRoot {
    /// Put what `body` yields, at most `limit` bytes, at `path`; folders are made. Answers the new ETag.
    ///
    /// `only_if` is judged before the body is read, and again when the new version takes its place. On every error the files are as before.
    /// Deadlines for `body` are its owner's.
    pub async fn write(&self, path: &str, body: impl AsyncRead + Unpin, only_if: Precondition, limit: u64) -> Result<String, SiteError> {
        let path = SitePath::parse(path)?;
        let (target, file) = self.blocking(move |site| Target::create(site, &path, only_if)).await?;
        let file = self.fill(file, body, limit).await?;
        self.blocking(move |site| target.commit(site, &file)).await
    }

    async fn fill(&self, mut file: File, mut body: impl AsyncRead + Unpin, limit: u64) -> Result<File, SiteError> {
        let mut copied = 0;
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            (&mut body).take(PIECE as u64).read_to_end(&mut piece).await.map_err(full_or_broken)?;
            if piece.is_empty() {
                return Ok(file);
            }
            let reserve = if copied == 0 { 0 } else { RESERVE };
            copied += piece.len() as u64;
            if copied > limit {
                return Err(SiteError::TooLarge { limit });
            }
            file = self.blocking(move |_| add(file, &piece, reserve)).await?;
        }
    }

    /// Bytes that one more file may have: what is free where the site lies, but for the node's [`RESERVE`].
    pub async fn room(&self) -> Result<u64, SiteError> {
        self.blocking(|site| {
            let nearest = site.path().ancestors().find_map(|folder| Dir::open_ambient_dir(folder, ambient_authority()).ok());
            let free = free(nearest.ok_or(SiteError::NoSite)?).map_err(SiteError::Io)?;
            Ok(free.saturating_sub(RESERVE))
        })
        .await
    }

    /// Call the file at `from`, if it is as `only_if` says, `to` from now on; folders are made. Answers its new ETag.
    ///
    /// # Errors
    /// [`SiteError::Taken`] where there is something at `to`: a rename never replaces anything.
    pub async fn rename(&self, from: &str, to: &str, only_if: Precondition) -> Result<String, SiteError> {
        let (from, to) = (SitePath::parse(from)?, SitePath::parse(to)?);
        self.blocking(move |site| {
            let (old, _) = from.parent_and_name().ok_or(SiteError::NotFound)?;
            let (new, _) = to.parent_and_name().ok_or(SiteError::NotFound)?;
            let root = site.dir()?;
            let _one_at_a_time = site.inner.commit.lock();
            root.symlink_metadata(from.relative())?;
            check(&root, from.relative(), &only_if)?;
            check(&root, to.relative(), &Precondition::Absent).map_err(|error| match error {
                SiteError::Changed => SiteError::Taken,
                other => other,
            })?;
            root.create_dir_all(new)?;
            move_beneath(&root, (old, from.relative()), (new, to.relative()))?;
            [old, new].iter().for_each(|folder| sync(&root, folder));
            Ok(etag(&root.symlink_metadata(to.relative())?))
        })
        .await
    }

    /// Remove the file at `path` if it is as `only_if` says. Folders stay.
    pub async fn remove(&self, path: &str, only_if: Precondition) -> Result<(), SiteError> {
        let path = SitePath::parse(path)?;
        self.blocking(move |site| {
            let (parent, _) = path.parent_and_name().ok_or(SiteError::NotFound)?;
            let root = site.dir()?;
            let _one_at_a_time = site.inner.commit.lock();
            check(&root, path.relative(), &only_if)?;
            root.remove_file(path.relative())?;
            sync(&root, parent);
            Ok(())
        })
        .await
    }
}

/// Where a new version goes; the half-written file disappears with this value.
struct Target {
    root: Dir,
    parent: String,
    path: String,
    temporary: String,
    only_if: Precondition,
}

impl Target {
    fn create(site: &SiteRoot, path: &SitePath, only_if: Precondition) -> Result<(Self, File), SiteError> {
        let (parent, _) = path.parent_and_name().ok_or(SiteError::NotFound)?;
        Dir::create_ambient_dir_all(site.path(), ambient_authority())?;
        let root = site.dir()?;
        check(&root, path.relative(), &only_if)?;
        root.create_dir_all(parent)?;
        let temporary = format!("{parent}/.goop-{}.tmp", Uuid::new_v4());
        let file = root.open_with(&temporary, OpenOptions::new().write(true).create_new(true))?;
        Ok((Self { root, parent: parent.into(), path: path.relative().into(), temporary, only_if }, file.into_std()))
    }

    fn commit(self, site: &SiteRoot, file: &File) -> Result<String, SiteError> {
        make_readable(file)?;
        file.sync_all()?;
        let _one_at_a_time = site.inner.commit.lock();
        check(&self.root, &self.path, &self.only_if)?;
        self.root.rename(&self.temporary, &self.root, &self.path)?;
        sync(&self.root, &self.parent);
        Ok(etag(&self.root.symlink_metadata(&self.path)?))
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let _ = self.root.remove_file(&self.temporary);
    }
}

/// Callers hold the commit lock where the answer must stay true.
fn check(root: &Dir, path: &str, only_if: &Precondition) -> Result<(), SiteError> {
    let there = match root.metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(SiteError::NotFound),
        Ok(metadata) => Some(etag(&metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    let holds = match only_if {
        Precondition::None => true,
        Precondition::Is(version) => there.as_ref() == Some(version),
        Precondition::Absent => there.is_none(),
    };
    if holds { Ok(()) } else { Err(SiteError::Changed) }
}

fn add(mut file: File, piece: &[u8], reserve: u64) -> Result<File, SiteError> {
    if reserve > 0 && free(&file).map_err(SiteError::Io)? < reserve + piece.len() as u64 {
        return Err(SiteError::Full);
    }
    file.write_all(piece).map_err(full_or_broken)?;
    Ok(file)
}

/// Both are a folder and the path in it. The folders are opened beneath `root`, so that no link leads the rename out of it.
fn move_beneath(root: &Dir, (old, from): (&str, &str), (new, to): (&str, &str)) -> Result<(), SiteError> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let (old, new) = (root.open_dir(old)?, root.open_dir(new)?);
    match renameat_with(&old, name(from), &new, name(to), RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            old.hard_link(name(from), &new, name(to)).map_err(taken)?;
            Ok(old.remove_file(name(from))?)
        }
        renamed => renamed.map_err(|error| taken(error.into())),
    }
}

fn taken(error: io::Error) -> SiteError {
    if error.kind() == io::ErrorKind::AlreadyExists { SiteError::Taken } else { error.into() }
}

/// The body's own errors must not pass for an answer about the path.
fn full_or_broken(error: io::Error) -> SiteError {
    match SiteError::from(error) {
        SiteError::Full => SiteError::Full,
        SiteError::Io(error) => SiteError::Io(error),
        other => SiteError::Io(io::Error::other(other.to_string())),
    }
}

/// Mode 0644 whatever the umask: the site is for everyone, and other programs of the owner may serve it too.
fn make_readable(file: &File) -> io::Result<()> {
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))
}

/// The renamed entry outlives a power cut; a file system that cannot sync folders has its own ways.
fn sync(root: &Dir, folder: &str) {
    let _ = root.open(folder).and_then(|folder| folder.sync_all());
}
