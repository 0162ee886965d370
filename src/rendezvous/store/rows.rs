//! Rows of the store as values, and the lists that the operator sees.

use std::collections::HashMap;

use libp2p::PeerId;
use rusqlite::{Connection, Row};
use serde::Serialize;

use super::{Store, StoreError};
use crate::clock::UnixMillis;
use crate::db::when;
use crate::proto::community::{Ban, Community, Kind, Member, Register};
use crate::proto::invite::Invitation;

pub(super) const INVITATION: &str = "id, slug, uses, ends, note, revoked";
pub(super) const APPLICATION: &str = "id, slug, peer, message, asked, state";
const MEMBER: &str = "id, slug, peer, joined, note, revoked, digest";

/// Somebody asks for membership.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Application {
    /// Its number.
    pub id: i64,
    /// The community.
    pub slug: String,
    /// The peer that the membership is for, where that was said.
    #[serde(serialize_with = "peer_text")]
    pub peer: Option<PeerId>,
    /// What the applicant says.
    pub message: String,
    /// When.
    pub asked: UnixMillis,
    /// `asked`, `approved`, `declined` or `collected`.
    pub state: String,
}

impl Store {
    /// All invitations.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn invitations(&self) -> Result<Vec<Invitation>, StoreError> {
        self.list(&format!("SELECT {INVITATION} FROM invitations ORDER BY id"), invitation)
    }

    /// All applications.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn applications(&self) -> Result<Vec<Application>, StoreError> {
        self.list(&format!("SELECT {APPLICATION} FROM applications ORDER BY id"), application)
    }

    /// All members.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn members(&self) -> Result<Vec<Member>, StoreError> {
        self.list(&format!("SELECT {MEMBER} FROM members ORDER BY id"), member)
    }

    /// All bans.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn bans(&self) -> Result<Vec<Ban>, StoreError> {
        self.list(BANS, ban)
    }

    fn list<T>(&self, query: &str, of: fn(&Row) -> rusqlite::Result<T>) -> Result<Vec<T>, StoreError> {
        Ok(self.db()?.read(|look| all(look, query, of))?)
    }
}

const BANS: &str = "SELECT id, slug, peer, address, reason, since, ends FROM bans ORDER BY id";

/// Everything that decides who comes in.
pub(super) fn register(look: &Connection) -> rusqlite::Result<Register> {
    let communities = all(look, "SELECT slug, name, kind, created FROM communities", community)?;
    let members = all(look, &format!("SELECT {MEMBER} FROM members"), |row| Ok((row.get(6)?, member(row)?)))?;
    let moves = all(look, "SELECT slug, url FROM moves", |row| {
        let slug: String = row.get(0)?;
        Ok((Some(slug).filter(|slug| !slug.is_empty()), row.get(1)?))
    })?;
    let register = Register::new(communities, members.into_iter().collect::<HashMap<_, _>>(), all(look, BANS, ban)?);
    Ok(register.with_moves(moves.into_iter().collect()))
}

fn all<T>(look: &Connection, query: &str, of: impl Fn(&Row) -> rusqlite::Result<T>) -> rusqlite::Result<Vec<T>> {
    look.prepare(query)?.query_map([], |row| of(row))?.collect()
}

pub(super) fn invitation(row: &Row) -> rusqlite::Result<Invitation> {
    let (ends, uses) = (when(row, 3)?, row.get(2)?);
    Ok(Invitation { id: row.get(0)?, slug: row.get(1)?, uses, ends, note: row.get(4)?, revoked: row.get(5)? })
}

pub(super) fn application(row: &Row) -> rusqlite::Result<Application> {
    let (peer, asked) = (peer(row, 2)?, when(row, 4)?.unwrap_or_default());
    Ok(Application { id: row.get(0)?, slug: row.get(1)?, peer, message: row.get(3)?, asked, state: row.get(5)? })
}

fn member(row: &Row) -> rusqlite::Result<Member> {
    let (peer, joined) = (peer(row, 2)?, when(row, 3)?.unwrap_or_default());
    Ok(Member { id: row.get(0)?, slug: row.get(1)?, peer, joined, note: row.get(4)?, revoked: row.get(5)? })
}

fn community(row: &Row) -> rusqlite::Result<Community> {
    // A word of a newer goop shuts a community rather than opening it.
    let kind = Kind::of_word(&row.get::<_, String>(2)?).unwrap_or(Kind::InviteOnly);
    Ok(Community { slug: row.get(0)?, name: row.get(1)?, kind, created: when(row, 3)?.unwrap_or_default() })
}

fn ban(row: &Row) -> rusqlite::Result<Ban> {
    let address = row.get::<_, Option<String>>(3)?.and_then(|text| text.parse().ok());
    let since = when(row, 5)?.unwrap_or_default();
    Ok(Ban { id: row.get(0)?, slug: row.get(1)?, peer: peer(row, 2)?, address, reason: row.get(4)?, since, ends: when(row, 6)? })
}

fn peer(row: &Row, column: usize) -> rusqlite::Result<Option<PeerId>> {
    Ok(row.get::<_, Option<String>>(column)?.and_then(|text| text.parse().ok()))
}

fn peer_text<S: serde::Serializer>(peer: &Option<PeerId>, to: S) -> Result<S::Ok, S::Error> {
    peer.map(|peer| peer.to_base58()).serialize(to)
}
