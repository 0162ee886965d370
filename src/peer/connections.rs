//! The open connections of the peer, and which of them can still be trusted to carry anything.
//!
//! TCP does not notice a pulled cable for more than a minute. A connection whose pings stay unanswered for
//! [`SUSPECT_AFTER`] is suspect: it stays open, for the link may only be slow, and the peer is dialled anew beside it. Once a new
//! connection stands, the suspect one is closed, unless its streams still move bytes.

use std::collections::{HashMap, HashSet};
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
    /// Whether it stays on this link, so that it carries gossip.
    pub same_link: bool,
    answered: Moment,
    suspect: bool,
}

/// Peers that could not be reached are remembered up to this number; above it, nothing new is remembered.
const MAX_UNREACHABLE: usize = 4096;

/// All open connections, by peer (libp2p's limits bound them), and who could not be reached.
#[derive(Debug, Default)]
pub struct Connections {
    open: HashMap<PeerId, Vec<Connection>>,
    unreachable: HashSet<PeerId>,
}

impl Connections {
    /// A connection was established.
    pub fn opened(&mut self, peer: PeerId, id: ConnectionId, same_link: bool, now: Moment) {
        self.unreachable.remove(&peer);
        self.open.entry(peer).or_default().push(Connection { id, same_link, answered: now, suspect: false });
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
            let all_silent = open.iter().all(silent) && open.iter().any(|connection| connection.same_link);
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
        idle.filter(|connection| connection.suspect || (connection.same_link && me.to_bytes() < peer.to_bytes()))
            .map(|connection| connection.id)
            .collect()
    }

    /// The connections of one peer; empty if there are none.
    pub fn of(&self, peer: &PeerId) -> &[Connection] {
        self.open.get(peer).map_or(&[], Vec::as_slice)
    }

    /// A peer without a connection could not be reached; forgotten as soon as it is.
    pub fn failed(&mut self, peer: PeerId) {
        if self.unreachable.len() < MAX_UNREACHABLE && !self.open.contains_key(&peer) {
            self.unreachable.insert(peer);
        }
    }

    /// How a peer is reached.
    pub fn path(&self, peer: &PeerId) -> Path {
        match self.of(peer) {
            [] if self.unreachable.contains(peer) => Path::Unreachable,
            [] => Path::NotTried,
            open if open.iter().any(|connection| connection.same_link) => Path::Lan,
            _ => Path::Direct,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a() -> ConnectionId {
        ConnectionId::new_unchecked(1)
    }

    fn b() -> ConnectionId {
        ConnectionId::new_unchecked(2)
    }

    fn lower_and_higher() -> (PeerId, PeerId) {
        let (one, two) = (PeerId::random(), PeerId::random());
        if one.to_bytes() < two.to_bytes() { (one, two) } else { (two, one) }
    }

    fn one_open(peer: PeerId) -> Connections {
        let mut connections = Connections::default();
        connections.opened(peer, a(), true, Moment::START);
        connections
    }

    #[test]
    fn silence_is_suspected_once_and_forgiven_with_the_next_answer() {
        let peer = PeerId::random();
        let mut connections = one_open(peer);
        assert!(connections.new_suspects(Moment::from_millis(4000)).is_empty());
        assert_eq!(connections.new_suspects(Moment::from_millis(4500)), [peer]);
        assert!(connections.new_suspects(Moment::from_millis(5000)).is_empty(), "told once");
        assert!(connections.answered(&peer, a(), Moment::from_millis(6000)));
        assert!(!connections.answered(&peer, a(), Moment::from_millis(7000)));
        assert_eq!(connections.new_suspects(Moment::from_millis(11_500)), [peer], "a new silence is told again");
    }

    #[test]
    fn a_new_connection_replaces_a_suspect_one_whoever_is_lower() {
        let (lower, higher) = lower_and_higher();
        for (me, peer) in [(lower, higher), (higher, lower)] {
            let mut connections = one_open(peer);
            connections.new_suspects(Moment::from_millis(5000));
            connections.opened(peer, b(), true, Moment::from_millis(5000));
            assert_eq!(connections.superseded(&me, &peer, b(), |_| None), [a()]);
        }
    }

    #[test]
    fn a_connection_that_moves_bytes_is_never_closed() {
        let peer = PeerId::random();
        let mut connections = one_open(peer);
        connections.new_suspects(Moment::from_millis(5000));
        connections.opened(peer, b(), true, Moment::from_millis(5000));
        assert!(connections.superseded(&PeerId::random(), &peer, b(), |_| Some(Duration::from_secs(1))).is_empty());
    }

    #[test]
    fn of_two_simultaneous_connections_both_sides_keep_the_same() {
        let (lower, higher) = lower_and_higher();
        let both = |peer| {
            let mut connections = one_open(peer);
            connections.opened(peer, b(), true, Moment::START);
            connections
        };
        assert_eq!(both(higher).superseded(&lower, &higher, b(), |_| None), [a()]);
        assert!(both(lower).superseded(&higher, &lower, b(), |_| None).is_empty());
    }
}
