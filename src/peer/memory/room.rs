//! Room for one more message, within [`Limits`]: what leaves first, and what never does.

use rusqlite::{OptionalExtension, Transaction, params};

use super::is_of_many;
use crate::proto::chat::Limits;

const OLDEST: &str = "SELECT number FROM messages WHERE peer = ?1 AND state NOT IN ('waiting', 'sending') ORDER BY number LIMIT 1";
/// Of the messages to many, the oldest of whoever has most bytes, so that one who floods flushes only themselves.
const OLDEST_OF_THE_LOUDEST: &str = "SELECT number FROM messages WHERE peer = ?1 AND state NOT IN ('waiting', 'sending') AND sender =
    (SELECT sender FROM messages WHERE peer = ?1 GROUP BY sender ORDER BY sum(cost) DESC, min(number) LIMIT 1) ORDER BY number LIMIT 1";
/// A conversation in which nothing waits; favourites, communities and those in which the owner wrote come last.
const QUIETEST: &str = "SELECT c.peer FROM conversations c LEFT JOIN contacts k ON k.peer = c.peer WHERE c.peer NOT IN ('', ?1)
    AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.peer = c.peer AND m.state IN ('waiting', 'sending'))
    ORDER BY coalesce(k.favourite, c.peer LIKE 'in %'), c.mine, c.last LIMIT 1";

/// Makes room for a message of `cost` bytes in the conversation `key`.
pub(super) fn make(change: &Transaction, limits: &Limits, key: &str, cost: i64) -> rusqlite::Result<()> {
    while is_full(change, limits, key, cost)? && forget_oldest(change, key)? {}
    while is_crowded(change, limits, key, cost)? && forget_quietest(change, key)? {}
    Ok(())
}

fn is_full(change: &Transaction, limits: &Limits, key: &str, cost: i64) -> rusqlite::Result<bool> {
    let look = "SELECT messages + 1 > ?2 OR bytes + ?3 > ?4 FROM conversations WHERE peer = ?1";
    let given = params![key, limits.messages, cost, limits.bytes];
    Ok(change.prepare_cached(look)?.query_row(given, |row| row.get(0)).optional()?.unwrap_or(false))
}

fn is_crowded(change: &Transaction, limits: &Limits, key: &str, cost: i64) -> rusqlite::Result<bool> {
    let look = "SELECT count(*) + 1 - coalesce(sum(peer = ?1), 0) > ?2 OR coalesce(sum(bytes), 0) + ?3 > ?4 FROM conversations";
    change.prepare_cached(look)?.query_row(params![key, limits.conversations, cost, limits.all_bytes], |row| row.get(0))
}

fn forget_oldest(change: &Transaction, key: &str) -> rusqlite::Result<bool> {
    let query = if is_of_many(key) { OLDEST_OF_THE_LOUDEST } else { OLDEST };
    let oldest: Option<i64> = change.prepare_cached(query)?.query_row([key], |row| row.get(0)).optional()?;
    match oldest {
        Some(number) => Ok(change.prepare_cached("DELETE FROM messages WHERE number = ?1")?.execute([number])? > 0),
        None => Ok(false),
    }
}

fn forget_quietest(change: &Transaction, but: &str) -> rusqlite::Result<bool> {
    let quietest: Option<String> = change.prepare_cached(QUIETEST)?.query_row([but], |row| row.get(0)).optional()?;
    match quietest {
        Some(peer) => Ok(change.prepare_cached("DELETE FROM conversations WHERE peer = ?1")?.execute([peer])? > 0),
        None => Ok(false),
    }
}
