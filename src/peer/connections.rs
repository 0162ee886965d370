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
        connections.opened(peer, a(), Way::SameLink, Moment::START);
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
            connections.opened(peer, b(), Way::SameLink, Moment::from_millis(5000));
            assert_eq!(connections.superseded(&me, &peer, b(), |_| None), [a()]);
        }
    }

    #[test]
    fn a_connection_that_moves_bytes_is_never_closed() {
        let peer = PeerId::random();
        let mut connections = one_open(peer);
        connections.new_suspects(Moment::from_millis(5000));
        connections.opened(peer, b(), Way::SameLink, Moment::from_millis(5000));
        assert!(connections.superseded(&PeerId::random(), &peer, b(), |_| Some(Duration::from_secs(1))).is_empty());
    }

    #[test]
    fn of_two_simultaneous_connections_both_sides_keep_the_same() {
        let (lower, higher) = lower_and_higher();
        let both = |peer| {
            let mut connections = one_open(peer);
            connections.opened(peer, b(), Way::SameLink, Moment::START);
            connections
        };
        assert_eq!(both(higher).superseded(&lower, &higher, b(), |_| None), [a()]);
        assert!(both(lower).superseded(&higher, &lower, b(), |_| None).is_empty());
    }

    const CARRIES: Way = Way::Relayed { carries: true };
    const SILENT: Way = Way::Relayed { carries: false };

    fn after(millis: u64) -> Moment {
        Moment::START + Duration::from_millis(millis)
    }

    fn relayed(way: Way) -> (PeerId, Connections) {
        let (peer, mut connections) = (PeerId::random(), Connections::default());
        connections.opened(peer, a(), way, Moment::START);
        (peer, connections)
    }

    #[test]
    fn streams_wait_a_moment_for_punching_and_then_go_through_the_relay() {
        let (peer, mut connections) = relayed(CARRIES);
        assert_eq!(connections.usable(&peer, after(1000)), Usable::Soon);
        assert_eq!(connections.usable(&peer, after(1500)), Usable::Yes);
        assert_eq!(connections.path(&peer, after(1500)), Path::Relayed);
        connections.unpunched(&peer);
        assert_eq!(connections.usable(&peer, after(100)), Usable::Yes, "punching failed: there is nothing to wait for");
        connections.opened(peer, b(), Way::Direct, after(2000));
        assert_eq!((connections.usable(&peer, after(2000)), connections.path(&peer, after(2000))), (Usable::Yes, Path::Direct));
    }

    #[test]
    fn a_peer_behind_a_relay_that_carries_nothing_is_unreachable_and_says_why() {
        let (peer, mut connections) = relayed(SILENT);
        assert_eq!((connections.usable(&peer, after(5999)), connections.reason(&peer, after(5999))), (Usable::Soon, None));
        assert_eq!((connections.usable(&peer, after(6000)), connections.path(&peer, after(6000))), (Usable::Never, Path::Unreachable));
        assert_eq!(connections.reason(&peer, after(6000)).as_deref(), Some(UNPUNCHED));
        connections.unpunched(&peer);
        assert_eq!(connections.path(&peer, after(100)), Path::Unreachable);
        connections.opened(peer, b(), Way::Direct, after(7000));
        assert_eq!((connections.path(&peer, after(7000)), connections.reason(&peer, after(7000))), (Path::Direct, None));
    }

    #[test]
    fn a_relayed_connection_leaves_once_it_rests_beside_a_direct_one() {
        let (peer, mut connections) = relayed(CARRIES);
        connections.opened(peer, b(), Way::Direct, after(100));
        let spent = |busy: Option<u64>, at| connections.spent_relayed(|_, _| busy.map(Duration::from_millis), after(at));
        assert_eq!(spent(None, 9999), [], "streams may still begin on it");
        assert_eq!(spent(Some(5000), 60_000), [], "a stream moves bytes");
        assert_eq!(spent(Some(10_000), 60_000), [a()]);
        assert_eq!(spent(None, 10_000), [a()]);
    }

    #[test]
    fn a_relayed_connection_that_rests_alone_gives_its_place_back_later() {
        let (_, connections) = relayed(CARRIES);
        assert_eq!(connections.spent_relayed(|_, _| None, after(59_999)), []);
        assert_eq!(connections.spent_relayed(|_, _| None, after(60_000)), [a()]);
    }
}
