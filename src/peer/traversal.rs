//! What the actor knows about reaching and being reached through routers.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::watch;

use crate::clock::Moment;
use crate::p2p::nat::{Nat, Options};
use crate::p2p::streams::is_relayed;
use crate::proto::relay_choice::RelayChoice;
use crate::proto::signed::addrs::dialable;

/// A relay that carries less than this many bytes on one connection is for coordination only: a page of a site would be cut off
/// (libp2p's own default is 128 KiB; goop2's newest allows 16 MiB).
pub const LEAST_DATA: u64 = 1024 * 1024;
/// Relays whose limits are remembered; those of others count as generous.
const MAX_THRIFTY: usize = 256;

/// A server that names a relay is not heard when it names another one sooner than this: a crowd of peers could be made to knock at
/// one place after the other (THREATS 4).
pub const NAMES_ANOTHER: Duration = Duration::from_secs(300);

/// Places that a server may name for a relay; further ones are not dialled.
const MAX_NAMED_PLACES: usize = 4;

/// See the head of this file.
#[derive(Debug)]
pub struct Traversal {
    /// Whether others reach this node from anywhere.
    pub nat: Nat,
    /// Which relays are used.
    pub relays: RelayChoice,
    /// Whether this node is a relay.
    pub serves: bool,
    /// Whether this node keeps to loopback.
    pub loopback_only: bool,
    relay_data: bool,
    found_at: Option<watch::Sender<Vec<Multiaddr>>>,
    configured: HashSet<PeerId>,
    /// Which relay each rendezvous server names, and since when.
    named: HashMap<u16, (PeerId, Moment)>,
    places: HashMap<ListenerId, PeerId>,
    seen_by: HashSet<PeerId>,
    thrifty: HashSet<PeerId>,
}

impl Traversal {
    /// As the options say.
    pub fn new(options: &Options, loopback_only: bool, now: Moment) -> Self {
        let mut relays = RelayChoice::default();
        let mut by_peer: Vec<(PeerId, Vec<Multiaddr>)> = Vec::new();
        for (peer, addr) in &options.relays {
            match by_peer.iter_mut().find(|(known, _)| known == peer) {
                Some((_, addrs)) => addrs.push(addr.clone()),
                None => by_peer.push((*peer, vec![addr.clone()])),
            }
        }
        for (peer, addrs) in by_peer {
            relays.add(peer, addrs, now);
        }
        Self {
            nat: Nat::Unknown,
            relays,
            serves: options.relay_server,
            loopback_only,
            relay_data: options.relay_data,
            found_at: options.found_at.clone(),
            configured: options.relays.iter().map(|(peer, _)| *peer).collect(),
            named: HashMap::new(),
            places: HashMap::new(),
            seen_by: HashSet::new(),
            thrifty: HashSet::new(),
        }
    }

    /// The rendezvous server of this number names `relay`. Whether its word counts: the owner's own settings and what another server
    /// said stand before it, and it cannot change its mind again and again. What it named before is no longer used.
    pub fn names(&mut self, server: u16, relay: PeerId, now: Moment) -> bool {
        let before = self.named.get(&server).copied();
        let is_anothers = self.named.iter().any(|(other, (named, _))| *other != server && *named == relay);
        if self.serves || self.configured.contains(&relay) || is_anothers {
            return false;
        }
        match before {
            Some((before, _)) if before == relay => return true,
            Some((_, since)) if now.since(since) < NAMES_ANOTHER => return false,
            Some((before, _)) => self.relays.forget(&before),
            None => {}
        }
        self.named.insert(server, (relay, now));
        true
    }

    /// Tells under which addresses others find this relay.
    pub fn is_found_at(&self, addrs: Vec<Multiaddr>) {
        if let Some(found_at) = &self.found_at {
            found_at.send_if_modified(|told| {
                let changed = *told != addrs;
                *told = addrs;
                changed
            });
        }
    }

    /// A place on `relay` was asked for.
    pub fn asked(&mut self, listener: ListenerId, relay: PeerId) {
        self.places.insert(listener, relay);
    }

    /// A place was lost or refused; answers on which relay, if it was one.
    pub fn place_lost(&mut self, listener: ListenerId, jitter: f64, now: Moment) -> Option<PeerId> {
        let relay = self.places.remove(&listener)?;
        self.relays.lost(&relay, jitter, now);
        Some(relay)
    }

    /// The place on `relay`, if there is one.
    pub fn place_on(&self, relay: &PeerId) -> Option<ListenerId> {
        self.places.iter().find(|(_, of)| *of == relay).map(|(listener, _)| *listener)
    }

    /// A connected peer said who it is, and how it sees us.
    pub fn identified(&mut self, peer: PeerId, relays: bool) {
        self.seen_by.insert(peer);
        self.relays.identified(&peer, relays);
    }

    /// Whether the relay of a circuit told how it sees us; punching needs that.
    pub fn is_seen_by_relay_of(&self, circuit: &Multiaddr) -> bool {
        relay_of(circuit).is_some_and(|(relay, _)| self.seen_by.contains(&relay))
    }

    /// A relay said how much one connection may carry.
    pub fn limited(&mut self, relay: PeerId, bytes: Option<u64>) {
        let thrifty = bytes.is_some_and(|bytes| bytes < LEAST_DATA);
        if !thrifty {
            self.thrifty.remove(&relay);
        } else if self.thrifty.len() < MAX_THRIFTY {
            self.thrifty.insert(relay);
        }
    }

    /// Whether streams may go through the relay of a circuit.
    pub fn may_carry(&self, circuit: &Multiaddr) -> bool {
        self.relay_data && relay_of(circuit).is_some_and(|(relay, _)| !self.thrifty.contains(&relay))
    }

    /// The last connection to a peer closed.
    pub fn disconnected(&mut self, peer: &PeerId, jitter: f64, now: Moment) {
        self.seen_by.remove(peer);
        self.relays.disconnected(peer, jitter, now);
    }

    /// A peer could not be dialled.
    pub fn dial_failed(&mut self, peer: &PeerId, jitter: f64, now: Moment) {
        if !self.seen_by.contains(peer) {
            self.relays.lost(peer, jitter, now);
        }
    }
}

/// Where a relay that a rendezvous server names may be dialled: on the internet, at few places; on this machine where the peer keeps
/// to it (`loopback`). No word of a server leads into a LAN (THREATS 4); a relay there can be configured.
pub fn named_places(addrs: &[Multiaddr], relay: &PeerId, loopback: bool) -> Vec<Multiaddr> {
    let places = dialable(addrs, relay, |_| false, loopback).into_iter();
    places.filter(|addr| !is_relayed(addr)).take(MAX_NAMED_PLACES).collect()
}

/// The relay that a circuit goes through, and where it is.
pub fn relay_of(circuit: &Multiaddr) -> Option<(PeerId, Multiaddr)> {
    let before: Multiaddr = circuit.iter().take_while(|part| *part != Protocol::P2pCircuit).collect();
    let relay = before.iter().find_map(|part| if let Protocol::P2p(relay) = part { Some(relay) } else { None })?;
    Some((relay, before.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect()))
}

#[cfg(test)]
mod tests;
