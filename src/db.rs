//! SQLite: opened carefully, changed by one writer in whole transactions (THREATS 53, 54).
//!
//! - WAL with `synchronous=FULL`: what was answered as done is on the disk.
//! - After an unclean stop the whole file is checked. A damaged file is left where it is and as it is, for a backup or a repair; it is
//!   never replaced by an empty one, nor by memory.
//! - Once damage is seen, nothing is read or written any more: what would be acknowledged then might never be found again.
//! - A file on a network file system is refused where that can be seen: WAL does not travel over one.
//! - Migrations run in order, each once; a file of a newer version is refused. Several rooms may keep their tables in one file; each counts
//!   its own migrations.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior};

use crate::clock::Moment;
use crate::config::files::create_private;

mod error;
mod place;
mod times;

pub use error::DbError;
use error::told;
pub use times::{millis, time, when};

/// How long a change waits for another process's.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long until it is tried again where SQLite does not wait by itself.
const AGAIN: Duration = Duration::from_millis(10);

/// An open database.
#[derive(Debug)]
pub struct Db {
    path: PathBuf,
    connection: Mutex<Connection>,
    /// What was found damaged.
    damaged: OnceLock<String>,
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
        let db = Self { path: path.to_owned(), connection: Mutex::new(connection), damaged: OnceLock::new() };
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
        Ok(Self { path: self.path.clone(), connection: Mutex::new(connection), damaged: OnceLock::new() })
    }

    /// A database that lives and dies with this value; for tests, and for a server that is told to remember nothing.
    ///
    /// # Errors
    /// See [`DbError`].
    pub fn in_memory(migrations: &[&str]) -> Result<Self, DbError> {
        let path = PathBuf::from("(memory)");
        let connection = Connection::open_in_memory().map_err(|error| told(&path, error))?;
        let db = Self { path, connection: Mutex::new(connection), damaged: OnceLock::new() };
        db.prepare(false, Versions::OfTheFile, migrations)?;
        Ok(db)
    }

    /// Makes one change, which happens as a whole or not at all.
    ///
    /// # Errors
    /// See [`DbError`]; nothing was changed then.
    pub fn write<T>(&self, change: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, DbError> {
        self.sound()?;
        let written = transact(&mut self.connection(), change);
        self.noted(written)
    }

    /// The same without waiting for the disk: whatever becomes of this process, the change stays, but a power cut may take it back, as
    /// a whole. For what is worth nothing after one.
    ///
    /// # Errors
    /// See [`DbError`]; nothing was changed then.
    pub fn write_lightly<T>(&self, change: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, DbError> {
        self.sound()?;
        let mut connection = self.connection();
        let written = connection.pragma_update(None, "synchronous", "NORMAL").and_then(|()| transact(&mut connection, change));
        let restored = connection.pragma_update(None, "synchronous", "FULL");
        self.noted(written.and_then(|answer| restored.map(|()| answer)))
    }

    /// Looks things up.
    ///
    /// # Errors
    /// See [`DbError`].
    pub fn read<T>(&self, look: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, DbError> {
        self.sound()?;
        let looked = look(&self.connection());
        self.noted(looked)
    }

    /// From now on a change waits no longer than `patience` for another process's: this one is about to end.
    ///
    /// # Errors
    /// See [`DbError`].
    pub fn hurry(&self, patience: Duration) -> Result<(), DbError> {
        self.read(|connection| connection.busy_timeout(patience))
    }

    /// Whether a change could begin now, asked for at most `patience`.
    ///
    /// # Errors
    /// See [`DbError`]: why not.
    pub fn can_write(&self, patience: Duration) -> Result<(), DbError> {
        self.read(|connection| {
            connection.busy_timeout(patience)?;
            let begun = connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK");
            connection.busy_timeout(PATIENCE).and(begun)
        })
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
            until_free(|| connection.pragma_update(None, "journal_mode", "WAL"))?;
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

    fn sound(&self) -> Result<(), DbError> {
        let damaged = |what: &String| Err(DbError::Damaged { path: self.path.clone(), what: what.clone() });
        self.damaged.get().map_or(Ok(()), damaged)
    }

    fn noted<T>(&self, done: rusqlite::Result<T>) -> Result<T, DbError> {
        done.map_err(|error| {
            let error = told(&self.path, error);
            if let DbError::Damaged { what, .. } = &error {
                let _ = self.damaged.set(what.clone());
            }
            error
        })
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// SQLite does not wait by itself where two processes make WAL of a new file in the same moment.
fn until_free<T>(act: impl Fn() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let began = Moment::now();
    loop {
        match act() {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Moment::now().since(began) < PATIENCE => {
                std::thread::sleep(AGAIN);
            }
            done => return done,
        }
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

#[cfg(test)]
mod tests;
