//! SQLite: opened carefully, changed by one writer in whole transactions (THREATS 53, 54).
//!
//! - WAL with `synchronous=FULL`: what was answered as done is on the disk.
//! - After an unclean stop the whole file is checked. A damaged file is left where it is and as it is, for a backup or a repair; it is
//!   never replaced by an empty one, nor by memory.
//! - A file on a network file system is refused where that can be seen: WAL does not travel over one.
//! - Migrations run in order, each once; a file of a newer version is refused. Several rooms may keep their tables in one file; each counts
//!   its own migrations.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};
use thiserror::Error;

use crate::config::files::create_private;

mod place;

/// How long a change waits for another process's.
const PATIENCE: Duration = Duration::from_secs(5);

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

/// An open database.
#[derive(Debug)]
pub struct Db {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Db {
    /// Opens the file at `path`, makes it (mode 0600) where there is none, and runs the `migrations` it has not had.
    ///
    /// # Errors
    /// See [`DbError`].
    pub fn open(path: &Path, migrations: &[&str]) -> Result<Self, DbError> {
        Self::open_counting(path, Versions::OfTheFile, migrations)
    }

    /// As [`Self::open`], for a `room` that shares the file with others and counts its migrations by its own name.
    ///
    /// # Errors
    /// See [`DbError`].
    pub fn open_room(path: &Path, room: &'static str, migrations: &[&str]) -> Result<Self, DbError> {
        Self::open_counting(path, Versions::OfRoom(room), migrations)
    }

    fn open_counting(path: &Path, versions: Versions, migrations: &[&str]) -> Result<Self, DbError> {
        let failed = |error| DbError::Io { path: path.to_owned(), error };
        if !path.try_exists().map_err(failed)? {
            create_private(path, &[]).or_else(|error| if path.exists() { Ok(()) } else { Err(failed(error)) })?;
        }
        if let Some(kind) = place::network(path) {
            return Err(DbError::Network { path: path.to_owned(), kind });
        }
        let unclean = std::fs::metadata(wal(path)).is_ok_and(|wal| wal.len() > 0);
        let connection = Connection::open(path).map_err(|error| told(path, error))?;
        let db = Self { path: path.to_owned(), connection: Mutex::new(connection) };
        db.prepare(unclean, versions, migrations)?;
        Ok(db)
    }

    /// The same for a file that several processes use at once; then also a file system that a program plays (FUSE) is refused.
    ///
    /// # Errors
    /// See [`DbError`].
    pub fn open_for_several(path: &Path, migrations: &[&str]) -> Result<Self, DbError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if place::is_played(folder) {
            return Err(DbError::Network { path: path.to_owned(), kind: "FUSE" });
        }
        Self::open(path, migrations)
    }

    /// Another look at the same file, which changes nothing and waits for no writer: each of its looks sees what was written before it.
    ///
    /// # Errors
    /// See [`DbError`].
    pub fn reader(&self) -> Result<Self, DbError> {
        let opened = Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX);
        let connection = opened.and_then(|connection| connection.busy_timeout(PATIENCE).map(|()| connection));
        let connection = connection.map_err(|error| told(&self.path, error))?;
        Ok(Self { path: self.path.clone(), connection: Mutex::new(connection) })
    }

    /// A database that lives and dies with this value; for tests, and for a server that is told to remember nothing.
    ///
    /// # Errors
    /// See [`DbError`].
    pub fn in_memory(migrations: &[&str]) -> Result<Self, DbError> {
        let path = PathBuf::from("(memory)");
        let connection = Connection::open_in_memory().map_err(|error| told(&path, error))?;
        let db = Self { path, connection: Mutex::new(connection) };
        db.prepare(false, Versions::OfTheFile, migrations)?;
        Ok(db)
    }

    /// Makes one change, which happens as a whole or not at all.
    ///
    /// # Errors
    /// See [`DbError`]; nothing was changed then.
    pub fn write<T>(&self, change: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, DbError> {
        let written = transact(&mut self.connection(), change);
        written.map_err(|error| told(&self.path, error))
    }

    /// The same without waiting for the disk: whatever becomes of this process, the change stays, but a power cut may take it back, as
    /// a whole. For what is worth nothing after one.
    ///
    /// # Errors
    /// See [`DbError`]; nothing was changed then.
    pub fn write_lightly<T>(&self, change: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, DbError> {
        let mut connection = self.connection();
        let written = connection
            .pragma_update(None, "synchronous", "NORMAL")
            .and_then(|()| transact(&mut connection, change))
            .map_err(|error| told(&self.path, error));
        let restored = connection.pragma_update(None, "synchronous", "FULL").map_err(|error| told(&self.path, error));
        written.and_then(|answer| restored.map(|()| answer))
    }

    /// Looks things up.
    ///
    /// # Errors
    /// See [`DbError`].
    pub fn read<T>(&self, look: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, DbError> {
        look(&self.connection()).map_err(|error| told(&self.path, error))
    }

    /// A number that differs from before when another process, or another `Db` of the same file, has changed it.
    ///
    /// # Errors
    /// See [`DbError`].
    pub fn version_of_others(&self) -> Result<i64, DbError> {
        self.read(|connection| connection.pragma_query_value(None, "data_version", |row| row.get(0)))
    }

    fn prepare(&self, unclean: bool, versions: Versions, migrations: &[&str]) -> Result<(), DbError> {
        self.read(|connection| {
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)
        })?;
        if unclean {
            let found: String = self.read(|connection| connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)))?;
            if found != "ok" {
                return Err(DbError::Damaged { path: self.path.clone(), what: found });
            }
        }
        self.migrate(versions, migrations)
    }

    fn migrate(&self, versions: Versions, migrations: &[&str]) -> Result<(), DbError> {
        let found = self.write(|change| {
            let version = versions.read(change)?;
            for (migration, number) in migrations.iter().zip(1_u32..).skip(version as usize) {
                change.execute_batch(migration)?;
                versions.write(change, number)?;
            }
            Ok(version as usize)
        })?;
        if found > migrations.len() {
            return Err(DbError::Newer { path: self.path.clone(), found, known: migrations.len() });
        }
        Ok(())
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn transact<T>(connection: &mut Connection, change: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let answer = change(&transaction)?;
    transaction.commit().map(|()| answer)
}

/// Where it stands how many migrations a file has had.
#[derive(Debug, Clone, Copy)]
enum Versions {
    /// In the head of the file.
    OfTheFile,
    /// In the row of a room.
    OfRoom(&'static str),
}

impl Versions {
    fn read(self, change: &Transaction) -> rusqlite::Result<u32> {
        match self {
            Self::OfTheFile => change.pragma_query_value(None, "user_version", |row| row.get(0)),
            Self::OfRoom(room) => {
                change.execute_batch("CREATE TABLE IF NOT EXISTS rooms (name TEXT PRIMARY KEY, version INTEGER NOT NULL) STRICT")?;
                let version = change.query_row("SELECT version FROM rooms WHERE name = ?1", [room], |row| row.get(0));
                Ok(version.optional()?.unwrap_or(0))
            }
        }
    }

    fn write(self, change: &Transaction, version: u32) -> rusqlite::Result<()> {
        match self {
            Self::OfTheFile => change.pragma_update(None, "user_version", version),
            Self::OfRoom(room) => {
                let set = "INSERT INTO rooms (name, version) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET version = ?2";
                change.execute(set, (room, version)).map(drop)
            }
        }
    }
}

fn wal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

fn told(path: &Path, error: rusqlite::Error) -> DbError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => DbError::Damaged { path, what: error.to_string() },
        Some(ErrorCode::DiskFull) => DbError::Full { path },
        _ => DbError::Sqlite { path, error },
    }
}

#[cfg(test)]
mod tests;
