//! Gossipsub's connection handler, on a connection that stays open while both sides want to be neighbours; it tells when the other
//! side begins a stream.

use std::task::{Context, Poll};

use libp2p::swarm::handler::ConnectionEvent;
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol};

/// The handler inside, but never the reason why an idle connection closes: LAN neighbours outside the mesh are wanted too.
#[derive(Debug)]
pub struct KeptOpen<H> {
    inside: H,
    stream_begun: bool,
}

/// What the handler tells the behaviour.
#[derive(Debug)]
pub enum Told<E> {
    /// What the handler inside tells.
    Inside(E),
    /// The other side began a stream; the handler inside bounds how many it may (five of a connection).
    StreamBegun,
}

impl<H> KeptOpen<H> {
    pub(super) fn new(inside: H) -> Self {
        Self { inside, stream_begun: false }
    }
}

impl<H: ConnectionHandler> ConnectionHandler for KeptOpen<H> {
    type FromBehaviour = H::FromBehaviour;
    type ToBehaviour = Told<H::ToBehaviour>;
    type InboundProtocol = H::InboundProtocol;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = H::InboundOpenInfo;
    type OutboundOpenInfo = H::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<H::InboundProtocol, H::InboundOpenInfo> {
        self.inside.listen_protocol()
    }

    fn connection_keep_alive(&self) -> bool {
        true
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<H::OutboundProtocol, H::OutboundOpenInfo, Told<H::ToBehaviour>>> {
        if std::mem::take(&mut self.stream_begun) {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(Told::StreamBegun));
        }
        self.inside.poll(cx).map(|event| event.map_custom(Told::Inside))
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Told<H::ToBehaviour>>> {
        self.inside.poll_close(cx).map(|event| event.map(Told::Inside))
    }

    fn on_behaviour_event(&mut self, event: H::FromBehaviour) {
        self.inside.on_behaviour_event(event);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<H::InboundProtocol, H::OutboundProtocol, H::InboundOpenInfo, H::OutboundOpenInfo>,
    ) {
        self.stream_begun |= matches!(event, ConnectionEvent::FullyNegotiatedInbound(_));
        self.inside.on_connection_event(event);
    }
}
