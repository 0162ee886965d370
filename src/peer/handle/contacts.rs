//! Whom the owner keeps, mutes or blocks.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use libp2p::PeerId;

use super::PeerHandle;
use crate::peer::memory::{Contact, ContactChange, MemoryError, Seen};
use crate::peer::{Command, PeerEvent, PeerRow};

/// Why a message to a peer failed that was blocked meanwhile.
const BLOCKED: &str = "you blocked this peer";

impl PeerHandle {
    /// Everybody about whom something was decided.
    pub fn contacts(&self) -> Arc<HashMap<PeerId, Contact>> {
        self.memory().contacts()
    }

    /// Decides something about a peer, which holds at once: a blocked one is cut off. Answers what holds then.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub async fn decide(&self, peer: PeerId, change: ContactChange) -> Result<Contact, MemoryError> {
        let seen = self.peers().await.into_iter().find(|row| row.peer_id == peer).map(|row| seen(&row));
        let contact = self.memory().ask(move |memory| {
            let contact = memory.decide(peer, change)?;
            let noted = seen.map_or(Ok(false), |seen| memory.note_seen(&peer, &seen))?;
            Ok(if noted { memory.contact(&peer) } else { contact })
        });
        let contact = contact.await?;
        let _ = self.commands.send(Command::Block { peer, blocked: contact.blocked }).await;
        if contact.blocked {
            let given_up = self.memory().ask(move |memory| memory.give_up_on(peer, BLOCKED)).await?;
            self.files.cancel_all(&peer).await?;
            given_up.into_iter().for_each(|message| self.talk.tell(PeerEvent::Settled { message }));
        }
        self.talk.tell(PeerEvent::Contact { contact: contact.clone() });
        Ok(contact)
    }

    /// The picture that a contact had when it was last seen.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub async fn kept_avatar(&self, peer: PeerId) -> Result<Option<Bytes>, MemoryError> {
        self.memory().ask(move |memory| memory.avatar(&peer)).await
    }
}

/// What is noted of a row.
pub(in crate::peer) fn seen(row: &PeerRow) -> Seen {
    Seen { label: row.label.clone(), avatar_hash: row.avatar_hash.clone(), addrs: row.addrs.clone(), at: row.last_seen }
}
