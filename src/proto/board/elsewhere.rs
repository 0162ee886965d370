//! What other instances of the same server heard: several processes over one database are one server, and show the same peers.
//!
//! - Whichever message arrived last stands. An older one changes nothing, whenever it becomes known here (THREATS 53).
//! - An instance tells what changes, and an unchanged heartbeat each third of the TTL. So whoever only hears of a peer waits a third
//!   of the TTL longer than its own clock says: as long as the instance lives that heard it, that one knows better, and tells when
//!   the TTL has lapsed. Once it is dead nobody does ([`Board::orphan`]).
//! - What becomes known is told to readers like everything else.

use std::time::Duration;

use libp2p::PeerId;

use super::{Board, Full, Publication};
use crate::clock::{Moment, UnixMillis};

/// When and by whom a message was heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elsewhere {
    /// When it arrived there.
    pub heard: Moment,
    /// When its TTL lapses here.
    pub lapse: Moment,
    /// The instance that heard it.
    pub instance: u64,
    /// Whether that one lives.
    pub lives: bool,
}

/// A peer that fell silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lapsed {
    /// Which one.
    pub peer: PeerId,
    /// When its last message arrived.
    pub heard: Moment,
    /// Whether that was at another instance.
    pub elsewhere: bool,
}

impl Board {
    /// Takes what another instance heard; `false` where that is no news.
    ///
    /// # Errors
    /// [`Full`].
    pub fn learn(&mut self, publication: Publication, by: Elsewhere, now: Moment) -> Result<bool, Full> {
        let (peer, kind) = (publication.message.presence.peer, publication.message.presence.kind);
        let grace = if by.lives { self.rules.ttl / 3 } else { Duration::ZERO };
        // A peer that signs cannot be spoken for, however late.
        let newer = self.rows.get(&peer).is_some_and(|row| row.heard > by.heard && (row.signed || !publication.signed));
        if newer || by.lapse + grace <= now {
            return Ok(false);
        }
        if self.rows.get_mut(&peer).is_some_and(|row| row.heartbeat(&publication, now, by.lapse)) {
            self.pass_on(&peer, kind, now);
        } else {
            self.change(peer, publication, now)?;
        }
        if let Some(row) = self.rows.get_mut(&peer) {
            self.due.remove(&(row.due, peer));
            (row.heard, row.lapse, row.grace, row.elsewhere) = (by.heard, by.lapse, grace, Some(by.instance));
            // Without the grace, which a heartbeat here ends.
            row.due = by.lapse;
            self.due.insert((row.due, peer));
        }
        Ok(true)
    }

    /// Another instance heard a farewell, or found that the TTL lapsed, and had heard nothing since `heard`; `false` where the peer
    /// is not here, or was heard later.
    pub fn forget(&mut self, peer: &PeerId, heard: Moment, at: UnixMillis) -> bool {
        self.rows.get(peer).is_some_and(|row| row.heard <= heard) && self.remove(peer, at)
    }

    /// That instance died: nobody knows better any more when its peers were heard last.
    pub fn orphan(&mut self, instance: u64) {
        for (peer, row) in self.rows.iter_mut().filter(|(_, row)| row.elsewhere == Some(instance) && !row.grace.is_zero()) {
            self.due.remove(&(row.due, *peer));
            row.grace = Duration::ZERO;
            row.due = row.lapses();
            self.due.insert((row.due, *peer));
        }
    }
}

#[cfg(test)]
mod tests;
