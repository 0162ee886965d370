//! Presence gossip is for the LAN: only connections on the same link carry it.
//!
//! One WAN dial would otherwise join two LANs, or an invite-only community, into one mesh (THREATS 70). So this behaviour owns
//! gossipsub and decides for each connection: on the same link it gets gossipsub's handler and is kept open; on any other, a
//! handler that speaks nothing, and gossipsub never hears of it. Gossipsub counts the connections of a peer by what the swarm
//! says; those counts are rewritten to the connections it was shown, because its close path relies on knowing each.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::gossipsub;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    derive_prelude::Either, dummy,
};

mod handler;

use super::gossip::Gossip;
use super::streams::is_relayed;
use handler::KeptOpen;

/// Peers whose mDNS addresses are remembered; above it the answer comes from the subnets alone.
const MAX_FOUND: usize = 2048;
/// mDNS addresses remembered for each of them.
const MAX_ADDRESSES: usize = 16;

/// Who is on the same link: what mDNS told (a peer together with an address), and a test for our own subnets.
pub struct Links {
    found: HashMap<PeerId, HashSet<IpAddr>>,
    own_subnet: Box<dyn Fn(IpAddr) -> bool + Send>,
}

impl Links {
    /// `own_subnet` says whether an address lies on one of our own subnets, or is loopback.
    pub fn new(own_subnet: impl Fn(IpAddr) -> bool + Send + 'static) -> Self {
        Self { found: HashMap::new(), own_subnet: Box::new(own_subnet) }
    }

    /// The subnets of this host changed.
    pub fn set_own_subnet(&mut self, own_subnet: impl Fn(IpAddr) -> bool + Send + 'static) {
        self.own_subnet = Box::new(own_subnet);
    }

    /// mDNS found `peer` at `addrs`.
    pub fn found(&mut self, peer: PeerId, addrs: &[Multiaddr]) {
        if !self.found.contains_key(&peer) && self.found.len() >= MAX_FOUND {
            return;
        }
        let known = self.found.entry(peer).or_default();
        for ip in addrs.iter().filter_map(ip_of) {
            if known.len() < MAX_ADDRESSES {
                known.insert(ip);
            }
        }
    }

    /// mDNS said that `peer` left.
    pub fn left(&mut self, peer: &PeerId) {
        self.found.remove(peer);
    }

    /// Whether a connection with `peer` at `addr` stays on this link.
    pub fn contains(&self, peer: &PeerId, addr: &Multiaddr) -> bool {
        ip_of(addr)
            .is_some_and(|ip| !is_relayed(addr) && ((self.own_subnet)(ip) || self.found.get(peer).is_some_and(|known| known.contains(&ip))))
    }
}

/// The IP address that a multiaddr starts with; IPv4 in IPv6 clothes counts as IPv4.
pub fn ip_of(addr: &Multiaddr) -> Option<IpAddr> {
    addr.iter().find_map(|part| match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip).to_canonical()),
        _ => None,
    })
}

/// Gossipsub on same-link connections only: see the head of this file.
pub struct Behaviour {
    gossip: Gossip,
    /// Who is on the same link.
    pub links: Links,
    shown: HashMap<PeerId, Vec<ConnectionId>>,
}

impl Behaviour {
    /// Wraps `gossip`; `links` decides which connections it sees.
    pub fn new(gossip: Gossip, links: Links) -> Self {
        Self { gossip, links, shown: HashMap::new() }
    }

    /// The gossipsub inside.
    pub fn gossip(&mut self) -> &mut Gossip {
        &mut self.gossip
    }

    /// Whether a connection is on the same link, so that it carries gossip.
    pub fn carries(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        self.is_shown(peer, connection)
    }

    fn is_shown(&self, peer: &PeerId, connection: ConnectionId) -> bool {
        self.shown.get(peer).is_some_and(|shown| shown.contains(&connection))
    }

    fn show(&mut self, peer: PeerId, connection: ConnectionId) {
        self.shown.entry(peer).or_default().push(connection);
    }

    /// Passes a swarm event on as gossipsub has to see it, or not at all.
    fn forward(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                if let Some(shown) = self.shown.get(&established.peer_id).filter(|s| s.contains(&established.connection_id)) {
                    let other_established = shown.len() - 1;
                    self.gossip
                        .on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished { other_established, ..established }));
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                if let Some(remaining_established) = self.hide(&closed.peer_id, closed.connection_id) {
                    self.gossip.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed { remaining_established, ..closed }));
                }
            }
            FromSwarm::AddressChange(change) if !self.is_shown(&change.peer_id, change.connection_id) => {}
            other => self.gossip.on_swarm_event(other),
        }
    }

    /// Forgets a shown connection; answers how many others of the peer gossipsub still sees, or `None` if it never saw this one.
    fn hide(&mut self, peer: &PeerId, connection: ConnectionId) -> Option<usize> {
        let shown = self.shown.get_mut(peer)?;
        let at = shown.iter().position(|id| *id == connection)?;
        shown.remove(at);
        let remaining = shown.len();
        if remaining == 0 {
            self.shown.remove(peer);
        }
        Some(remaining)
    }

    /// Sends a command of gossipsub to a connection that has its handler; `None` if there is no such connection any more.
    fn addressed<T>(&self, event: ToSwarm<gossipsub::Event, T>) -> Option<ToSwarm<gossipsub::Event, T>> {
        match event {
            ToSwarm::NotifyHandler { peer_id, handler, event } => {
                let one = match handler {
                    NotifyHandler::One(id) if self.is_shown(&peer_id, id) => id,
                    NotifyHandler::One(_) => return None,
                    NotifyHandler::Any => *self.shown.get(&peer_id)?.first()?,
                };
                Some(ToSwarm::NotifyHandler { peer_id, handler: NotifyHandler::One(one), event })
            }
            other => Some(other),
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Either<KeptOpen<THandler<Gossip>>, dummy::ConnectionHandler>;
    type ToSwarm = gossipsub::Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.links.contains(&peer, remote) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler = self.gossip.handle_established_inbound_connection(connection, peer, local, remote)?;
        self.show(peer, connection);
        Ok(Either::Left(KeptOpen(handler)))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.links.contains(&peer, addr) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler = self.gossip.handle_established_outbound_connection(connection, peer, addr, role, port_use)?;
        self.show(peer, connection);
        Ok(Either::Left(KeptOpen(handler)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        self.forward(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            Either::Left(event) => self.gossip.on_connection_handler_event(peer, connection, event),
            Either::Right(never) => match never {},
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        while let Poll::Ready(event) = self.gossip.poll(cx) {
            if let Some(event) = self.addressed(event) {
                return Poll::Ready(event.map_in(Either::Left));
            }
        }
        Poll::Pending
    }
}
