//! Where peers can be dialled. Every address is a hint: the Noise handshake decides who really answers there. Those where it did stay
//! first, whatever is said later (THREATS 4).

use std::collections::HashMap;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

/// Peers whose addresses are remembered; one that was never reached leaves first, the one heard of longest ago.
pub const MAX_PEERS: usize = 4096;
/// Addresses remembered for each; the oldest leave first.
pub const MAX_ADDRESSES: usize = 16;
/// Of these, proven ones that no hint displaces.
pub const MAX_PROVEN: usize = 4;

#[derive(Debug, Default)]
struct Entry {
    /// The proven ones first.
    addrs: Vec<Multiaddr>,
    proven: usize,
    heard: u64,
}

/// The addresses of peers, without their `/p2p/…` part.
#[derive(Debug, Default)]
pub struct AddressBook {
    entries: HashMap<PeerId, Entry>,
    turn: u64,
}

impl AddressBook {
    /// Remember addresses, the most promising first; what is learnt now goes before what was known, but after what is proven.
    pub fn learn(&mut self, peer: PeerId, addrs: &[Multiaddr]) {
        let entry = self.hear(peer);
        for addr in addrs.iter().rev().cloned().map(without_peer) {
            let (proven, hints) = entry.addrs.split_at(entry.proven);
            if !proven.contains(&addr) {
                let known = hints.iter().position(|known| *known == addr).map(|at| at + entry.proven);
                known.map(|at| entry.addrs.remove(at));
                entry.addrs.insert(entry.proven, addr);
            }
        }
        entry.addrs.truncate(MAX_ADDRESSES);
    }

    /// A dial of this address led to the peer.
    pub fn prove(&mut self, peer: PeerId, addr: Multiaddr) {
        let entry = self.hear(peer);
        let addr = without_peer(addr);
        if let Some(at) = entry.addrs.iter().position(|known| *known == addr) {
            entry.addrs.remove(at);
            entry.proven -= usize::from(at < entry.proven);
        }
        entry.addrs.insert(0, addr);
        entry.addrs.truncate(MAX_ADDRESSES);
        entry.proven = (entry.proven + 1).min(MAX_PROVEN);
    }

    fn hear(&mut self, peer: PeerId) -> &mut Entry {
        self.turn += 1;
        if !self.entries.contains_key(&peer) && self.entries.len() >= MAX_PEERS {
            self.forget_oldest();
        }
        let entry = self.entries.entry(peer).or_default();
        entry.heard = self.turn;
        entry
    }

    /// What is known of a peer's addresses, the proven ones first, then the newest.
    pub fn of(&self, peer: &PeerId) -> &[Multiaddr] {
        self.entries.get(peer).map_or(&[], |entry| entry.addrs.as_slice())
    }

    fn forget_oldest(&mut self) {
        let oldest = self.entries.iter().min_by_key(|(_, entry)| (entry.proven > 0, entry.heard)).map(|(peer, _)| *peer);
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

    #[test]
    fn attack_hints_do_not_push_out_the_address_that_worked() {
        let peer = PeerId::random();
        let mut book = AddressBook::default();
        let good: Multiaddr = "/ip4/10.0.0.9/tcp/9".parse().unwrap();
        book.learn(peer, std::slice::from_ref(&good));
        book.prove(peer, good.clone().with(Protocol::P2p(peer)));
        for port in 1..=40 {
            book.learn(peer, &[format!("/ip4/10.0.0.1/tcp/{port}").parse().unwrap(), good.clone()]);
            assert_eq!((book.of(&peer).len() <= MAX_ADDRESSES, &book.of(&peer)[0]), (true, &good));
        }
        for port in 1..=9 {
            book.prove(peer, format!("/ip4/10.0.0.2/tcp/{port}").parse().unwrap());
        }
        book.learn(peer, &["/ip4/10.0.0.3/tcp/1".parse().unwrap()]);
        assert_eq!(book.of(&peer)[MAX_PROVEN].to_string(), "/ip4/10.0.0.3/tcp/1", "only four are kept for good");
        for _ in 0..MAX_PEERS {
            book.learn(PeerId::random(), &[]);
        }
        assert!(!book.of(&peer).is_empty(), "who was never reached leaves first");
    }
}
