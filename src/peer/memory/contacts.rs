//! Whom the owner keeps, mutes or blocks.
//!
//! - A *favourite* stays in the list while it is away, with the name, face and addresses it had; it is dialled, and messages wait for it.
//! - From a *blocked* peer comes nothing: no stream of it is answered and no connection stands. A blocked peer is no favourite.
//! - What a *muted* peer says is kept, and nobody is notified.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use libp2p::{Multiaddr, PeerId};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use super::{Memory, MemoryError, all, peer};
use crate::clock::UnixMillis;
use crate::db::{DbError, millis, when};

/// Favourites; one more is refused.
pub const MAX_FAVOURITES: u32 = 256;
/// Contacts of all kinds; one more is refused.
pub const MAX_CONTACTS: u32 = 4096;
/// Largest picture of a favourite that is kept, in bytes.
pub const MAX_KEPT_AVATAR: usize = 256 * 1024;
/// Addresses of a favourite that are kept.
const MAX_ADDRS: usize = 8;

const TABLE: &str = "SELECT peer, favourite, blocked, muted, label, avatar_hash, addrs, seen FROM contacts";

/// What the owner decided about a peer, and how it was when it was last seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Contact {
    /// Who.
    #[serde(serialize_with = "peer_text")]
    pub peer_id: PeerId,
    /// Kept while away.
    pub favourite: bool,
    /// Nothing comes from there.
    pub blocked: bool,
    /// Kept, without notice.
    pub muted: bool,
    /// The name it had, fit to be shown; empty if it was never seen.
    pub label: String,
    /// The hash of the picture it had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_hash: Option<String>,
    /// When it was last seen; zero if never.
    pub last_seen: UnixMillis,
    /// Where it could be dialled.
    #[serde(skip)]
    pub addrs: Vec<Multiaddr>,
}

impl Contact {
    /// A peer about whom nothing was decided.
    pub fn nobody(peer_id: PeerId) -> Self {
        let (label, addrs, last_seen) = (String::new(), Vec::new(), UnixMillis(0));
        Self { peer_id, favourite: false, blocked: false, muted: false, label, avatar_hash: None, last_seen, addrs }
    }

    fn is_nobody(&self) -> bool {
        !(self.favourite || self.blocked || self.muted)
    }
}

fn peer_text<S: serde::Serializer>(peer: &PeerId, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(peer)
}

/// What changes of a contact; `None` leaves it as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContactChange {
    /// Kept while away; ends a block.
    pub favourite: Option<bool>,
    /// Nothing comes from there; ends being a favourite.
    pub blocked: Option<bool>,
    /// Kept, without notice.
    pub muted: Option<bool>,
}

impl ContactChange {
    fn apply(self, contact: &mut Contact) {
        contact.muted = self.muted.unwrap_or(contact.muted);
        contact.favourite = self.favourite.unwrap_or(contact.favourite);
        contact.blocked = self.blocked.unwrap_or(contact.blocked && self.favourite != Some(true));
        contact.favourite &= !contact.blocked;
    }
}

/// How a contact was when it was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Its name, fit to be shown.
    pub label: String,
    /// The hash of its picture.
    pub avatar_hash: Option<String>,
    /// Where it can be dialled.
    pub addrs: Vec<Multiaddr>,
    /// When.
    pub at: UnixMillis,
}

impl Memory {
    /// All contacts.
    pub fn contacts(&self) -> Arc<HashMap<PeerId, Contact>> {
        self.contact_table()
    }

    /// What was decided about `peer`.
    pub fn contact(&self, peer: &PeerId) -> Contact {
        self.contact_table().get(peer).cloned().unwrap_or_else(|| Contact::nobody(*peer))
    }

    /// Whether nothing of `peer` is wanted.
    pub fn is_blocked(&self, peer: &PeerId) -> bool {
        self.contact_table().get(peer).is_some_and(|contact| contact.blocked)
    }

    /// Whether `peer` is a favourite.
    pub fn is_favourite(&self, peer: &PeerId) -> bool {
        self.contact_table().get(peer).is_some_and(|contact| contact.favourite)
    }

    /// Whether the owner knows `peer`: it is a favourite, or the owner wrote to it.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn knows(&self, peer: &PeerId) -> Result<bool, MemoryError> {
        let wrote = "SELECT 1 FROM conversations WHERE peer = ?1 AND mine = 1";
        Ok(self.is_favourite(peer) || self.read(|look| look.prepare_cached(wrote)?.exists([peer.to_base58()]))?)
    }

    /// Decides something about a peer; answers what holds then.
    ///
    /// # Errors
    /// [`MemoryError::TooMany`]; see [`MemoryError`].
    pub fn decide(&self, peer: PeerId, decision: ContactChange) -> Result<Contact, MemoryError> {
        let decided = self.attempt(|change| {
            let mut contact = find(change, &peer)?.unwrap_or_else(|| Contact::nobody(peer));
            decision.apply(&mut contact);
            if contact.is_nobody() {
                change.execute("DELETE FROM contacts WHERE peer = ?1", [peer.to_base58()])?;
                return Ok(Ok(contact));
            }
            let set = "INSERT INTO contacts (peer, favourite, blocked, muted) VALUES (?1, ?2, ?3, ?4)
                ON CONFLICT (peer) DO UPDATE SET favourite = ?2, blocked = ?3, muted = ?4";
            change.execute(set, params![peer.to_base58(), contact.favourite, contact.blocked, contact.muted])?;
            Ok(bounded(change)?.map(|()| contact))
        })?;
        self.reread_contacts()?;
        Ok(decided)
    }

    /// Notes how a contact is now; others are not noted. Answers whether it is one.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn note_seen(&self, peer: &PeerId, seen: &Seen) -> Result<bool, MemoryError> {
        let set = "UPDATE contacts SET label = ?2, avatar_hash = ?3, avatar = CASE WHEN avatar_hash IS ?3 THEN avatar END,
            addrs = CASE ?4 WHEN '' THEN addrs ELSE ?4 END, seen = ?5 WHERE peer = ?1";
        let addrs = seen.addrs.iter().take(MAX_ADDRS).map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let given = params![peer.to_base58(), seen.label, seen.avatar_hash, addrs, millis(seen.at)];
        let noted = self.write(|change| Ok(change.execute(set, given)? > 0))?;
        self.reread_contacts()?;
        Ok(noted)
    }

    /// Keeps the picture of a contact whose hash is still `hash`; one that is too large is not kept.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn keep_avatar(&self, peer: &PeerId, hash: &str, avatar: &[u8]) -> Result<(), MemoryError> {
        if avatar.len() > MAX_KEPT_AVATAR {
            return Ok(());
        }
        let set = "UPDATE contacts SET avatar = ?3 WHERE peer = ?1 AND avatar_hash = ?2";
        self.write(|change| change.execute(set, params![peer.to_base58(), hash, avatar]).map(drop))
    }

    /// The picture that a contact had, and whether there should be one.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub fn avatar(&self, peer: &PeerId) -> Result<Option<Bytes>, MemoryError> {
        let query = "SELECT avatar FROM contacts WHERE peer = ?1";
        let avatar = self.read(|look| look.query_row(query, [peer.to_base58()], |row| row.get::<_, Option<Vec<u8>>>(0)).optional())?;
        Ok(avatar.flatten().map(Bytes::from))
    }

    pub(super) fn reread_contacts(&self) -> Result<(), DbError> {
        let contacts = self.0.db.read(|look| all(look, TABLE, [], |row| Ok(contact(row)?.map(|contact| (contact.peer_id, contact)))))?;
        let fresh = Arc::new(contacts.into_iter().flatten().collect());
        *self.0.contacts.write().unwrap_or_else(std::sync::PoisonError::into_inner) = fresh;
        Ok(())
    }
}

fn find(look: &Connection, peer: &PeerId) -> rusqlite::Result<Option<Contact>> {
    Ok(look.query_row(&format!("{TABLE} WHERE peer = ?1"), [peer.to_base58()], contact).optional()?.flatten())
}

fn contact(row: &Row) -> rusqlite::Result<Option<Contact>> {
    let Some(peer_id) = peer(row, "peer")? else { return Ok(None) };
    let addrs: String = row.get("addrs")?;
    Ok(Some(Contact {
        peer_id,
        favourite: row.get("favourite")?,
        blocked: row.get("blocked")?,
        muted: row.get("muted")?,
        label: row.get("label")?,
        avatar_hash: row.get("avatar_hash")?,
        last_seen: when(row, "seen")?.unwrap_or_default(),
        addrs: addrs.split(' ').filter_map(|addr| addr.parse().ok()).filter(|addr: &Multiaddr| !addr.is_empty()).collect(),
    }))
}

fn bounded(look: &Transaction) -> rusqlite::Result<Result<(), MemoryError>> {
    let count = "SELECT count(*), sum(favourite) FROM contacts";
    let (all, favourites): (u32, u32) = look.query_row(count, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(match () {
        () if favourites > MAX_FAVOURITES => Err(MemoryError::TooMany { what: "favourites", most: MAX_FAVOURITES }),
        () if all > MAX_CONTACTS => Err(MemoryError::TooMany { what: "contacts", most: MAX_CONTACTS }),
        () => Ok(()),
    })
}
