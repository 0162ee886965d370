//! Streams to other peers, opened and accepted without losing any.
//!
//! Inbound: every negotiated stream of a registered protocol becomes an [`Event`]; none is dropped because several finished
//! negotiating at once. Outbound: [`Behaviour::open`] asks the best connection for a stream of the first protocol the other side
//! knows; requests run side by side. A connection through a relay is the last choice, and may be barred to streams. Each connection has a [`Pulse`] that its streams feed whenever bytes move, so that a busy
//! connection is not mistaken for a dead one.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, StreamProtocol, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{PeerId, Stream};
use tokio::sync::oneshot;

mod handler;
mod pulse;

pub use pulse::{Pulse, Pulsing};

use super::ip_limit::customer;
use handler::{Handler, Request};

/// Streams that one connection may have waiting to be negotiated or handed over; above it they are refused.
pub const MAX_WAITING: usize = 256;

/// A stream that the other side opened.
#[derive(Debug)]
pub struct Event {
    /// Who opened it, as the connection proved.
    pub peer: PeerId,
    /// The address it came from, as [`super::ip_limit`] counts addresses; `None` where the connection has none.
    pub customer: Option<IpAddr>,
    /// What it speaks.
    pub protocol: StreamProtocol,
    /// The stream.
    pub stream: Pulsing<Stream>,
}

/// Why no stream came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenFailure {
    /// There is no connection to the peer, or it closed meanwhile.
    NotConnected,
    /// The other side speaks none of the protocols.
    Unsupported,
    /// The other side did not answer in time.
    TimedOut,
    /// [`MAX_WAITING`] requests wait already.
    Busy,
}

/// What a request for a stream comes to.
pub type Opened = Result<(StreamProtocol, Pulsing<Stream>), OpenFailure>;

/// One open connection, as this behaviour sees it.
#[derive(Debug)]
struct Link {
    id: ConnectionId,
    customer: Option<IpAddr>,
    relayed: bool,
    pulse: Arc<Pulse>,
    trusted: bool,
}

/// The behaviour: see the head of this file.
#[derive(Debug)]
pub struct Behaviour {
    served: Arc<[StreamProtocol]>,
    over_relays: bool,
    links: HashMap<PeerId, Vec<Link>>,
    events: VecDeque<ToSwarm<Event, Request>>,
}

impl Behaviour {
    /// Serves the protocols `served`; others can be opened but not answered. Unless `over_relays`, no stream is accepted or opened
    /// on a connection through a relay.
    pub fn new(served: impl IntoIterator<Item = StreamProtocol>, over_relays: bool) -> Self {
        Self { served: served.into_iter().collect(), over_relays, links: HashMap::new(), events: VecDeque::new() }
    }

    /// Open a stream of the first of `protocols` that `peer` knows, on its oldest trusted connection, a direct one if there is any; the
    /// answer comes on `reply`.
    pub fn open(&mut self, peer: PeerId, protocols: Vec<StreamProtocol>, reply: oneshot::Sender<Opened>) {
        match self.best(&peer) {
            Some(link) => self.events.push_back(ToSwarm::NotifyHandler {
                peer_id: peer,
                handler: NotifyHandler::One(link.id),
                event: Request { protocols, reply },
            }),
            None => drop(reply.send(Err(OpenFailure::NotConnected))),
        }
    }

    /// Whether a connection is worth a new stream while there is another.
    pub fn trust(&mut self, peer: &PeerId, connection: ConnectionId, trusted: bool) {
        let link = self.links.get_mut(peer).and_then(|links| links.iter_mut().find(|link| link.id == connection));
        if let Some(link) = link {
            link.trusted = trusted;
        }
    }

    /// The pulse of one connection.
    pub fn pulse(&self, peer: &PeerId, connection: ConnectionId) -> Option<&Pulse> {
        let links = self.links.get(peer)?;
        links.iter().find(|link| link.id == connection).map(|link| &*link.pulse)
    }

    fn best(&self, peer: &PeerId) -> Option<&Link> {
        let links = || self.links.get(peer).into_iter().flatten().filter(|link| self.over_relays || !link.relayed);
        links().filter(|link| link.trusted).min_by_key(|link| link.relayed).or_else(|| links().next_back())
    }

    fn new_handler(&self, relayed: bool) -> Handler {
        let served = if relayed && !self.over_relays { Arc::default() } else { self.served.clone() };
        Handler::new(served)
    }
}

/// Whether an address leads through a relay.
pub fn is_relayed(addr: &Multiaddr) -> bool {
    addr.iter().any(|part| part == Protocol::P2pCircuit)
}

/// Whether an address leads over TCP, at least at first.
pub fn is_tcp(addr: &Multiaddr) -> bool {
    addr.iter().any(|part| matches!(part, Protocol::Tcp(_)))
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        local: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.new_handler(is_relayed(local)))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        addr: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.new_handler(is_relayed(addr)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, endpoint, .. }) => {
                let (customer, relayed) = (customer(endpoint.get_remote_address()), endpoint.is_relayed());
                let link = Link { id: connection_id, customer, relayed, pulse: Arc::default(), trusted: true };
                self.links.entry(peer_id).or_default().push(link);
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, remaining_established, .. }) => {
                if remaining_established == 0 {
                    self.links.remove(&peer_id);
                } else if let Some(links) = self.links.get_mut(&peer_id) {
                    links.retain(|link| link.id != connection_id);
                }
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        let link = self.links.get(&peer).and_then(|links| links.iter().find(|link| link.id == connection));
        let Some((pulse, customer)) = link.map(|link| (link.pulse.clone(), link.customer)) else { return };
        match event {
            handler::Negotiated::Inbound { protocol, stream } => {
                let stream = Pulsing::new(stream, pulse);
                self.events.push_back(ToSwarm::GenerateEvent(Event { peer, customer, protocol, stream }));
            }
            handler::Negotiated::Outbound { protocol, stream, reply } => {
                let _ = reply.send(Ok((protocol, Pulsing::new(stream, pulse))));
            }
        }
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.events.pop_front().map_or(Poll::Pending, Poll::Ready)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_links(over_relays: bool, relayed: &[bool]) -> (Behaviour, PeerId) {
        let (mut behaviour, peer) = (Behaviour::new([], over_relays), PeerId::random());
        let link = |(n, relayed): (usize, &bool)| Link {
            id: ConnectionId::new_unchecked(n),
            customer: None,
            relayed: *relayed,
            pulse: Arc::default(),
            trusted: true,
        };
        behaviour.links.insert(peer, relayed.iter().enumerate().map(link).collect());
        (behaviour, peer)
    }

    fn best(over_relays: bool, relayed: &[bool]) -> Option<ConnectionId> {
        let (behaviour, peer) = with_links(over_relays, relayed);
        behaviour.best(&peer).map(|link| link.id)
    }

    #[test]
    fn a_direct_connection_goes_before_one_through_a_relay_and_one_that_answers_before_a_silent_one() {
        assert_eq!(best(true, &[true, false, false]), Some(ConnectionId::new_unchecked(1)));
        assert_eq!(best(true, &[true, true]), Some(ConnectionId::new_unchecked(0)));
        let (mut behaviour, peer) = with_links(true, &[true, false]);
        behaviour.trust(&peer, ConnectionId::new_unchecked(1), false);
        assert_eq!(behaviour.best(&peer).map(|link| link.id), Some(ConnectionId::new_unchecked(0)));
    }

    #[test]
    fn streams_never_go_through_a_relay_that_may_not_carry_them() {
        assert_eq!(best(false, &[true]), None);
        assert_eq!(best(false, &[true, false]), Some(ConnectionId::new_unchecked(1)));
    }
}
