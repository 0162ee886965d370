//! The list of conversations, and how one or all of them are forgotten.

use rusqlite::params;
use serde::Serialize;

use super::chats::KEPT;
use super::{Memory, MemoryError, all, key, party};
use crate::proto::chat::{Kept, Party};

/// A conversation as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conversation {
    /// With whom.
    #[serde(flatten)]
    pub with: Party,
    /// How many messages are kept.
    pub messages: u64,
    /// How many of them the owner has not read.
    pub unread: u64,
    /// The newest one.
    pub last: Kept,
}

impl Memory {
    /// All conversations in which anything is kept, the one with the newest message first.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn conversations(&self) -> Result<Vec<Conversation>, MemoryError> {
        let lists = "SELECT c.peer AS with_peer, c.messages, c.unread, m.* FROM conversations c
            JOIN messages m ON m.number = (SELECT max(number) FROM messages WHERE peer = c.peer) ORDER BY m.number DESC";
        self.read(|look| {
            all(look, lists, [], |row| {
                let count = |column| Ok::<_, rusqlite::Error>(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0));
                let with = party(row, "with_peer")?;
                Ok(Conversation { with, messages: count("messages")?, unread: count("unread")?, last: self.kept(row)? })
            })
        })
    }

    /// Forgets everything that was said in one conversation; what waits in it never goes out. Answers what waited.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn forget_conversation(&self, with: impl Into<Party>) -> Result<Vec<Kept>, MemoryError> {
        let key = key(&with.into());
        self.forget(&format!("{KEPT} WHERE peer = ?1 AND state = 'waiting'"), "DELETE FROM conversations WHERE peer = ?1", Some(key))
    }

    /// Forgets everything that was said. Answers what waited.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn forget_all_conversations(&self) -> Result<Vec<Kept>, MemoryError> {
        self.forget(&format!("{KEPT} WHERE ?1 IS NULL AND state = 'waiting'"), "DELETE FROM conversations WHERE ?1 IS NULL", None)
    }

    fn forget(&self, waiting: &str, delete: &str, key: Option<String>) -> Result<Vec<Kept>, MemoryError> {
        let waited = self.write(|change| {
            let waited = all(change, waiting, params![key], |row| self.kept(row))?;
            change.execute(delete, params![key])?;
            Ok(waited)
        })?;
        self.sweep();
        Ok(waited)
    }
}
