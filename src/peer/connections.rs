//! The open connections of the peer, and which of them can still be trusted to carry anything.
//!
//! TCP does not notice a pulled cable for more than a minute. A connection whose pings stay unanswered for
//! [`SUSPECT_AFTER`] is suspect: it stays open, for the link may only be slow, and the peer is dialled anew beside it. Once a new
//! connection stands, the suspect one is closed, unless its streams still move bytes.
//!
//! A connection through a relay is a beginning: both sides try to make a direct one (punching). Streams wait a moment for that;
//! after it they go through the relay, where it carries data, or the peer counts as unreachable.

use std::collections::HashMap;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

use super::Path;
use crate::clock::Moment;
use crate::p2p::SUSPECT_AFTER;

/// One open connection.
#[derive(Debug, Clone)]
pub struct Connection {
    /// Its number in the swarm.
    pub id: ConnectionId,
    /// Which way it goes.
    pub way: Way,
    opened: Moment,
    answered: Moment,
    suspect: bool,
    unpunched: bool,
}

/// Which way a connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It stays on this link, so that it carries gossip.
    SameLink,
    /// Across networks.
    Direct,
    /// Through a relay.
    Relayed {
        /// Whether streams may go through it.
        carries: bool,
    },
}

/// Whether streams to a peer can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usable {
    /// They can.
    Yes,
    /// A direct connection may come about any moment.
    Soon,
    /// There is no connection.
    No,
    /// There is one through a relay, which carries no streams, and none that is direct came about.
    Never,
}

/// How long streams wait for a direct connection before they go through a relay.
const PUNCH_HEAD_START: Duration = Duration::from_millis(1500);
/// A direct connection that has not come about after this long does not come about: DCUtR tries three times, and each lost try
/// takes about five seconds, of which the first decides in nearly all cases.
const PUNCH_PATIENCE: Duration = Duration::from_secs(6);
/// A relayed connection whose streams have rested this long beside a direct one closes. Streams in flight are not cut.
const RELAYED_LINGERS: Duration = Duration::from_secs(10);
/// A relayed connection without a direct one beside it closes after this rest: it takes a place on the relay.
const RELAYED_RESTS: Duration = Duration::from_secs(60);
/// What is said of a peer whose relayed connection may not be used.
pub const UNPUNCHED: &str = "no direct connection came about, and no relay may carry the data";

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
        let connection = Connection { id, way, opened: now, answered: now, suspect: false, unpunched: false };
        self.open.entry(peer).or_default().push(connection);
    }

    /// No direct connection to `peer` comes about.
    pub fn unpunched(&mut self, peer: &PeerId) {
        self.open.get_mut(peer).into_iter().flatten().for_each(|connection| connection.unpunched = true);
    }

    /// Whether streams to `peer` can be opened.
    pub fn usable(&self, peer: &PeerId, now: Moment) -> Usable {
        self.of(peer).iter().map(|connection| connection.usable(now)).min_by_key(|usable| *usable as u8).unwrap_or(Usable::No)
    }

    /// The relayed connections that are not needed any more. `busy` says how long ago bytes moved on a connection.
    pub fn spent_relayed(&self, busy: impl Fn(&PeerId, ConnectionId) -> Option<Duration>, now: Moment) -> Vec<ConnectionId> {
        let of_peer = |(peer, open): (&PeerId, &Vec<Connection>)| {
            let lingers = if open.iter().any(|connection| !connection.is_relayed()) { RELAYED_LINGERS } else { RELAYED_RESTS };
            let rested = |connection: &Connection| {
                let age = now.since(connection.opened);
                busy(peer, connection.id).unwrap_or(age).min(age) >= lingers
            };
            let spent = open.iter().filter(|connection| connection.is_relayed() && rested(connection));
            spent.map(|connection| connection.id).collect::<Vec<_>>()
        };
        self.open.iter().flat_map(of_peer).collect()
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

    /// Same-link peers none of whose connections has answered within [`SUSPECT_AFTER`]; each is told once per silence.
    pub fn new_suspects(&mut self, now: Moment) -> Vec<PeerId> {
        let silent = |connection: &Connection| now.since(connection.answered) >= SUSPECT_AFTER;
        let mut suspects = Vec::new();
        for (peer, open) in &mut self.open {
            let all_silent = open.iter().all(silent) && open.iter().any(Connection::is_same_link);
            let newly = open.iter().any(|connection| silent(connection) && !connection.suspect);
            open.iter_mut().filter(|connection| silent(connection)).for_each(|connection| connection.suspect = true);
            if all_silent && newly {
                suspects.push(*peer);
            }
        }
        suspects
    }

    /// The connections of `peer` that `newest` makes unnecessary: suspect ones always, and healthy ones on the same link where the
    /// two sides dialled each other at once; of those the side with the lower id closes the older, so that both keep the same one.
    /// `busy` says how long ago bytes moved on a connection; one that moved some within [`SUSPECT_AFTER`] is left alone.
    pub fn superseded(
        &self,
        me: &PeerId,
        peer: &PeerId,
        newest: ConnectionId,
        busy: impl Fn(ConnectionId) -> Option<Duration>,
    ) -> Vec<ConnectionId> {
        let others = self.open.get(peer).into_iter().flatten().filter(|connection| connection.id != newest);
        let idle = others.filter(|connection| busy(connection.id).is_none_or(|quiet| quiet >= SUSPECT_AFTER));
        idle.filter(|connection| connection.suspect || (connection.is_same_link() && me.to_bytes() < peer.to_bytes()))
            .map(|connection| connection.id)
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
    pub fn path(&self, peer: &PeerId, now: Moment) -> Path {
        match self.of(peer) {
            [] if self.unreachable.contains_key(peer) => Path::Unreachable,
            [] => Path::NotTried,
            open if open.iter().any(Connection::is_same_link) => Path::Lan,
            open if !open.iter().all(Connection::is_relayed) => Path::Direct,
            _ if self.usable(peer, now) == Usable::Never => Path::Unreachable,
            _ => Path::Relayed,
        }
    }

    /// Why a peer is unreachable, where it is.
    pub fn reason(&self, peer: &PeerId, now: Moment) -> Option<String> {
        let refused = || (self.usable(peer, now) == Usable::Never).then(|| UNPUNCHED.to_owned());
        self.unreachable.get(peer).cloned().or_else(refused)
    }
}

impl Connection {
    /// Whether it stays on this link.
    pub fn is_same_link(&self) -> bool {
        self.way == Way::SameLink
    }

    fn is_relayed(&self) -> bool {
        matches!(self.way, Way::Relayed { .. })
    }

    fn usable(&self, now: Moment) -> Usable {
        let waited = if self.unpunched { Duration::MAX } else { now.since(self.opened) };
        match self.way {
            Way::SameLink | Way::Direct => Usable::Yes,
            Way::Relayed { carries: true } if waited >= PUNCH_HEAD_START => Usable::Yes,
            Way::Relayed { carries: false } if waited >= PUNCH_PATIENCE => Usable::Never,
            Way::Relayed { .. } => Usable::Soon,
        }
    }
}

#[cfg(test)]
mod tests;
