//! What a rendezvous server knows after a restart: communities, invitations, members, applications, bans; who it is, its epoch and
//! who has signed. And what several instances of one server tell each other. Every SQL statement of these tables stands here or in
//! `store/`.
//!
//! A change is in the file before it is answered; then the [`Register`] in memory, which the hot path asks, is read anew. Several
//! instances may share one file: each looks for the others' changes ([`super::sharing`]).

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use axum::http::StatusCode;
use rusqlite::Connection;
use thiserror::Error;

use super::locked;
use crate::db::{Db, DbError};
use crate::http::Problem;
use crate::proto::community::Register;
use crate::proto::invite::InviteError;

mod doors;
mod members;
mod news;
mod rows;
mod server;
mod tell;

pub use members::Applicant;
pub use news::{Asked, Cursor, Farewell, Heard, News};
pub use rows::Application;
pub use server::{Entered, Entrant};
pub use tell::{Batch, Verdict};

const MIGRATIONS: [&str; 4] = [
    include_str!("../../assets/migrations/0001-communities.sql"),
    include_str!("../../assets/migrations/0002-moves.sql"),
    include_str!("../../assets/migrations/0003-instances.sql"),
    include_str!("../../assets/migrations/0004-applicants.sql"),
];
/// Most members, invitations and applications of one community each, and most bans, that still count; one more is refused. Those that
/// count no longer make room for newer ones.
pub const MOST: i64 = 10_000;
/// Most applications from one address, or IPv6 /64, that nobody has decided on.
pub const MOST_ASKED: i64 = 20;

/// How long it is waited for a change to begin when all that is asked is whether one could.
const PROBE: Duration = Duration::from_secs(1);

/// Why something was not stored.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database does not work.
    #[error("{0}")]
    Db(#[from] DbError),
    /// It did not work when the server started; what it said then.
    #[error("{0}")]
    Broken(String),
    /// There is one of this name already.
    #[error("there is a community of this name already")]
    Taken,
    /// There is nothing of this name or number.
    #[error("there is no such thing here")]
    Nothing,
    /// [`MOST`].
    #[error("there are {MOST} of them already")]
    TooMany,
    /// [`MOST_ASKED`].
    #[error("{MOST_ASKED} applications from this address wait already")]
    AskedEnough,
    /// Another server's database.
    #[error(
        "presence.peer_db_path: this database belongs to the server {known}, and the key here is that of {found}. Give all instances of a \
         server the same key (identity.key_file can name one file), or this one another database"
    )]
    AnotherServer {
        /// Whose it is.
        known: String,
        /// Who we are.
        found: String,
    },
    /// The invitation does not count.
    #[error("this invitation does not count: {0}")]
    Invite(#[from] InviteError),
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::Db(DbError::Full { .. }) => {
                Problem::new(StatusCode::INSUFFICIENT_STORAGE, "disk-full", "the server's disk is full")
            }
            StoreError::Db(_) | StoreError::Broken(_) | StoreError::AnotherServer { .. } => {
                tracing::error!(error = detail, "the database does not work");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "database", "the server's database does not work; its log says why")
            }
            StoreError::Taken => Problem::new(StatusCode::CONFLICT, "taken", detail),
            StoreError::Nothing => Problem::not_found(detail),
            StoreError::TooMany => Problem::new(StatusCode::INSUFFICIENT_STORAGE, "too-many", detail),
            StoreError::AskedEnough => Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many", detail),
            StoreError::Invite(_) => Problem::forbidden(detail),
        }
    }
}

/// The store, and what is known of it in memory.
pub struct Store {
    db: Result<Db, String>,
    known: RwLock<Known>,
    /// What SQLite said last about changes of others.
    version: Mutex<i64>,
    /// Why the last change failed.
    trouble: Mutex<Option<String>>,
}

/// What was read.
#[derive(Clone, Default)]
struct Known {
    register: Arc<Register>,
    /// Which change was the last that it shows.
    doors: i64,
    standby: bool,
}

impl Store {
    /// Opens the store at `path`, which `several` instances may share; `None` keeps everything in memory, for as long as the server
    /// runs. A damaged one leaves the open board to serve on, and every question to the store answers 503.
    ///
    /// # Errors
    /// Where the place itself is wrong: a network file system, or a newer goop's file.
    pub fn open(path: Option<&Path>, several: bool) -> Result<Self, DbError> {
        let opened = match path {
            None => Db::in_memory(&MIGRATIONS),
            Some(path) if several => Db::open_for_several(path, &MIGRATIONS),
            Some(path) => Db::open(path, &MIGRATIONS),
        };
        let db = match opened {
            Err(refused @ (DbError::Network { .. } | DbError::Newer { .. })) => return Err(refused),
            Err(broken) => {
                tracing::error!(%broken, "communities and bans are out of order until this is mended; the open board serves on");
                Err(broken.to_string())
            }
            Ok(db) => Ok(db),
        };
        let store = Self { db, known: RwLock::default(), version: Mutex::new(0), trouble: Mutex::default() };
        if store.db.is_ok() {
            store.reread()?;
        }
        Ok(store)
    }

    /// Who comes in, as of now.
    pub fn register(&self) -> Arc<Register> {
        self.known().register.clone()
    }

    /// Whether the operator wants every instance to stand by.
    pub fn standby(&self) -> bool {
        self.known().standby
    }

    /// Whether another instance wrote anything since this was asked last.
    pub fn is_stirred(&self) -> bool {
        let Ok(version) = self.db().and_then(|db| Ok(db.version_of_others()?)) else { return false };
        std::mem::replace(&mut *locked(&self.version), version) != version
    }

    /// Whether another instance changed who comes in, which then counts here too.
    pub fn follow(&self) -> bool {
        let Ok(db) = &self.db else { return false };
        let doors = db.read(|look| look.query_row(DOORS, [], |row| row.get::<_, i64>(0)));
        doors.is_ok_and(|doors| doors != self.known().doors) && self.reread().is_ok()
    }

    /// Whether the database worked when it was opened.
    pub fn is_sound(&self) -> bool {
        self.db.is_ok()
    }

    /// What is wrong with the database now; `None` where it can be written. Where the last change failed, one is tried.
    pub fn trouble(&self) -> Option<String> {
        let db = match &self.db {
            Err(broken) => return Some(broken.clone()),
            Ok(db) => db,
        };
        let failed = locked(&self.trouble).is_some();
        let tried = db.can_write(PROBE).and_then(|()| match failed {
            true => self.noted(db.write(|change| change.execute("UPDATE server SET id = id", []).map(drop))),
            false => Ok(()),
        });
        tried.err().map(|why| why.to_string())
    }

    /// Makes a change, and lets it count. One that is refused leaves nothing behind, and no instance looks for it.
    fn change<T>(&self, change: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, StoreError>>) -> Result<T, StoreError> {
        let changed = self.db()?.write(|transaction| {
            transaction.execute_batch("SAVEPOINT change")?;
            let answer = change(transaction)?;
            match &answer {
                Ok(_) => transaction.execute("UPDATE server SET doors = doors + 1", []).map(drop)?,
                Err(_) => transaction.execute_batch("ROLLBACK TO change")?,
            }
            Ok(answer)
        });
        let answer = self.noted(changed)??;
        self.reread()?;
        Ok(answer)
    }

    /// What comes after the number was read is found at the next look.
    fn reread(&self) -> Result<(), DbError> {
        let Ok(db) = &self.db else { return Ok(()) };
        let fresh = db.read(|look| {
            let (doors, standby) = look.query_row(DOORS, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(Known { register: Arc::new(rows::register(look)?), doors, standby })
        })?;
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }

    /// Remembers whether a change worked.
    fn noted<T>(&self, changed: Result<T, DbError>) -> Result<T, DbError> {
        let why = changed.as_ref().err().map(ToString::to_string);
        let before = std::mem::replace(&mut *locked(&self.trouble), why.clone());
        match (before, why) {
            (None, Some(why)) => tracing::error!(why, "the database cannot be written; the board serves on without it"),
            (Some(_), None) => tracing::info!("the database can be written again"),
            _ => {}
        }
        changed
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn db(&self) -> Result<&Db, StoreError> {
        self.db.as_ref().map_err(|broken| StoreError::Broken(broken.clone()))
    }
}

const DOORS: &str = "SELECT doors, standby FROM server";

#[cfg(test)]
mod tests;
