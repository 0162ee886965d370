//! Presence gossip is for the LAN: only connections on the same link carry it.
//!
//! One WAN dial would otherwise join two LANs, or an invite-only community, into one mesh (THREATS 70). So this behaviour owns
//! gossipsub and decides for each connection: on the same link it gets gossipsub's handler and is kept open; on any other, a
//! handler that speaks nothing, and gossipsub never hears of it. Only our own subnets say what is the same link: what mDNS says can
//! come from anywhere. Gossipsub counts the connections of a peer by what the swarm
//! says; those counts are rewritten to the connections it was shown, because its close path relies on knowing each.
//!
//! go-libp2p's router takes one stream of a peer: of two it resets the older, with all that it had not read. Gossipsub's handlers would each begin
//! one and share the messages among them. So one connection of a peer speaks for all until it closes, and then another does; all listen.
//!
//! Gossipsub tells a peer what it subscribes to once, with the first connection. The other side may have lost that connection long
//! before us (a pulled cable, a new process), so here every new connection says it, and so does one that remains when another
//! closes, since what was queued may have gone down with it. It is also said to a neighbour that begins a new stream: go-libp2p's
//! router, whose stream went down with one of two connections, forgets what we subscribed to, and begins again on the other. And it is
//! said to a neighbour from whom nothing comes: whatever was lost, it may be waiting for us.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint, Multiaddr};
use libp2p::gossipsub;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    derive_prelude::Either, dummy,
};

mod handler;

use super::gossip::Gossip;
use super::streams::is_relayed;
use crate::clock::Moment;
use crate::proto::signed::addrs::ip_of;
use handler::{Command, KeptOpen, Told};

/// A neighbour from whom nothing has come for so long is told again what we subscribe to; whoever shares our topic says something every five
/// seconds (CONTRACT).
const DEAF_AFTER: Duration = Duration::from_secs(7);

/// What is on the same link: the addresses of our own subnets.
pub struct Links {
    own_subnet: Box<dyn Fn(IpAddr) -> bool + Send>,
}

impl Links {
    /// `own_subnet` says whether an address lies on one of our own subnets, or is link-local or loopback.
    pub fn new(own_subnet: impl Fn(IpAddr) -> bool + Send + 'static) -> Self {
        Self { own_subnet: Box::new(own_subnet) }
    }

    /// The subnets of this host changed.
    pub fn set_own_subnet(&mut self, own_subnet: impl Fn(IpAddr) -> bool + Send + 'static) {
        self.own_subnet = Box::new(own_subnet);
    }

    /// Whether a connection with a peer at `addr` stays on this link.
    pub fn contains(&self, addr: &Multiaddr) -> bool {
        ip_of(addr).is_some_and(|ip| !is_relayed(addr) && (self.own_subnet)(ip))
    }
}

/// A connection that gossipsub sees.
struct Shown {
    id: ConnectionId,
    endpoint: ConnectedPoint,
}

/// A peer with such connections, at least one.
struct Neighbour {
    /// The first of them speaks.
    shown: Vec<Shown>,
    /// Whether it has begun a stream.
    has_begun: bool,
    /// When something came from it, or it was told again.
    heard: Moment,
}

/// Gossipsub on same-link connections only: see the head of this file.
pub struct Behaviour {
    gossip: Gossip,
    /// What is on the same link.
    pub links: Links,
    neighbours: HashMap<PeerId, Neighbour>,
    /// Connections that speak, and are told so.
    speakers: VecDeque<(PeerId, ConnectionId)>,
}

impl Behaviour {
    /// Wraps `gossip`; `links` decides which connections it sees.
    pub fn new(gossip: Gossip, links: Links) -> Self {
        Self { gossip, links, neighbours: HashMap::new(), speakers: VecDeque::new() }
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
        self.neighbours.get(peer).is_some_and(|neighbour| neighbour.shown.iter().any(|one| one.id == connection))
    }

    /// Shows a connection to gossipsub; answers whether it speaks, which the first one does.
    fn show(&mut self, peer: PeerId, id: ConnectionId, endpoint: ConnectedPoint) -> bool {
        let now = Moment::now();
        let neighbour = self.neighbours.entry(peer).or_insert(Neighbour { shown: Vec::new(), has_begun: false, heard: now });
        neighbour.shown.push(Shown { id, endpoint });
        neighbour.heard = now;
        neighbour.shown.len() == 1
    }

    /// Tells those neighbours again what we subscribe to from whom nothing has come for [`DEAF_AFTER`].
    pub fn remind(&mut self, now: Moment) {
        let silent = self.neighbours.iter_mut().filter(|(_, neighbour)| now.since(neighbour.heard) >= DEAF_AFTER);
        let told = silent.map(|(peer, neighbour)| {
            neighbour.heard = now;
            *peer
        });
        told.collect::<Vec<_>>().into_iter().for_each(|peer| self.introduce(peer));
    }

    /// Makes gossipsub say what we subscribe to, over the connection that speaks; one whose stream broke looks into the queue only when it is woken.
    fn introduce(&mut self, peer_id: PeerId) {
        if let Some(Shown { id, endpoint }) = self.neighbours.get(&peer_id).and_then(|neighbour| neighbour.shown.first()) {
            let established = ConnectionEstablished { peer_id, connection_id: *id, endpoint, failed_addresses: &[], other_established: 0 };
            self.gossip.on_swarm_event(FromSwarm::ConnectionEstablished(established));
            self.speakers.push_back((peer_id, *id));
        }
    }

    /// A neighbour began a stream; where it is not its first, it may know nothing of us any more.
    fn begins(&mut self, peer: PeerId, connection: ConnectionId) {
        let shown = self.is_shown(&peer, connection);
        let neighbour = self.neighbours.get_mut(&peer).filter(|_| shown);
        if neighbour.is_some_and(|neighbour| std::mem::replace(&mut neighbour.has_begun, true)) {
            self.introduce(peer);
        }
    }

    /// Passes a swarm event on as gossipsub has to see it, or not at all.
    fn forward(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionEstablished(established) => {
                if self.is_shown(&established.peer_id, established.connection_id) {
                    self.introduce(established.peer_id);
                }
            }
            FromSwarm::ConnectionClosed(closed) => {
                if let Some(remaining_established) = self.hide(&closed.peer_id, closed.connection_id) {
                    let peer = closed.peer_id;
                    self.gossip.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed { remaining_established, ..closed }));
                    self.introduce(peer);
                }
            }
            FromSwarm::AddressChange(change) if !self.is_shown(&change.peer_id, change.connection_id) => {}
            other => self.gossip.on_swarm_event(other),
        }
    }

    /// Forgets a shown connection; answers how many others of the peer gossipsub still sees, or `None` if it never saw this one.
    fn hide(&mut self, peer: &PeerId, connection: ConnectionId) -> Option<usize> {
        let shown = &mut self.neighbours.get_mut(peer)?.shown;
        let at = shown.iter().position(|one| one.id == connection)?;
        shown.remove(at);
        let remaining = shown.len();
        if remaining == 0 {
            self.neighbours.remove(peer);
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
                    NotifyHandler::Any => self.neighbours.get(&peer_id)?.shown.first()?.id,
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
        if !self.links.contains(remote) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler = self.gossip.handle_established_inbound_connection(connection, peer, local, remote)?;
        let speaks = self.show(peer, connection, ConnectedPoint::Listener { local_addr: local.clone(), send_back_addr: remote.clone() });
        Ok(Either::Left(KeptOpen::new(handler, speaks)))
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        addr: &Multiaddr,
        role: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.links.contains(addr) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        let handler = self.gossip.handle_established_outbound_connection(connection, peer, addr, role, port_use)?;
        let speaks = self.show(peer, connection, ConnectedPoint::Dialer { address: addr.clone(), role_override: role, port_use });
        Ok(Either::Left(KeptOpen::new(handler, speaks)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        self.forward(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            Either::Left(Told::Inside(event)) => {
                if let Some(neighbour) = self.neighbours.get_mut(&peer) {
                    neighbour.heard = Moment::now();
                }
                self.gossip.on_connection_handler_event(peer, connection, event);
            }
            Either::Left(Told::StreamBegun) => self.begins(peer, connection),
            Either::Right(never) => match never {},
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        while let Some((peer_id, id)) = self.speakers.pop_front() {
            if self.is_shown(&peer_id, id) {
                return Poll::Ready(ToSwarm::NotifyHandler {
                    peer_id,
                    handler: NotifyHandler::One(id),
                    event: Either::Left(Command::Speak),
                });
            }
        }
        while let Poll::Ready(event) = self.gossip.poll(cx) {
            if let Some(event) = self.addressed(event) {
                return Poll::Ready(event.map_in(|inside| Either::Left(Command::Inside(inside))));
            }
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_a_private_address_of_another_network_or_a_relay_is_not_the_same_link() {
        let mut links = Links::new(|ip| ip == IpAddr::from([10, 77, 0, 9]));
        let near = |links: &Links, addr: &str| links.contains(&addr.parse().unwrap());
        assert!(near(&links, "/ip4/10.77.0.9/tcp/1") && near(&links, "/ip6/::ffff:10.77.0.9/tcp/1"));
        let relayed = format!("/ip4/10.77.0.9/tcp/1/p2p/{}/p2p-circuit", PeerId::random());
        assert!(!near(&links, "/ip4/10.88.0.2/tcp/1") && !near(&links, &relayed) && !near(&links, "/dns4/a.example/tcp/1"));
        links.set_own_subnet(|_| false);
        assert!(!near(&links, "/ip4/10.77.0.9/tcp/1"), "another network by now");
    }
}
