//! Connections through relays. Each is a beginning: both sides try to make a direct one (punching). Streams wait a moment for that;
//! after it they go through the relay, where it carries data, or the peer counts as unreachable.

use std::time::Duration;

use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

use super::{Connection, Connections};
use crate::clock::Moment;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Usable {
    /// They can.
    Yes,
    /// A direct connection may come about any moment.
    Soon,
    /// There is one through a relay, which carries no streams, and none that is direct came about.
    Never,
    /// There is no connection.
    No,
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

impl Connections {
    /// No direct connection to `peer` comes about.
    pub fn unpunched(&mut self, peer: &PeerId) {
        self.open.get_mut(peer).into_iter().flatten().for_each(|connection| connection.unpunched = true);
    }

    /// Whose relayed connection has waited too long for a direct one; each is told once.
    pub fn newly_unpunched(&mut self, now: Moment) -> Vec<PeerId> {
        let mut peers = Vec::new();
        for (peer, open) in &mut self.open {
            let waits = |connection: &&mut Connection| connection.is_relayed() && !connection.unpunched;
            for connection in open.iter_mut().filter(waits).filter(|connection| now.since(connection.opened) >= PUNCH_PATIENCE) {
                connection.unpunched = true;
                peers.push(*peer);
            }
        }
        peers
    }

    /// Whether streams to `peer` can be opened.
    pub fn usable(&self, peer: &PeerId, now: Moment) -> Usable {
        self.of(peer).iter().map(|connection| connection.usable(now)).min().unwrap_or(Usable::No)
    }

    /// All connections through relays.
    pub fn relayed(&self) -> impl Iterator<Item = (&PeerId, ConnectionId)> {
        let all = self.open.iter().flat_map(|(peer, open)| open.iter().map(move |connection| (peer, connection)));
        all.filter(|(_, connection)| connection.is_relayed()).map(|(peer, connection)| (peer, connection.id))
    }

    /// The relayed connections that are not needed any more. `quiet` says how long ago bytes moved on a connection.
    pub fn spent_relayed(&self, quiet: impl Fn(&PeerId, ConnectionId) -> Option<Duration>, now: Moment) -> Vec<ConnectionId> {
        let of_peer = |(peer, open): (&PeerId, &Vec<Connection>)| {
            let lingers = if open.iter().any(|connection| !connection.is_relayed()) { RELAYED_LINGERS } else { RELAYED_RESTS };
            let rested = |connection: &Connection| {
                let age = now.since(connection.opened);
                quiet(peer, connection.id).unwrap_or(age).min(age) >= lingers
            };
            let spent = open.iter().filter(|connection| connection.is_relayed() && rested(connection));
            spent.map(|connection| connection.id).collect::<Vec<_>>()
        };
        self.open.iter().flat_map(of_peer).collect()
    }
}

impl Connection {
    /// Whether it stays on this link.
    pub fn is_same_link(&self) -> bool {
        self.way == Way::SameLink
    }

    pub(super) fn is_relayed(&self) -> bool {
        matches!(self.way, Way::Relayed { .. })
    }

    /// Whether it carries no streams, and no direct one comes of it.
    pub(super) fn is_in_vain(&self) -> bool {
        self.way == Way::Relayed { carries: false } && self.unpunched
    }

    fn usable(&self, now: Moment) -> Usable {
        let waited = now.since(self.opened) >= PUNCH_HEAD_START;
        match self.way {
            Way::SameLink | Way::Direct => Usable::Yes,
            Way::Relayed { carries: true } if waited || self.unpunched => Usable::Yes,
            Way::Relayed { carries: false } if self.unpunched => Usable::Never,
            Way::Relayed { .. } => Usable::Soon,
        }
    }
}

#[cfg(test)]
mod tests;
