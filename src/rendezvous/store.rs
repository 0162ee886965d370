//! What a rendezvous server knows after a restart: communities, invitations, members, applications, bans; who it is, its epoch and
//! who has signed. And what several instances of one server tell each other. Every SQL statement of these tables stands here or in
//! `store/`.
//!
//! A change is in the file before it is answered; then the [`Register`] in memory, which the hot path asks, is read anew. Several
//! instances may share one file: each looks for the others' changes ([`super::sharing`]).

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

use axum::http::StatusCode;
use libp2p::PeerId;
use rusqlite::{Connection, OptionalExtension, params};
use thiserror::Error;

use super::locked;
use crate::clock::UnixMillis;
use crate::db::{Db, DbError};
use crate::http::Problem;
use crate::proto::community::{Ban, Community, Kind, Register};
use crate::proto::invite::{Invitation, InviteError, Token};

mod news;
mod rows;
mod server;

pub use news::{Asked, Batch, Cursor, Farewell, Heard, News, Verdict};
pub use rows::Application;
pub use server::{Entered, Entrant};

const MIGRATIONS: [&str; 3] = [
    include_str!("../../assets/migrations/0001-communities.sql"),
    include_str!("../../assets/migrations/0002-moves.sql"),
    include_str!("../../assets/migrations/0003-instances.sql"),
];
/// Most members, invitations and applications of one community each, and most bans; one more is refused.
pub const MOST: i64 = 10_000;

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

    /// What is wrong with the database; `None` where it can be written.
    pub fn trouble(&self) -> Option<String> {
        match &self.db {
            Err(broken) => Some(broken.clone()),
            Ok(_) => locked(&self.trouble).clone(),
        }
    }

    /// The same, asked of the database now.
    pub fn probe(&self) -> Option<String> {
        if let Ok(db) = self.db() {
            let _ = self.noted(db.write(|change| change.execute("UPDATE server SET id = id", []).map(drop)));
        }
        self.trouble()
    }

    /// Founds a community.
    ///
    /// # Errors
    /// [`StoreError::Taken`]; see [`StoreError`].
    pub fn found(&self, community: &Community) -> Result<(), StoreError> {
        let Community { slug, name, kind, created } = community;
        self.change(|change| {
            let added = "INSERT OR IGNORE INTO communities (slug, name, kind, created) VALUES (?1, ?2, ?3, ?4)";
            Ok(match change.execute(added, params![slug, name, kind.word(), millis(*created)])? {
                0 => Err(StoreError::Taken),
                _ => Ok(()),
            })
        })
    }

    /// Gives a community another name and another way in; its members stay.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn amend(&self, slug: &str, name: &str, kind: Kind) -> Result<(), StoreError> {
        let set = "UPDATE communities SET name = ?2, kind = ?3 WHERE slug = ?1";
        self.change(|change| something(change.execute(set, params![slug, name, kind.word()])))
    }

    /// Ends a community and everything that belongs to it.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn end(&self, slug: &str) -> Result<(), StoreError> {
        self.change(|change| {
            change.execute("DELETE FROM bans WHERE slug = ?1", [slug])?;
            change.execute("DELETE FROM moves WHERE slug = ?1", [slug])?;
            change.execute("DELETE FROM presence WHERE slug = ?1", [slug])?;
            something(change.execute("DELETE FROM communities WHERE slug = ?1", [slug]))
        })
    }

    /// A community (`None`: the open board) has gone to `place`, a base URL without a slash at its end.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn move_to(&self, slug: Option<&str>, place: &str, now: UnixMillis) -> Result<(), StoreError> {
        self.change(|change| {
            let there = "INSERT OR REPLACE INTO moves (slug, url, since)
                SELECT ?1, ?2, ?3 WHERE ?1 = '' OR EXISTS (SELECT 1 FROM communities WHERE slug = ?1)";
            something(change.execute(there, params![slug.unwrap_or_default(), place, millis(now)]))
        })
    }

    /// A community (`None`: the open board) that had gone is here again.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn move_back(&self, slug: Option<&str>) -> Result<(), StoreError> {
        self.change(|change| something(change.execute("DELETE FROM moves WHERE slug = ?1", [slug.unwrap_or_default()])))
    }

    /// Writes an invitation, and answers its number.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn invite(&self, invitation: &Invitation, token: &Token) -> Result<i64, StoreError> {
        let Invitation { slug, uses, ends, note, .. } = invitation;
        self.change(|change| {
            if is_full(change, "invitations", Some(slug))? {
                return Ok(Err(StoreError::TooMany));
            }
            let added = "INSERT INTO invitations (slug, digest, uses, ends, note) VALUES (?1, ?2, ?3, ?4, ?5)";
            change.execute(added, params![slug, token.digest(), uses, ends.map(millis), note])?;
            Ok(Ok(change.last_insert_rowid()))
        })
    }

    /// Exchanges an invitation for a membership with the personal token `token`; answers its number.
    ///
    /// # Errors
    /// [`StoreError::Invite`], [`StoreError::Nothing`]; see [`StoreError`].
    pub fn redeem(&self, slug: &str, invite: &Token, token: &Token, peer: Option<PeerId>, now: UnixMillis) -> Result<i64, StoreError> {
        self.change(|change| {
            let query = format!("SELECT {} FROM invitations WHERE slug = ?1 AND digest = ?2", rows::INVITATION);
            let found = change.query_row(&query, params![slug, invite.digest()], rows::invitation).optional()?;
            let Some(mut invitation) = found else { return Ok(Err(StoreError::Nothing)) };
            if let Err(why) = invitation.redeem(now) {
                return Ok(Err(why.into()));
            }
            change.execute("UPDATE invitations SET uses = ?1 WHERE id = ?2", params![invitation.uses, invitation.id])?;
            add_member(change, slug, token, peer, &invitation.note, now)
        })
    }

    /// Settles which peer a personal token publishes for; `false` where that is another already.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn bind(&self, token: i64, peer: PeerId) -> Result<bool, StoreError> {
        let (peer, set) = (peer.to_base58(), "UPDATE members SET peer = ?1 WHERE id = ?2 AND (peer IS NULL OR peer = ?1)");
        self.change(|change| Ok(Ok(change.execute(set, params![peer, token])? > 0)))
    }

    /// Asks for membership.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn apply(&self, slug: &str, ticket: &Token, peer: Option<PeerId>, message: &str, now: UnixMillis) -> Result<i64, StoreError> {
        self.change(|change| {
            if is_full(change, "applications", Some(slug))? {
                return Ok(Err(StoreError::TooMany));
            }
            let added = "INSERT INTO applications (slug, digest, peer, message, asked) VALUES (?1, ?2, ?3, ?4, ?5)";
            change.execute(added, params![slug, ticket.digest(), peer.map(|peer| peer.to_base58()), message, millis(now)])?;
            Ok(Ok(change.last_insert_rowid()))
        })
    }

    /// How the application behind `ticket` stands; an approved one becomes a membership with the personal token `token`, once.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn collect(&self, slug: &str, ticket: &Token, token: &Token, now: UnixMillis) -> Result<Application, StoreError> {
        self.change(|change| {
            let query = format!("SELECT {} FROM applications WHERE slug = ?1 AND digest = ?2", rows::APPLICATION);
            let found = change.query_row(&query, params![slug, ticket.digest()], rows::application).optional()?;
            let Some(application) = found else { return Ok(Err(StoreError::Nothing)) };
            if application.state == "approved" {
                change.execute("UPDATE applications SET state = 'collected' WHERE id = ?1", [application.id])?;
                if let Err(full) = add_member(change, slug, token, application.peer, &application.message, now)? {
                    return Ok(Err(full));
                }
            }
            Ok(Ok(application))
        })
    }

    /// Approves or declines an application that was asked.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn decide(&self, application: i64, approved: bool) -> Result<(), StoreError> {
        let state = if approved { "approved" } else { "declined" };
        self.change(|change| {
            something(change.execute("UPDATE applications SET state = ?1 WHERE id = ?2 AND state = 'asked'", params![state, application]))
        })
    }

    /// Takes back an invitation.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn revoke_invitation(&self, id: i64) -> Result<(), StoreError> {
        self.change(|change| something(change.execute("UPDATE invitations SET revoked = 1 WHERE id = ?1", [id])))
    }

    /// Takes back a personal token.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn revoke_member(&self, id: i64) -> Result<(), StoreError> {
        self.change(|change| something(change.execute("UPDATE members SET revoked = 1 WHERE id = ?1", [id])))
    }

    /// Keeps somebody out, and answers the ban's number.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn ban(&self, ban: &Ban) -> Result<i64, StoreError> {
        let Ban { slug, peer, address, reason, since, ends, .. } = ban;
        self.change(|change| {
            if is_full(change, "bans", None)? {
                return Ok(Err(StoreError::TooMany));
            }
            let added = "INSERT INTO bans (slug, peer, address, reason, since, ends) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let (peer, address) = (peer.map(|peer| peer.to_base58()), address.map(|address: IpAddr| address.to_string()));
            change.execute(added, params![slug, peer, address, reason, millis(*since), ends.map(millis)])?;
            Ok(Ok(change.last_insert_rowid()))
        })
    }

    /// Lets somebody in again.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn unban(&self, id: i64) -> Result<(), StoreError> {
        self.change(|change| something(change.execute("DELETE FROM bans WHERE id = ?1", [id])))
    }

    /// Makes a change, and lets it count.
    fn change<T>(&self, change: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, StoreError>>) -> Result<T, StoreError> {
        let changed = self.db()?.write(|transaction| {
            let answer = change(transaction)?;
            transaction.execute("UPDATE server SET doors = doors + 1", [])?;
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

fn add_member(
    change: &Connection,
    slug: &str,
    token: &Token,
    peer: Option<PeerId>,
    note: &str,
    now: UnixMillis,
) -> rusqlite::Result<Result<i64, StoreError>> {
    if is_full(change, "members", Some(slug))? {
        return Ok(Err(StoreError::TooMany));
    }
    let added = "INSERT INTO members (slug, digest, peer, joined, note) VALUES (?1, ?2, ?3, ?4, ?5)";
    change.execute(added, params![slug, token.digest(), peer.map(|peer| peer.to_base58()), millis(now), note])?;
    Ok(Ok(change.last_insert_rowid()))
}

fn something(changed: rusqlite::Result<usize>) -> rusqlite::Result<Result<(), StoreError>> {
    Ok(if changed? > 0 { Ok(()) } else { Err(StoreError::Nothing) })
}

fn is_full(look: &Connection, table: &str, slug: Option<&str>) -> rusqlite::Result<bool> {
    let query = format!("SELECT count(*) >= {MOST} FROM {table} WHERE ?1 IS NULL OR slug = ?1");
    look.query_row(&query, [slug], |row| row.get(0))
}

/// SQLite's integers are signed; a time beyond the year 292 million counts as that.
fn millis(at: UnixMillis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
