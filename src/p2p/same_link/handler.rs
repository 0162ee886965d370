//! Gossipsub's connection handler, on a connection that stays open while both sides want to be neighbours. It tells when the other
//! side begins a stream, and begins one itself only where its connection is the one that speaks.

use std::task::{Context, Poll};

use libp2p::swarm::handler::ConnectionEvent;
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol};

/// The handler inside, but never the reason why an idle connection closes: LAN neighbours outside the mesh are wanted too.
///
/// Until its stream stands, gossipsub's handler takes no message out of the queue that all connections of a peer share; so where
/// the stream waits for its turn, the messages go over the connection that speaks.
#[derive(Debug)]
pub struct KeptOpen<H: ConnectionHandler> {
    inside: H,
    stream_begun: bool,
    speaks: bool,
    wanted: Option<SubstreamProtocol<H::OutboundProtocol, H::OutboundOpenInfo>>,
}

/// What the behaviour tells the handler.
#[derive(Debug)]
pub enum Command<E> {
    /// What it tells the handler inside.
    Inside(E),
    /// This connection speaks from now on.
    Speak,
}

/// What the handler tells the behaviour.
#[derive(Debug)]
pub enum Told<E> {
    /// What the handler inside tells.
    Inside(E),
    /// The other side began a stream; the handler inside bounds how many it may (five of a connection).
    StreamBegun,
}

impl<H: ConnectionHandler> KeptOpen<H> {
    pub(super) fn new(inside: H, speaks: bool) -> Self {
        Self { inside, stream_begun: false, speaks, wanted: None }
    }
}

impl<H: ConnectionHandler> ConnectionHandler for KeptOpen<H> {
    type FromBehaviour = Command<H::FromBehaviour>;
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
        if self.speaks
            && let Some(protocol) = self.wanted.take()
        {
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        while let Poll::Ready(event) = self.inside.poll(cx) {
            match event {
                ConnectionHandlerEvent::OutboundSubstreamRequest { protocol } if !self.speaks => self.wanted = Some(protocol),
                event => return Poll::Ready(event.map_custom(Told::Inside)),
            }
        }
        Poll::Pending
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Told<H::ToBehaviour>>> {
        self.inside.poll_close(cx).map(|event| event.map(Told::Inside))
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        match event {
            Command::Inside(event) => self.inside.on_behaviour_event(event),
            Command::Speak => self.speaks = true,
        }
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<H::InboundProtocol, H::OutboundProtocol, H::InboundOpenInfo, H::OutboundOpenInfo>,
    ) {
        self.stream_begun |= matches!(event, ConnectionEvent::FullyNegotiatedInbound(_));
        self.inside.on_connection_event(event);
    }
}
