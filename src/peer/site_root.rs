//! The owner's site: one folder, from which everything the outside asks for is opened, and nothing else.
//!
//! - Every request opens the folder afresh (two system calls), so it may be absent, appear later, vanish or be replaced.
//! - A path is parsed into normal components ([`SitePath`]), then opened relative to the folder's handle, beneath which the
//!   kernel keeps it: no `..`, link or race leads outside (THREATS 39, 40). Links that stay inside are followed.
//! - Dot files, `lua/`, keys, databases and configuration are never content (THREATS 41).
//! - A folder without an index file answers with a page that lists what of it is served.
//! - Files of any size are read in pieces, so memory stays constant (THREATS 42).
//! - What is written is complete before it is seen, or is not there at all (THREATS 54).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use thiserror::Error;

mod file;
mod folder;
mod list;
mod media;
mod path;
mod write;

pub use file::{AHEAD_CHUNK, CHUNK, FileBody, OpenFile, READERS_AHEAD};
pub use folder::{MAX_LISTED, encoded};
pub use list::{Entry, Listing, MAX_DEPTH, MAX_ENTRIES};
pub use path::{MAX_COMPONENTS, MAX_PATH, SitePath};
pub use write::Precondition;

/// Files that answer for a folder, in order of preference.
pub const INDEX_FILES: [&str; 2] = ["index.html", "index.htm"];

/// The owner's site; a cheap clone.
#[derive(Clone, Debug)]
pub struct SiteRoot {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    /// Held while a version is compared and its successor put in place, so that of two writers with one ETag one loses.
    commit: Mutex<()>,
}

/// Why a file of the site could not be opened, listed, written or removed.
#[derive(Debug, Error)]
pub enum SiteError {
    /// The site's folder does not exist.
    #[error("there is no site folder")]
    NoSite,
    /// No such file, or a name that no file of a site can have.
    #[error("not found")]
    NotFound,
    /// Outside the root, or never content: dot files, `lua/`, keys, databases, configuration.
    #[error("forbidden")]
    Forbidden,
    /// The file is not the version the writer has seen; nothing was changed.
    #[error("the file was changed by somebody else")]
    Changed,
    /// Something has that name already; nothing was changed.
    #[error("there is a file of that name already")]
    Taken,
    /// More bytes than allowed; nothing was changed.
    #[error("larger than the {limit} bytes allowed")]
    TooLarge {
        /// What is allowed, in bytes.
        limit: u64,
    },
    /// The disk or the quota is full; nothing was changed.
    #[error("the disk is full")]
    Full,
    /// The disk failed in another way.
    #[error("the site folder could not be used: {0}")]
    Io(io::Error),
}

impl From<io::Error> for SiteError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind as Kind;
        match error.kind() {
            Kind::NotFound | Kind::NotADirectory | Kind::IsADirectory | Kind::InvalidFilename | Kind::InvalidInput => Self::NotFound,
            Kind::PermissionDenied => Self::Forbidden,
            Kind::StorageFull | Kind::QuotaExceeded | Kind::FileTooLarge => Self::Full,
            _ if is_no_file(&error) => Self::NotFound,
            _ => Self::Io(error),
        }
    }
}

/// A loop of links, or a socket or pipe that cannot be opened; `io::ErrorKind` has no stable names for these.
fn is_no_file(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::LOOP, Errno::NXIO, Errno::NODEV].iter().any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

impl SiteRoot {
    /// The site in the folder `path`, which need not exist yet.
    pub fn new(path: PathBuf) -> Self {
        Self { inner: Arc::new(Inner { path, commit: Mutex::new(()) }) }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    /// Open the file that `path` names: raw text as on the wire, not URL-encoded, with or without a leading slash; for a folder its
    /// index file, or else a page that lists it. Only regular files are opened.
    pub async fn open(&self, path: &str) -> Result<OpenFile, SiteError> {
        let path = SitePath::parse(path)?;
        self.blocking(move |site| OpenFile::open(&site.dir()?, &path)).await
    }

    /// A handle on the folder as it is now.
    fn dir(&self) -> Result<Dir, SiteError> {
        Dir::open_ambient_dir(&self.inner.path, ambient_authority()).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => SiteError::NoSite,
            _ => SiteError::Io(error),
        })
    }

    /// Disk work goes to the blocking pool, so that a slow disk never stops the network.
    async fn blocking<T: Send + 'static>(&self, work: impl FnOnce(&Self) -> Result<T, SiteError> + Send + 'static) -> Result<T, SiteError> {
        let site = self.clone();
        tokio::task::spawn_blocking(move || work(&site)).await.map_err(|ended| SiteError::Io(io::Error::other(ended)))?
    }
}

#[cfg(test)]
mod tests;
