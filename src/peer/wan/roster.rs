//! Whom one rendezvous server says to be here, as far as it vouches for them.
//!
//! A stream that tells changes only says nothing of a peer that just goes on being here: for whom it told, its peer's row lives as
//! long as the stream does. When the stream has ended, rows live for their own TTL, and so do those that a new stream does not mention
//! before the server knows everybody again: a server that was started anew makes nobody's neighbours vanish (THREATS 72).

use std::collections::HashSet;

use libp2p::PeerId;

use crate::proto::presence::snapshot::{MAX_PEERS, Snapshot};

/// See the head of this file. Holds at most [`MAX_PEERS`] of this stream, and as many of earlier ones; more are refused.
#[derive(Debug, Default)]
pub struct Roster {
    /// Of this stream.
    here: HashSet<PeerId>,
    /// Of earlier ones, until a snapshot says what became of them.
    before: HashSet<PeerId>,
    vouching: bool,
}

impl Roster {
    /// A stream was opened; unless it goes on where the last one ended, nobody is vouched for before they are named again.
    pub fn opened(&mut self, changes_only: bool, resumed: bool) {
        self.vouching = changes_only;
        if !resumed {
            let room = MAX_PEERS.saturating_sub(self.before.len());
            self.before.extend(self.here.drain().take(room));
        }
    }

    /// The stream ended.
    pub fn closed(&mut self) {
        self.vouching = false;
    }

    /// A snapshot came; answers who is known to have left.
    pub fn snapshot(&mut self, snapshot: &Snapshot) -> Vec<PeerId> {
        let named: HashSet<PeerId> = snapshot.peers.iter().take(MAX_PEERS).map(|presence| presence.peer).collect();
        let earlier = self.before.drain().chain(std::mem::replace(&mut self.here, named));
        let missing: Vec<PeerId> = earlier.filter(|peer| snapshot.complete && !self.here.contains(peer)).collect();
        missing
    }

    /// A peer is here; false if there is no room for it.
    pub fn heard(&mut self, peer: PeerId) -> bool {
        self.here.contains(&peer) || (self.here.len() < MAX_PEERS && self.here.insert(peer))
    }

    /// A peer left.
    pub fn parted(&mut self, peer: &PeerId) {
        self.here.remove(peer);
        self.before.remove(peer);
    }

    /// For whom the server vouches now.
    pub fn vouched(&self) -> impl Iterator<Item = &PeerId> {
        self.here.iter().filter(|_| self.vouching)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;
    use crate::proto::presence::{Kind, Presence};

    fn snapshot(complete: bool, peers: &[PeerId]) -> Snapshot {
        Snapshot { complete, peers: peers.iter().map(|peer| Presence::new(Kind::Online, *peer, UnixMillis(1))).collect() }
    }

    fn vouched(roster: &Roster) -> Vec<PeerId> {
        roster.vouched().copied().collect()
    }

    fn with(peers: &[PeerId]) -> Roster {
        let mut roster = Roster::default();
        roster.opened(true, false);
        assert_eq!(roster.snapshot(&snapshot(true, peers)), []);
        roster
    }

    #[test]
    fn a_stream_of_changes_vouches_for_whom_it_named_as_long_as_it_is_open() {
        let (alice, bob) = (PeerId::random(), PeerId::random());
        let mut roster = with(&[alice]);
        assert!(roster.heard(bob));
        roster.parted(&alice);
        assert_eq!(vouched(&roster), [bob]);
        roster.closed();
        assert_eq!(vouched(&roster), []);
        roster.opened(true, true);
        assert_eq!(vouched(&roster), [bob], "nothing was missed");
    }

    #[test]
    fn a_stream_of_heartbeats_vouches_for_nobody() {
        let mut roster = Roster::default();
        roster.opened(false, false);
        roster.heard(PeerId::random());
        assert_eq!(vouched(&roster), []);
    }

    #[test]
    fn attack_of_restart_amnesia_nobody_leaves_before_the_server_knows_everybody() {
        let (alice, bob) = (PeerId::random(), PeerId::random());
        let mut roster = with(&[alice, bob]);
        roster.closed();
        roster.opened(true, false);
        assert_eq!(vouched(&roster), [], "alice and bob live for their own TTL");
        assert_eq!(roster.snapshot(&snapshot(false, &[alice])), []);
        assert_eq!(vouched(&roster), [alice]);
    }

    #[test]
    fn who_is_missing_from_a_complete_snapshot_has_left() {
        let (alice, bob) = (PeerId::random(), PeerId::random());
        let mut roster = with(&[alice, bob]);
        assert_eq!(roster.snapshot(&snapshot(true, &[alice])), [bob], "after a gap");
        roster.opened(true, false);
        assert_eq!(roster.snapshot(&snapshot(true, &[])), [alice], "after a long absence");
    }

    #[test]
    fn attack_a_server_that_names_peers_without_end_is_bounded() {
        let mut roster = with(&[]);
        let room = (0..MAX_PEERS + 100).filter(|_| roster.heard(PeerId::random())).count();
        assert_eq!(room, MAX_PEERS);
    }

    #[test]
    fn attack_a_server_that_names_new_peers_on_every_stream_and_never_all_of_them_fills_nothing() {
        let mut roster = Roster::default();
        for _ in 0..3 {
            roster.opened(false, false);
            (0..MAX_PEERS).for_each(|_| assert!(roster.heard(PeerId::random())));
            assert!(roster.before.len() <= MAX_PEERS);
        }
    }
}
