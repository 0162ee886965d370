//! Files on their way: bounded in number, each step as `proto::transfer` allows it.

use libp2p::PeerId;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::{Memory, MemoryError, all, peer};
use crate::clock::UnixMillis;
use crate::db::{millis, when};
use crate::proto::transfer::{
    Direction, LASTS, MAX_CLOSED, MAX_CLOSED_OF_STRANGERS, MAX_OFFERS_OF_A_PEER, MAX_OFFERS_OF_A_STRANGER, MAX_OFFERS_OF_STRANGERS,
    MAX_OPEN, Offer, State, Step,
};

const TABLE: &str = "SELECT number, peer, id, incoming, name, size, mime, hash, state, why, at, until, place, tell FROM transfers";

/// Forgets the oldest that ended: of strangers' offers that came to nothing, or of all others.
const OLDEST: &str = "DELETE FROM transfers WHERE open = 0 AND (known = 0 AND state <> 'done') = ?1 AND number <=
    (SELECT number FROM transfers WHERE open = 0 AND (known = 0 AND state <> 'done') = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)";

/// A file on its way, or how it went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Transfer {
    /// Its number here; none is used twice.
    pub number: i64,
    /// With whom.
    #[serde(serialize_with = "peer_text")]
    pub peer: PeerId,
    /// Which way.
    pub direction: Direction,
    /// What it is; the name is safe.
    #[serde(flatten)]
    pub offer: Offer,
    /// How it stands.
    pub state: State,
    /// Why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// When it was offered.
    pub at: UnixMillis,
    /// How long it waits.
    pub until: UnixMillis,
    /// Of a received file, its name in the downloads; of a linked one, its path on our site; else where its bytes are kept.
    #[serde(skip)]
    pub place: Option<String>,
    /// The other side does not know yet how it ended.
    #[serde(skip)]
    pub tell: bool,
}

fn peer_text<S: serde::Serializer>(peer: &PeerId, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(peer)
}

/// What a step brings with it; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Why, for people.
    pub why: Option<String>,
    /// Where the file is now.
    pub place: Option<String>,
    /// Whether the other side must still be told.
    pub tell: bool,
}

impl Memory {
    /// Notes an offer that came in, of a peer that the owner knows or not. One that is there already is answered as it stands, with `false`.
    ///
    /// # Errors
    /// [`MemoryError::TooMany`]; see [`MemoryError`].
    pub fn offered(&self, peer: PeerId, offer: &Offer, known: bool, now: UnixMillis) -> Result<(Transfer, bool), MemoryError> {
        self.attempt(|change| {
            if let Some(there) = of_offer(change, &peer, &offer.id, Direction::In)? {
                return Ok(Ok((there, false)));
            }
            if let Err(full) = room_for_an_offer(change, &peer, known)? {
                return Ok(Err(full));
            }
            Ok(add(change, peer, offer, Direction::In, known, None, now)?.map(|transfer| (transfer, true)))
        })
    }

    /// Notes a file that the owner wants to send, whose bytes are kept at `place`.
    ///
    /// # Errors
    /// [`MemoryError::TooMany`]; see [`MemoryError`].
    pub fn to_send(&self, peer: PeerId, offer: &Offer, place: &str, now: UnixMillis) -> Result<Transfer, MemoryError> {
        self.attempt(|change| add(change, peer, offer, Direction::Out, true, Some(place), now))
    }

    /// Takes a step; `None` where it cannot be taken.
    ///
    /// # Errors
    /// [`MemoryError::Nothing`]; see [`MemoryError`].
    pub fn take_step(&self, number: i64, step: Step, outcome: &Outcome) -> Result<Option<Transfer>, MemoryError> {
        let set = "UPDATE transfers SET state = ?2, open = ?3, why = ?4, place = coalesce(?5, place), tell = ?6 WHERE number = ?1";
        self.attempt(|change| {
            let Some(transfer) = find(change, number)? else { return Ok(Err(MemoryError::Nothing)) };
            let Some(state) = transfer.state.after(transfer.direction, step) else { return Ok(Ok(None)) };
            let Outcome { why, place, tell } = outcome;
            change.execute(set, params![number, state.word(), state.is_open(), why, place, tell])?;
            Ok(Ok(find(change, number)?))
        })
    }

    /// A file that came whole gets this name next.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn promise_name(&self, number: i64, name: &str) -> Result<(), MemoryError> {
        self.write(|change| change.execute("UPDATE transfers SET place = ?2 WHERE number = ?1", params![number, name]).map(drop))
    }

    /// The other side knows how a transfer ended, or is not told any more.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn was_told(&self, number: i64) -> Result<(), MemoryError> {
        self.write(|change| change.execute("UPDATE transfers SET tell = 0 WHERE number = ?1", [number]).map(drop))
    }

    /// One transfer.
    ///
    /// # Errors
    /// [`MemoryError::Nothing`]; see [`MemoryError`].
    pub fn transfer(&self, number: i64) -> Result<Transfer, MemoryError> {
        self.read(|look| find(look, number))?.ok_or(MemoryError::Nothing)
    }

    /// The transfer of this offer.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn transfer_of(&self, peer: &PeerId, id: &str, direction: Direction) -> Result<Option<Transfer>, MemoryError> {
        self.read(|look| of_offer(look, peer, id, direction))
    }

    /// All transfers, the newest first.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn transfers(&self) -> Result<Vec<Transfer>, MemoryError> {
        self.list(&format!("{TABLE} ORDER BY number DESC"))
    }

    /// Those that have not ended, or of whose end the other side does not know; the oldest first.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn transfers_under_way(&self) -> Result<Vec<Transfer>, MemoryError> {
        self.list(&format!("{TABLE} WHERE open = 1 OR tell = 1 ORDER BY number"))
    }

    /// Forgets a transfer that has ended. Answers it.
    ///
    /// # Errors
    /// [`MemoryError::Nothing`] where there is none, or it goes on; see [`MemoryError`].
    pub fn forget_transfer(&self, number: i64) -> Result<Transfer, MemoryError> {
        self.attempt(|change| {
            let ended = find(change, number)?.filter(|transfer| !transfer.state.is_open());
            let Some(transfer) = ended else { return Ok(Err(MemoryError::Nothing)) };
            change.execute("DELETE FROM transfers WHERE number = ?1", [number])?;
            Ok(Ok(transfer))
        })
    }

    fn list(&self, query: &str) -> Result<Vec<Transfer>, MemoryError> {
        Ok(self.read(|look| all(look, query, [], transfer))?.into_iter().flatten().collect())
    }
}

fn add(
    change: &Transaction,
    peer: PeerId,
    offer: &Offer,
    direction: Direction,
    known: bool,
    place: Option<&str>,
    now: UnixMillis,
) -> rusqlite::Result<Result<Transfer, MemoryError>> {
    let open: u32 = change.query_row("SELECT count(*) FROM transfers WHERE open = 1", [], |row| row.get(0))?;
    if open >= MAX_OPEN {
        return Ok(Err(MemoryError::TooMany { what: "transfers", most: MAX_OPEN }));
    }
    for (came_to_nothing, most) in [(false, MAX_CLOSED), (true, MAX_CLOSED_OF_STRANGERS)] {
        change.execute(OLDEST, params![came_to_nothing, most])?;
    }
    let (incoming, state) = if direction == Direction::In { (true, State::Offered) } else { (false, State::Waiting) };
    let until = UnixMillis(now.0.saturating_add(u64::try_from(LASTS.as_millis()).unwrap_or(u64::MAX)));
    let added = "INSERT INTO transfers (peer, id, incoming, name, size, mime, hash, known, state, open, at, until, place)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?11, ?12)";
    let Offer { id, name, size, mime, hash } = offer;
    let size = i64::try_from(*size).unwrap_or(i64::MAX);
    let given = params![peer.to_base58(), id, incoming, name, size, mime, hash, known, state.word(), millis(now), millis(until), place];
    change.execute(added, given)?;
    Ok(find(change, change.last_insert_rowid())?.ok_or(MemoryError::Nothing))
}

/// THREATS 42, 49: what strangers want decided is bounded for each and for all of them.
fn room_for_an_offer(look: &Transaction, peer: &PeerId, known: bool) -> rusqlite::Result<Result<(), MemoryError>> {
    let count = "SELECT coalesce(sum(peer = ?1), 0), coalesce(sum(known = 0), 0) FROM transfers WHERE incoming = 1 AND state = 'offered'";
    let (theirs, of_strangers): (u32, u32) = look.query_row(count, [peer.to_base58()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let most = if known { MAX_OFFERS_OF_A_PEER } else { MAX_OFFERS_OF_A_STRANGER };
    Ok(match () {
        () if theirs >= most => Err(MemoryError::TooMany { what: "offers", most }),
        () if !known && of_strangers >= MAX_OFFERS_OF_STRANGERS => {
            Err(MemoryError::TooMany { what: "offers", most: MAX_OFFERS_OF_STRANGERS })
        }
        () => Ok(()),
    })
}

fn find(look: &Connection, number: i64) -> rusqlite::Result<Option<Transfer>> {
    Ok(look.query_row(&format!("{TABLE} WHERE number = ?1"), [number], transfer).optional()?.flatten())
}

fn of_offer(look: &Connection, peer: &PeerId, id: &str, direction: Direction) -> rusqlite::Result<Option<Transfer>> {
    let query = format!("{TABLE} WHERE peer = ?1 AND id = ?2 AND incoming = ?3");
    Ok(look.query_row(&query, params![peer.to_base58(), id, direction == Direction::In], transfer).optional()?.flatten())
}

fn transfer(row: &Row) -> rusqlite::Result<Option<Transfer>> {
    let Some(peer) = peer(row, "peer")? else { return Ok(None) };
    let size = u64::try_from(row.get::<_, i64>("size")?).unwrap_or(0);
    let offer = Offer { id: row.get("id")?, name: row.get("name")?, size, mime: row.get("mime")?, hash: row.get("hash")? };
    Ok(Some(Transfer {
        number: row.get("number")?,
        peer,
        direction: if row.get("incoming")? { Direction::In } else { Direction::Out },
        offer,
        state: State::of_word(&row.get::<_, String>("state")?).unwrap_or(State::Failed),
        why: row.get("why")?,
        at: when(row, "at")?.unwrap_or_default(),
        until: when(row, "until")?.unwrap_or_default(),
        place: row.get("place")?,
        tell: row.get("tell")?,
    }))
}
