//! What can be wrong with a database, in sentences that say the way out.

use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why a database cannot be used, or a change did not happen. Nothing is half done.
#[derive(Debug, Error)]
pub enum DbError {
    /// It lies where SQLite cannot keep it whole.
    #[error("{}: this is on a network file system ({kind}), where a database cannot be shared: choose a place on a local disk", path.display())]
    Network {
        /// The file.
        path: PathBuf,
        /// What kind.
        kind: &'static str,
    },
    /// It is damaged, or no database.
    #[error(
        "{}: this database is damaged ({what}). It was left as it is: put a backup in its place, or move it away to start with none",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite found.
        what: String,
    },
    /// A newer goop wrote it.
    #[error("{}: a newer goop wrote this database (version {found}, this one knows {known}): run that one", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: usize,
        /// The last one known here.
        known: usize,
    },
    /// There is no room left on the disk.
    #[error("{}: the disk is full; nothing was changed", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be made or opened.
    #[error("{}: the database cannot be opened: {error}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// SQLite refused for another reason.
    #[error("{}: {error}", path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// SQLite's word.
        error: rusqlite::Error,
    },
}

/// What SQLite says about the file at `path`.
pub(super) fn told(path: &Path, error: rusqlite::Error) -> DbError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => DbError::Damaged { path, what: error.to_string() },
        Some(ErrorCode::DiskFull) => DbError::Full { path },
        _ => DbError::Sqlite { path, error },
    }
}
