//! Messages that wait for a favourite who is away: a bounded queue per peer, in the order in which they were written.

use libp2p::PeerId;
use rusqlite::OptionalExtension;

use super::chats::KEPT;
use super::{Memory, MemoryError, all, key, peer};
use crate::clock::UnixMillis;
use crate::db::millis;
use crate::proto::chat::{ChatMessage, Kept, MAX_WAITING, MAX_WAITING_PER_PEER, Party, State, WAITS};

/// Why a message failed that waited for too long.
const EXPIRED: &str = "they did not come back in time";
/// Why a message failed that was on its way when the program ended.
const CUT_OFF: &str = "goop ended before it was sent";

impl Memory {
    /// Keeps a message of the owner that waits for its peer from `message.at` on.
    ///
    /// # Errors
    /// [`MemoryError::TooMany`]; see [`MemoryError`].
    pub fn wait(&self, message: &ChatMessage) -> Result<Kept, MemoryError> {
        let count = "SELECT count(*), coalesce(sum(peer = ?1), 0) FROM messages WHERE state IN ('waiting', 'sending')";
        let (all, here): (u32, u32) =
            self.read(|look| look.prepare_cached(count)?.query_row([key(&message.to.into())], |row| Ok((row.get(0)?, row.get(1)?))))?;
        if all >= MAX_WAITING || here >= MAX_WAITING_PER_PEER {
            let most = if here >= MAX_WAITING_PER_PEER { MAX_WAITING_PER_PEER } else { MAX_WAITING };
            return Err(MemoryError::TooMany { what: "messages waiting", most });
        }
        let waits = u64::try_from(WAITS.as_millis()).unwrap_or(u64::MAX);
        self.keep_own(message, State::Waiting, Some(UnixMillis(message.at.0.saturating_add(waits))))
    }

    /// For whom messages wait.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn waited_for(&self) -> Result<Vec<PeerId>, MemoryError> {
        let query = "SELECT DISTINCT peer FROM messages WHERE state = 'waiting'";
        Ok(self.read(|look| all(look, query, [], |row| peer(row, "peer")))?.into_iter().flatten().collect())
    }

    /// The oldest message that waits for `peer`.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn next_waiting(&self, peer: PeerId) -> Result<Option<Kept>, MemoryError> {
        let query = format!("{KEPT} WHERE peer = ?1 AND state = 'waiting' ORDER BY number LIMIT 1");
        self.read(|look| look.prepare_cached(&query)?.query_row([key(&Party::Peer(peer))], |row| self.kept(row)).optional())
    }

    /// Gives up what has waited for too long at `now`; answers it.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn give_up_late(&self, now: UnixMillis) -> Result<Vec<Kept>, MemoryError> {
        self.give_up("state = 'waiting' AND until <= ?1", millis(now), EXPIRED)
    }

    /// Gives up what waits for `peer`, for the reason `why`; answers it.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn give_up_on(&self, peer: PeerId, why: &str) -> Result<Vec<Kept>, MemoryError> {
        self.give_up("state = 'waiting' AND peer = ?1", key(&Party::Peer(peer)), why)
    }

    /// What was on its way when the program ended was not sent.
    pub(super) fn resume(&self) -> Result<(), crate::db::DbError> {
        let cut_off = "UPDATE messages SET state = 'failed', why = ?1 WHERE state = 'sending'";
        self.0.db.write(|change| change.execute(cut_off, [CUT_OFF]).map(drop))
    }

    fn give_up(&self, which: &str, given: impl rusqlite::ToSql, why: &str) -> Result<Vec<Kept>, MemoryError> {
        let late = self.read(|look| all(look, &format!("{KEPT} WHERE {which} ORDER BY number"), [&given], |row| self.kept(row)))?;
        let mut given_up = Vec::with_capacity(late.len());
        for message in late {
            given_up.extend(self.settle(message.number, State::Failed, Some(why), 0)?);
        }
        Ok(given_up)
    }
}
