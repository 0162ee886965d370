//! What a peer remembers, in `goop.db`: what was said, whom its owner keeps, mutes or blocks, and the files on their way.
//!
//! - [`Memory`] is a cheap clone. All changes go through one writer ([`Db`]); what was answered as done is on the disk (THREATS 53), and
//!   a full disk is an error that changes nothing (THREATS 54).
//! - Its methods block, so they are asked through [`Memory::ask`].
//! - Contacts are few and asked often (whose stream is answered?), so they are held in memory as well.
//! - What is deleted is overwritten in the file.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use libp2p::PeerId;
use rusqlite::{Connection, Row, Transaction};
use thiserror::Error;

use crate::db::{Db, DbError};
use crate::proto::chat::{Limits, Party};

mod chats;
mod contacts;
mod conversations;
mod room;
mod transfers;
mod waiting;

pub use chats::{MAX_PAGE, PAGE_BYTES};
pub use contacts::{Contact, ContactChange, MAX_CONTACTS, MAX_FAVOURITES, MAX_KEPT_AVATAR, Seen};
pub use conversations::Conversation;
pub use transfers::{Outcome, Transfer};

const MIGRATIONS: [&str; 4] = [
    include_str!("../../assets/migrations/peer-0001-memory.sql"),
    include_str!("../../assets/migrations/peer-0002-transfers.sql"),
    include_str!("../../assets/migrations/peer-0003-communities.sql"),
    include_str!("../../assets/migrations/peer-0004-community-conversations.sql"),
];

/// Why something is not remembered. Nothing was changed.
#[derive(Debug, Error)]
pub enum MemoryError {
    /// The database does not work.
    #[error(transparent)]
    Db(#[from] DbError),
    /// There is no such message, conversation or file.
    #[error("there is no such thing here")]
    Nothing,
    /// There are as many as are kept.
    #[error("there are {most} {what} already")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        most: u32,
    },
    /// The disk work was cut off: this node is stopping.
    #[error("this node is stopping")]
    Stopping,
}

/// See the head of this file.
#[derive(Clone)]
pub struct Memory(Arc<Inner>);

struct Inner {
    db: Db,
    me: PeerId,
    limits: Limits,
    contacts: RwLock<Arc<HashMap<PeerId, Contact>>>,
}

impl Memory {
    /// Opens the memory of the peer `me` in the file at `path`.
    ///
    /// # Errors
    /// See [`DbError`].
    pub fn open(path: &Path, me: PeerId) -> Result<Self, DbError> {
        Self::of(Db::open_room(path, "peer", &MIGRATIONS)?, me, Limits::default())
    }

    /// A memory that is lost with its last handle; for tests.
    ///
    /// # Errors
    /// See [`DbError`].
    pub fn in_memory(me: PeerId, limits: Limits) -> Result<Self, DbError> {
        Self::of(Db::in_memory(&MIGRATIONS)?, me, limits)
    }

    fn of(db: Db, me: PeerId, limits: Limits) -> Result<Self, DbError> {
        db.read(|look| look.pragma_update(None, "secure_delete", true))?;
        let memory = Self(Arc::new(Inner { db, me, limits, contacts: RwLock::default() }));
        memory.reread_contacts()?;
        memory.resume()?;
        Ok(memory)
    }

    /// Whose memory it is.
    pub fn me(&self) -> PeerId {
        self.0.me
    }

    /// Does disk work where it stops nobody.
    ///
    /// # Errors
    /// What `work` says, or [`MemoryError::Stopping`].
    pub async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, MemoryError> + Send + 'static,
    ) -> Result<T, MemoryError> {
        let memory = self.clone();
        tokio::task::spawn_blocking(move || work(&memory)).await.map_err(|_| MemoryError::Stopping)?
    }

    fn write<T>(&self, change: impl FnOnce(&Transaction) -> rusqlite::Result<T>) -> Result<T, MemoryError> {
        Ok(self.0.db.write(change)?)
    }

    /// As [`Self::write`], where the change itself may find a reason to refuse; what it did until then is undone.
    fn attempt<T>(&self, change: impl FnOnce(&Transaction) -> rusqlite::Result<Result<T, MemoryError>>) -> Result<T, MemoryError> {
        let mut refused = None;
        let done = self.0.db.write(|transaction| {
            change(transaction)?.map_err(|error| {
                refused = Some(error);
                rusqlite::Error::QueryReturnedNoRows
            })
        });
        match refused {
            Some(refused) => Err(refused),
            None => Ok(done?),
        }
    }

    fn read<T>(&self, look: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, MemoryError> {
        Ok(self.0.db.read(look)?)
    }

    /// What was just deleted leaves the journal too; another reader may put that off.
    fn sweep(&self) {
        let _ = self.0.db.read(|look| look.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
    }

    fn contact_table(&self) -> Arc<HashMap<PeerId, Contact>> {
        self.0.contacts.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What stands before the name of a community where a conversation is named in the tables; no peer id begins so.
const IN: &str = "in ";

/// A conversation as it stands in the tables: everyone on the LAN is the empty text.
fn key(with: &Party) -> String {
    match with {
        Party::Lan => String::new(),
        Party::Community(name) => format!("{IN}{name}"),
        Party::Peer(peer) => peer.to_base58(),
    }
}

/// Whether many write in the conversation `key`.
fn is_of_many(key: &str) -> bool {
    key.is_empty() || key.starts_with(IN)
}

fn party(row: &Row, column: &str) -> rusqlite::Result<Party> {
    let key: String = row.get(column)?;
    Ok(key.strip_prefix(IN).map_or_else(|| key.parse().ok().into(), |name| Party::Community(name.to_owned())))
}

/// `None` for many, and for what is no peer id, which nobody writes.
fn peer(row: &Row, column: &str) -> rusqlite::Result<Option<PeerId>> {
    Ok(row.get::<_, String>(column)?.parse().ok())
}

fn all<T>(
    look: &Connection,
    query: &str,
    given: impl rusqlite::Params,
    of: impl Fn(&Row) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    look.prepare_cached(query)?.query_map(given, |row| of(row))?.collect()
}

#[cfg(test)]
mod tests;
