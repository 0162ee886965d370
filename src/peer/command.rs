//! What handle and actor say to each other.

use bytes::Bytes;
use libp2p::{Multiaddr, PeerId, StreamProtocol};
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

use super::view::{PeerRow, SelfInfo};
use crate::config::base_url::BaseUrl;

/// A byte stream to another peer; a boxed trait, so that tests can put an in-memory pipe in its place.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// An open stream to another peer, and the protocol both sides agreed on.
pub struct PeerStream {
    /// Which of the offered protocols the other side took.
    pub protocol: StreamProtocol,
    /// The bytes.
    pub io: Box<dyn Duplex>,
}

/// Why no stream could be opened.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
pub enum OpenError {
    /// The peer is this one.
    #[error("that is this peer itself")]
    Oneself,
    /// No address is known for the peer.
    #[error("no address is known for this peer")]
    NoAddress,
    /// Every known address was tried and none answered; the text says what was tried.
    #[error("the peer could not be reached: {0}")]
    Unreachable(String),
    /// It would be dialled at the word of others, and that was done too often (THREATS 4).
    #[error("it was tried too often; wait a little")]
    TooOften,
    /// The peer is there but speaks none of the offered protocols.
    #[error("the peer does not speak this protocol")]
    Unsupported,
    /// The peer did not answer in time.
    #[error("the peer did not answer in time")]
    TimedOut,
    /// This node is stopping.
    #[error("this node is stopping")]
    Stopping,
}

/// What the handle asks of the actor.
pub enum Command {
    /// The peer list, sorted by label and id.
    Peers(oneshot::Sender<Vec<PeerRow>>),
    /// What this peer says about itself.
    Me(oneshot::Sender<SelfInfo>),
    /// Open a stream that speaks the first of `protocols` that the other side knows, dialling if need be.
    Open {
        /// Whom.
        peer: PeerId,
        /// In order of preference.
        protocols: Vec<StreamProtocol>,
        /// The answer.
        reply: oneshot::Sender<Result<PeerStream, OpenError>>,
    },
    /// Who of a community is here.
    Members {
        /// Its URL as configured, or its name as among the sources of a peer.
        community: String,
        /// The answer; `None` if no community is called that.
        reply: oneshot::Sender<Option<Vec<PeerId>>>,
    },
    /// Remember where a peer can be dialled, and dial it.
    Dial {
        /// Ends in `/p2p/<id>`.
        addr: Multiaddr,
        /// The answer.
        reply: oneshot::Sender<Result<PeerId, OpenError>>,
    },
    /// Be reachable through this relay too, as long as no better way is known.
    UseRelay {
        /// Who it is.
        peer: PeerId,
        /// Where it is, with or without `/p2p/…`; the most promising first.
        addrs: Vec<Multiaddr>,
    },
    /// Cut a peer off, or let it in again.
    Block {
        /// Whom.
        peer: PeerId,
        /// Whether it is blocked.
        blocked: bool,
    },
    /// The owner's avatar changed on disk: announce its new hash.
    AvatarChanged(Option<Bytes>),
    /// Servers that moved: their URLs as configured, and where they are heard now.
    Moves(oneshot::Sender<Vec<(BaseUrl, BaseUrl)>>),
    /// The rendezvous servers are these now.
    Serve(Vec<BaseUrl>),
    /// The owner goes by another name now, or shares another email.
    NameChanged {
        /// The name.
        label: String,
        /// The email, if it is shared.
        email: Option<String>,
    },
}
