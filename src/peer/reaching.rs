//! Peers that somebody waits for, and by which ways they are being dialled.
//!
//! The direct addresses go first; the ways through relays follow when those failed, or after a moment. Only when every way has
//! failed is the peer given up.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use libp2p::swarm::ConnectionId;
use libp2p::{Multiaddr, PeerId};

use super::openings::PATIENCE;
use crate::clock::Moment;

/// Peers that are being reached at the same time; another one gets no way through relays.
const MAX_PEERS: usize = 256;
/// How long the direct addresses have for themselves. The same time is left to a relay to say how it sees us, which punching needs.
const HEAD_START: Duration = Duration::from_secs(1);

#[derive(Debug)]
struct Attempt {
    since: Moment,
    dials: HashSet<ConnectionId>,
    circuits: Vec<Multiaddr>,
}

/// All that are being reached.
#[derive(Debug, Default)]
pub struct Reaching(HashMap<PeerId, Attempt>);

impl Reaching {
    /// Somebody wants `peer`; `circuits` are tried after the direct addresses.
    pub fn begin(&mut self, peer: PeerId, circuits: Vec<Multiaddr>, now: Moment) {
        if self.0.len() < MAX_PEERS || self.0.contains_key(&peer) {
            self.0.entry(peer).or_insert(Attempt { since: now, dials: HashSet::new(), circuits });
        }
    }

    /// A dial to `peer` is under way.
    pub fn dialled(&mut self, peer: &PeerId, dial: ConnectionId) {
        if let Some(attempt) = self.0.get_mut(peer) {
            attempt.dials.insert(dial);
        }
    }

    /// A dial to `peer` failed; true if no way is left.
    pub fn failed(&mut self, peer: &PeerId, dial: ConnectionId) -> bool {
        let Some(attempt) = self.0.get_mut(peer) else { return true };
        attempt.dials.remove(&dial);
        let over = attempt.dials.is_empty() && attempt.circuits.is_empty();
        if over {
            self.0.remove(peer);
        }
        over
    }

    /// `peer` is connected.
    pub fn done(&mut self, peer: &PeerId) {
        self.0.remove(peer);
    }

    /// Whose ways through relays shall be dialled now. With `ready`, that of a peer all of whose direct dials failed; it says
    /// whether the relay told how it sees us.
    pub fn due(&mut self, ready: impl Fn(&Multiaddr) -> bool, now: Moment) -> Vec<(PeerId, Vec<Multiaddr>)> {
        self.0.retain(|_, attempt| now.since(attempt.since) < PATIENCE);
        let is_due = |attempt: &Attempt| {
            let waited = now.since(attempt.since) >= HEAD_START;
            !attempt.circuits.is_empty() && (waited || (attempt.dials.is_empty() && attempt.circuits.iter().any(&ready)))
        };
        let due = self.0.iter_mut().filter(|(_, attempt)| is_due(attempt));
        due.map(|(peer, attempt)| (*peer, std::mem::take(&mut attempt.circuits))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dial(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    fn begun() -> (Reaching, PeerId, Vec<Multiaddr>) {
        let (peer, mut reaching) = (PeerId::random(), Reaching::default());
        let circuits = vec![format!("/ip4/45.45.45.10/tcp/1/p2p/{}/p2p-circuit", PeerId::random()).parse().unwrap()];
        reaching.begin(peer, circuits.clone(), Moment::START);
        (reaching, peer, circuits)
    }

    #[test]
    fn direct_addresses_go_first_and_relays_follow_after_a_moment() {
        let (mut reaching, peer, circuits) = begun();
        reaching.dialled(&peer, dial(1));
        assert_eq!(reaching.due(|_| true, Moment::from_millis(999)), []);
        assert_eq!(reaching.due(|_| false, Moment::from_millis(1000)), [(peer, circuits)]);
        assert_eq!(reaching.due(|_| true, Moment::from_millis(1001)), [], "once");
    }

    #[test]
    fn a_peer_is_given_up_only_when_every_way_failed() {
        let (mut reaching, peer, circuits) = begun();
        reaching.dialled(&peer, dial(1));
        assert!(!reaching.failed(&peer, dial(1)));
        assert_eq!(reaching.due(|_| true, Moment::START), [(peer, circuits)]);
        reaching.dialled(&peer, dial(2));
        assert!(!reaching.failed(&peer, dial(9)), "somebody else's dial");
        assert!(reaching.failed(&peer, dial(2)));
    }

    #[test]
    fn a_peer_nobody_waits_for_is_given_up_at_once() {
        assert!(Reaching::default().failed(&PeerId::random(), dial(1)));
    }

    #[test]
    fn what_is_remembered_is_bounded_in_number_and_time() {
        let mut reaching = Reaching::default();
        for _ in 0..1000 {
            reaching.begin(PeerId::random(), vec![], Moment::START);
        }
        assert_eq!(reaching.0.len(), MAX_PEERS);
        reaching.due(|_| true, Moment::START + PATIENCE);
        assert!(reaching.0.is_empty());
    }
}
