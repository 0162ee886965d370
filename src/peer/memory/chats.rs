//! What was said: kept, paged through, read and forgotten.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{Memory, MemoryError, is_of_many, key, peer, room};
use crate::clock::UnixMillis;
use crate::db::{millis, when};
use crate::proto::chat::{ChatMessage, Kept, Party, State};

/// Most messages of one page.
pub const MAX_PAGE: u32 = 500;
/// A page ends before it holds more bytes of text than this, but has at least one message.
pub const PAGE_BYTES: usize = 2 * 1024 * 1024;

pub(super) const KEPT: &str = "SELECT number, peer, sender, id, content, at, mine, state, why, delivered, until, community FROM messages";

const KNOWN: &str = "SELECT 1 FROM messages WHERE peer = ?1 AND sender = ?2 AND id = ?3";
const KNOWN_AMONG_MANY: &str = "SELECT 1 FROM messages WHERE sender = ?2 AND id = ?3
    AND peer IN (SELECT peer FROM conversations WHERE peer IN (?1, '') OR peer LIKE 'in %')";

impl Memory {
    /// Keeps a message of somebody else; answers it, and how many of its conversation are unread. `None` if it is there already: same
    /// sender and id.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn receive(&self, message: &ChatMessage) -> Result<Option<(Kept, u64)>, MemoryError> {
        let with = Party::of(message, &self.0.me);
        self.write(|change| {
            let Some(number) = self.insert(change, message, State::Received, None)? else { return Ok(None) };
            Ok(Some((self.one(change, number)?, unread(change, &with)?)))
        })
    }

    /// Keeps a message of the owner before it is sent.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn begin(&self, message: &ChatMessage) -> Result<Kept, MemoryError> {
        self.keep_own(message, State::Sending, None)
    }

    /// Notes what became of a message of the owner; `None` if it was forgotten meanwhile.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn settle(&self, number: i64, state: State, why: Option<&str>, delivered: u32) -> Result<Option<Kept>, MemoryError> {
        let set =
            "UPDATE messages SET state = ?2, why = ?3, delivered = ?4, until = CASE ?2 WHEN 'waiting' THEN until END WHERE number = ?1";
        self.write(|change| {
            let found = change.execute(set, params![number, state.word(), why, delivered])? > 0;
            if found { self.one(change, number).map(Some) } else { Ok(None) }
        })
    }

    /// One message.
    ///
    /// # Errors
    /// [`MemoryError::Nothing`]; see [`MemoryError`].
    pub fn message(&self, number: i64) -> Result<Kept, MemoryError> {
        self.read(|look| self.one(look, number).optional())?.ok_or(MemoryError::Nothing)
    }

    /// The newest messages of one conversation, at most `most`, older than the number `before`; oldest first.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn page(&self, with: impl Into<Party>, before: Option<i64>, most: u32) -> Result<Vec<Kept>, MemoryError> {
        let query = format!("{KEPT} WHERE peer = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3");
        let given = params![key(&with.into()), before.unwrap_or(i64::MAX), most.min(MAX_PAGE)];
        self.read(|look| {
            let (mut page, mut bytes) = (Vec::new(), 0);
            let mut rows = look.prepare_cached(&query)?;
            for message in rows.query_map(given, |row| self.kept(row))? {
                let message = message?;
                bytes += message.message.content.len();
                if bytes > PAGE_BYTES && !page.is_empty() {
                    break;
                }
                page.push(message);
            }
            page.reverse();
            Ok(page)
        })
    }

    /// Marks a conversation as read up to and including `number`; answers how many are unread then.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn mark_read(&self, with: impl Into<Party>, number: i64) -> Result<u64, MemoryError> {
        let with = with.into();
        let unread = "(SELECT count(*) FROM messages WHERE peer = ?1 AND mine = 0 AND number > max(seen, ?2))";
        let set = format!("UPDATE conversations SET unread = {unread}, seen = max(seen, min(?2, last)) WHERE peer = ?1");
        self.write(|change| {
            change.execute(&set, params![key(&with), number])?;
            self::unread(change, &with)
        })
    }

    /// Forgets one message; if it waited, it never goes out. Answers it.
    ///
    /// # Errors
    /// [`MemoryError::Nothing`]; see [`MemoryError`].
    pub fn forget_message(&self, number: i64) -> Result<Kept, MemoryError> {
        let forgotten = self.attempt(|change| {
            let Some(kept) = self.one(change, number).optional()? else {
                return Ok(Err(MemoryError::Nothing));
            };
            change.execute("DELETE FROM messages WHERE number = ?1", [number])?;
            Ok(Ok(kept))
        })?;
        self.sweep();
        Ok(forgotten)
    }

    fn one(&self, look: &Connection, number: i64) -> rusqlite::Result<Kept> {
        look.prepare_cached(&format!("{KEPT} WHERE number = ?1"))?.query_row([number], |row| self.kept(row))
    }

    /// A row of [`KEPT`] as a message.
    pub(super) fn kept(&self, row: &Row) -> rusqlite::Result<Kept> {
        let (me, with, mine) = (self.0.me, peer(row, "peer")?, row.get("mine")?);
        let message = ChatMessage {
            id: row.get("id")?,
            from: if mine { me } else { peer(row, "sender")?.unwrap_or(me) },
            to: if mine { with } else { with.map(|_| me) },
            community: row.get("community")?,
            content: row.get("content")?,
            at: when(row, "at")?.unwrap_or_default(),
            delivered: row.get("delivered")?,
        };
        let state = State::of_word(&row.get::<_, String>("state")?).unwrap_or(State::Failed);
        Ok(Kept { message, number: row.get("number")?, state, why: row.get("why")?, until: when(row, "until")? })
    }

    /// `None` if the message is there already; makes room first.
    pub(super) fn insert(
        &self,
        change: &Transaction,
        message: &ChatMessage,
        state: State,
        until: Option<UnixMillis>,
    ) -> rusqlite::Result<Option<i64>> {
        let (key, sender) = (key(&Party::of(message, &self.0.me)), message.from.to_base58());
        // What its sender repeats may be taken for another community's, once they are known by more servers.
        let known = if is_of_many(&key) { KNOWN_AMONG_MANY } else { KNOWN };
        if change.prepare_cached(known)?.exists(params![key, sender, message.id])? {
            return Ok(None);
        }
        let cost = i64::try_from(message.cost()).unwrap_or(i64::MAX);
        room::make(change, &self.0.limits, &key, cost)?;
        change.prepare_cached("INSERT OR IGNORE INTO conversations (peer) VALUES (?1)")?.execute([&key])?;
        let added = "INSERT INTO messages (peer, sender, id, content, at, mine, cost, state, delivered, until, community)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
        let mine = message.from == self.0.me;
        let given = params![
            key,
            sender,
            message.id,
            message.content,
            millis(message.at),
            mine,
            cost,
            state.word(),
            message.delivered,
            until.map(millis),
            message.community
        ];
        change.prepare_cached(added)?.execute(given)?;
        Ok(Some(change.last_insert_rowid()))
    }

    pub(super) fn keep_own(&self, message: &ChatMessage, state: State, until: Option<UnixMillis>) -> Result<Kept, MemoryError> {
        self.attempt(|change| {
            Ok(match self.insert(change, message, state, until)? {
                Some(number) => Ok(self.one(change, number)?),
                None => Err(MemoryError::Nothing),
            })
        })
    }
}

/// How many messages of a conversation its owner has not read.
pub(super) fn unread(look: &Connection, with: &Party) -> rusqlite::Result<u64> {
    let count = "SELECT unread FROM conversations WHERE peer = ?1";
    let unread: Option<i64> = look.prepare_cached(count)?.query_row([key(with)], |row| row.get(0)).optional()?;
    Ok(unread.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
}
