//! The part of the stream behaviour that lives in each connection.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::Stream;
use libp2p::core::upgrade::{InboundUpgrade, OutboundUpgrade, UpgradeInfo};
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{ConnectionHandler, ConnectionHandlerEvent, StreamProtocol, StreamUpgradeError, SubstreamProtocol};
use tokio::sync::oneshot;

use super::{MAX_WAITING, OpenFailure, Opened};

/// Ask this connection for a stream.
pub struct Request {
    pub(super) protocols: Vec<StreamProtocol>,
    pub(super) reply: oneshot::Sender<Opened>,
}

/// A stream is ready; the behaviour hands it on.
pub enum Negotiated {
    /// The other side opened it.
    Inbound {
        /// What it speaks.
        protocol: StreamProtocol,
        /// The stream.
        stream: Stream,
    },
    /// We asked for it.
    Outbound {
        /// What both sides agreed on.
        protocol: StreamProtocol,
        /// The stream.
        stream: Stream,
        /// Who waits for it.
        reply: oneshot::Sender<Opened>,
    },
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("protocols", &self.protocols).finish_non_exhaustive()
    }
}

impl fmt::Debug for Negotiated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inbound { protocol, .. } => write!(f, "Inbound({protocol})"),
            Self::Outbound { protocol, .. } => write!(f, "Outbound({protocol})"),
        }
    }
}

/// One per connection.
#[derive(Debug)]
pub struct Handler {
    served: Arc<[StreamProtocol]>,
    requests: VecDeque<Request>,
    negotiated: VecDeque<Negotiated>,
}

impl Handler {
    pub(super) fn new(served: Arc<[StreamProtocol]>) -> Self {
        Self { served, requests: VecDeque::new(), negotiated: VecDeque::new() }
    }
}

impl ConnectionHandler for Handler {
    type FromBehaviour = Request;
    type ToBehaviour = Negotiated;
    type InboundProtocol = Offer;
    type OutboundProtocol = Offer;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = oneshot::Sender<Opened>;

    fn listen_protocol(&self) -> SubstreamProtocol<Offer, ()> {
        SubstreamProtocol::new(Offer(self.served.clone()), ())
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ConnectionHandlerEvent<Offer, oneshot::Sender<Opened>, Negotiated>> {
        if let Some(ready) = self.negotiated.pop_front() {
            return Poll::Ready(ConnectionHandlerEvent::NotifyBehaviour(ready));
        }
        if let Some(Request { protocols, reply }) = self.requests.pop_front() {
            let protocol = SubstreamProtocol::new(Offer(protocols.into()), reply);
            return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { protocol });
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, request: Request) {
        if self.requests.len() < MAX_WAITING {
            self.requests.push_back(request);
        } else {
            let _ = request.reply.send(Err(OpenFailure::Busy));
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Offer, Offer, (), oneshot::Sender<Opened>>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: (protocol, stream), .. })
                if self.negotiated.len() < MAX_WAITING =>
            {
                self.negotiated.push_back(Negotiated::Inbound { protocol, stream });
            }
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: (protocol, stream), info }) => {
                self.negotiated.push_back(Negotiated::Outbound { protocol, stream, reply: info });
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                let _ = info.send(Err(match error {
                    StreamUpgradeError::Timeout => OpenFailure::TimedOut,
                    StreamUpgradeError::NegotiationFailed => OpenFailure::Unsupported,
                    StreamUpgradeError::Io(_) => OpenFailure::NotConnected,
                }));
            }
            _ => {}
        }
    }
}

/// Protocol names to agree on; the first that both sides know wins, and the stream itself is left untouched.
#[derive(Debug, Clone)]
pub struct Offer(Arc<[StreamProtocol]>);

impl UpgradeInfo for Offer {
    type Info = StreamProtocol;
    type InfoIter = Vec<StreamProtocol>;

    fn protocol_info(&self) -> Vec<StreamProtocol> {
        self.0.to_vec()
    }
}

impl InboundUpgrade<Stream> for Offer {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_inbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}

impl OutboundUpgrade<Stream> for Offer {
    type Output = (StreamProtocol, Stream);
    type Error = Infallible;
    type Future = Ready<Result<Self::Output, Infallible>>;

    fn upgrade_outbound(self, stream: Stream, protocol: StreamProtocol) -> Self::Future {
        ready(Ok((protocol, stream)))
    }
}
