//! Where peers can be dialled. Every address is a hint: the Noise handshake decides who really answers there.

use std::collections::HashMap;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

/// Peers whose addresses are remembered; the one that was heard of longest ago leaves first.
pub const MAX_PEERS: usize = 4096;
/// Addresses remembered for each; the oldest leave first.
pub const MAX_ADDRESSES: usize = 16;

#[derive(Debug, Default)]
struct Entry {
    addrs: Vec<Multiaddr>,
    heard: u64,
}

/// The addresses of peers, without their `/p2p/…` part.
#[derive(Debug, Default)]
pub struct AddressBook {
    entries: HashMap<PeerId, Entry>,
    turn: u64,
}

impl AddressBook {
    /// Remember addresses, the most promising first; what is learnt now goes before what was known.
    pub fn learn(&mut self, peer: PeerId, addrs: &[Multiaddr]) {
        self.turn += 1;
        if !self.entries.contains_key(&peer) && self.entries.len() >= MAX_PEERS {
            self.forget_oldest();
        }
        let entry = self.entries.entry(peer).or_default();
        entry.heard = self.turn;
        for addr in addrs.iter().rev().cloned().map(without_peer) {
            entry.addrs.retain(|known| *known != addr);
            entry.addrs.insert(0, addr);
        }
        entry.addrs.truncate(MAX_ADDRESSES);
    }

    /// What is known of a peer's addresses, the newest first.
    pub fn of(&self, peer: &PeerId) -> &[Multiaddr] {
        self.entries.get(peer).map_or(&[], |entry| entry.addrs.as_slice())
    }

    fn forget_oldest(&mut self) {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| entry.heard).map(|(peer, _)| *peer);
        if let Some(peer) = oldest {
            self.entries.remove(&peer);
        }
    }
}

/// The peer that a multiaddr names at its end.
pub fn peer_of(addr: &Multiaddr) -> Option<PeerId> {
    match addr.iter().last() {
        Some(Protocol::P2p(peer)) => Some(peer),
        _ => None,
    }
}

/// The address without the peer that it names at its end.
pub fn without_peer(mut addr: Multiaddr) -> Multiaddr {
    if peer_of(&addr).is_some() {
        addr.pop();
    }
    addr
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_addresses_come_first_and_the_book_is_bounded() {
        let peer = PeerId::random();
        let mut book = AddressBook::default();
        for port in 1..=20 {
            book.learn(peer, &[format!("/ip4/10.0.0.1/tcp/{port}/p2p/{peer}").parse().unwrap()]);
        }
        assert_eq!(book.of(&peer).len(), MAX_ADDRESSES);
        assert_eq!(book.of(&peer)[0].to_string(), "/ip4/10.0.0.1/tcp/20");
        for _ in 0..MAX_PEERS {
            book.learn(PeerId::random(), &[]);
        }
        assert!(book.of(&peer).is_empty());
    }
}
