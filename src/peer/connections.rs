//! The open connections of the peer, and which of them can still be trusted to carry anything.
//!
//! TCP does not notice a pulled cable for more than a minute. A connection whose pings stay unanswered for
//! [`SUSPECT_AFTER`] is suspect: it stays open, for the link may only be slow, and the peer is dialled anew beside it. Once a new
//! connection stands, the suspect one is closed, unless its streams still move bytes. Those through relays have rules of their own
//! ([`relayed`]).

use std::collections::HashMap;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

use super::Path;
use crate::clock::Moment;
use crate::p2p::SUSPECT_AFTER;

mod relayed;

pub use relayed::{UNPUNCHED, Usable, Way};

/// One open connection.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its number in the swarm.
    pub id: ConnectionId,
    /// Which way it goes.
    pub way: Way,
    inbound: bool,
    opened: Moment,
    answered: Moment,
    suspect: bool,
    unpunched: bool,
}

/// A connection is settled this long after it was opened.
const SETTLED: Duration = Duration::from_secs(2);
/// A connection that others made and that nobody uses closes after this time.
const UNUSED: Duration = Duration::from_secs(60);
/// Neighbours that dialled us whose idle connections are kept, the oldest first (THREATS 49).
pub const MAX_INBOUND_NEIGHBOURS: usize = 64;
/// Peers that could not be reached are remembered up to this number; above it, nothing new is remembered.
const MAX_UNREACHABLE: usize = 4096;

/// All open connections, by peer (libp2p's limits bound them), and who could not be reached.
#[derive(Debug, Default)]
pub struct Connections {
    open: HashMap<PeerId, Vec<Connection>>,
    unreachable: HashMap<PeerId, String>,
}

impl Connections {
    /// A connection was established.
    pub fn opened(&mut self, peer: PeerId, id: ConnectionId, way: Way, now: Moment) {
        self.unreachable.remove(&peer);
        let connection = Connection { id, way, inbound: false, opened: now, answered: now, suspect: false, unpunched: false };
        self.open.entry(peer).or_default().push(connection);
    }

    /// It was the other side that dialled.
    pub fn came_in(&mut self, peer: &PeerId, id: ConnectionId) {
        let open = self.open.get_mut(peer).into_iter().flatten();
        open.filter(|connection| connection.id == id).for_each(|connection| connection.inbound = true);
    }

    /// Idle connections that others made on this link and that hold places for nothing: those of peers that are no `neighbour`, which
    /// subscribes to presence, and those beyond [`MAX_INBOUND_NEIGHBOURS`].
    pub fn unused(
        &self,
        neighbour: impl Fn(&PeerId) -> bool,
        quiet: impl Fn(&PeerId, ConnectionId) -> Option<Duration>,
        now: Moment,
    ) -> Vec<(PeerId, ConnectionId)> {
        let all = self.open.iter().flat_map(|(peer, open)| open.iter().map(move |connection| (peer, connection)));
        let mut inbound: Vec<_> = all.filter(|(_, connection)| connection.inbound && connection.is_same_link()).collect();
        inbound.sort_unstable_by_key(|(peer, connection)| (!neighbour(peer), connection.opened));
        let kept = inbound.iter().take(MAX_INBOUND_NEIGHBOURS).take_while(|(peer, _)| neighbour(peer)).count();
        let old = inbound.into_iter().skip(kept).filter(|(_, connection)| now.since(connection.opened) >= UNUSED);
        let idle = old.filter(|(peer, connection)| quiet(peer, connection.id).is_none_or(|quiet| quiet >= UNUSED));
        idle.map(|(peer, connection)| (*peer, connection.id)).collect()
    }

    /// A connection closed; true if it was the peer's last.
    pub fn closed(&mut self, peer: &PeerId, id: ConnectionId) -> bool {
        let Some(open) = self.open.get_mut(peer) else { return false };
        open.retain(|connection| connection.id != id);
        let last = open.is_empty();
        if last {
            self.open.remove(peer);
        }
        last
    }

    /// A ping was answered; true if the connection had been suspect.
    pub fn answered(&mut self, peer: &PeerId, id: ConnectionId, now: Moment) -> bool {
        let connection = self.open.get_mut(peer).and_then(|open| open.iter_mut().find(|connection| connection.id == id));
        connection.is_some_and(|connection| {
            connection.answered = now;
            std::mem::replace(&mut connection.suspect, false)
        })
    }

    /// Connections that have not answered within [`SUSPECT_AFTER`], each told once per silence; and with them whether the peer has
    /// none left on this link that answers.
    pub fn new_suspects(&mut self, now: Moment) -> Vec<(PeerId, ConnectionId, bool)> {
        let silent = |connection: &Connection| now.since(connection.answered) >= SUSPECT_AFTER;
        let mut suspects = Vec::new();
        for (peer, open) in &mut self.open {
            let cut_off = open.iter().any(Connection::is_same_link) && open.iter().all(silent);
            for connection in open.iter_mut().filter(|connection| silent(connection) && !connection.suspect) {
                connection.suspect = true;
                suspects.push((*peer, connection.id, cut_off));
            }
        }
        suspects
    }

    /// The suspect connections of `peer`, which a new one makes unnecessary. One on which bytes moved within [`SUSPECT_AFTER`] is
    /// left alone; `quiet` says how long ago that was.
    pub fn superseded(&self, peer: &PeerId, quiet: impl Fn(ConnectionId) -> Option<Duration>) -> Vec<ConnectionId> {
        let suspects = self.of(peer).iter().filter(|connection| connection.suspect);
        suspects.map(|connection| connection.id).filter(|id| is_idle(quiet(*id))).collect()
    }

    /// Connections that two sides made by dialling each other at once, settled and idle: of each peer with a higher id all on this
    /// link but the oldest. The side with the higher id leaves it to the other, so that never both close one each.
    pub fn duplicates(
        &self,
        me: &PeerId,
        quiet: impl Fn(&PeerId, ConnectionId) -> Option<Duration>,
        now: Moment,
    ) -> Vec<(PeerId, ConnectionId)> {
        let ours = self.open.iter().filter(|(peer, open)| open.len() > 1 && me.to_bytes() < peer.to_bytes());
        let surplus = ours.flat_map(|(peer, open)| {
            let healthy = open.iter().filter(|connection| connection.is_same_link() && !connection.suspect);
            healthy.skip(1).map(move |connection| (*peer, connection))
        });
        surplus
            .filter(|(peer, connection)| now.since(connection.opened) >= SETTLED && is_idle(quiet(peer, connection.id)))
            .map(|(peer, connection)| (peer, connection.id))
            .collect()
    }

    /// The connections of one peer; empty if there are none.
    pub fn of(&self, peer: &PeerId) -> &[Connection] {
        self.open.get(peer).map_or(&[], Vec::as_slice)
    }

    /// A peer without a connection could not be reached, and why; forgotten as soon as it is.
    pub fn failed(&mut self, peer: PeerId, why: String) {
        let room = self.unreachable.len() < MAX_UNREACHABLE || self.unreachable.contains_key(&peer);
        if room && !self.open.contains_key(&peer) {
            self.unreachable.insert(peer, why);
        }
    }

    /// How a peer is reached.
    pub fn path(&self, peer: &PeerId) -> Path {
        match self.of(peer) {
            [] if self.unreachable.contains_key(peer) => Path::Unreachable,
            [] => Path::NotTried,
            open if open.iter().any(Connection::is_same_link) => Path::Lan,
            open if !open.iter().all(Connection::is_relayed) => Path::Direct,
            open if open.iter().all(Connection::is_in_vain) => Path::Unreachable,
            _ => Path::Relayed,
        }
    }

    /// Why a peer is unreachable, where it is.
    pub fn reason(&self, peer: &PeerId) -> Option<String> {
        let in_vain = || (!self.of(peer).is_empty() && self.of(peer).iter().all(Connection::is_in_vain)).then(|| UNPUNCHED.to_owned());
        self.unreachable.get(peer).cloned().or_else(in_vain)
    }
}

fn is_idle(quiet: Option<Duration>) -> bool {
    quiet.is_none_or(|quiet| quiet >= SUSPECT_AFTER)
}

#[cfg(test)]
mod tests;
