//! A peer's side of one rendezvous server: says there that it is here, and hears who else is.
//!
//! Two loops run for each server. The listener learns what kind of server it is (`/.well-known/goop`), opens its event stream and
//! opens it again whenever it ends; the publisher says `online`, a heartbeat, `offline` at the end, and whatever changes meanwhile.
//! They share a [`Link`]: where the server is now, what is known of it, how it goes.
//!
//! | Server | Published | Heard |
//! |---|---|---|
//! | ours (it has `/.well-known/goop`) | signed, with addresses | `/api/v1/events`: snapshot, then changes; resumed by `Last-Event-ID` |
//! | goop2 | six keys and our addresses; after a 400 the six keys of the seed only | `/events`: lines, heartbeats included |
//!
//! - A stream that is silent for [`events::IDLE`] is dead. It is opened again after a random part of 250 ms, then of a time
//!   that doubles up to 30 s, and from 250 ms again once a stream has said anything (a thousand clients come back spread out: [`retry`]). `Retry-After` is
//!   honoured. A redirect (308) or `moved` is followed ([`place`]), and so is a server that comes back ([`back`]).
//! - A 409 carries the epoch and the highest `seq`: the message is signed again above it, at most [`publish::TRIES`] times.
//! - Everything that comes is bounded: lines, events, bodies, rows, time. A server's certificate is verified, there is no switch.
//! - What is told with a signature is verified here, and nothing counts as signed at a server's word ([`crate::proto::signed::hearing`]).
//!   Addresses that nobody signed are thrown away (THREATS 4).

use std::sync::Arc;
use std::time::Duration;

use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::UnixMillis;
use crate::config::base_url::BaseUrl;
use crate::proto::presence::Presence;
use crate::proto::presence::snapshot::Snapshot;
use crate::proto::signed::Epoch;

mod back;
mod events;
mod exchange;
pub mod join;
mod link;
mod listen;
pub mod look;
pub mod membership;
mod place;
mod publish;
mod relay;
mod request;
mod resolve;
mod retry;
mod sequence;
pub mod standing;

pub use place::Place;
pub use sequence::Sequences;

use link::Link;

/// News that may wait for whoever takes them; then the stream waits, and in the end the server.
pub const NEWS: usize = 256;

/// What the owner of the peer shows, as far as a server is told of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// The name.
    pub content: String,
    /// Only where the owner shares it.
    pub email: Option<String>,
    /// First hex digits of the avatar's SHA-256.
    pub avatar_hash: Option<String>,
    /// Where the peer can be dialled, the most useful first.
    pub addrs: Vec<Multiaddr>,
    /// Since when all this is shown.
    pub since: UnixMillis,
}

/// One server, and what it is told.
pub struct Options {
    /// The base URL; a path in it is kept.
    pub url: BaseUrl,
    /// Signs what servers of ours are told.
    pub key: Keypair,
    /// Numbers for what is signed, shared by all servers of this peer.
    pub sequences: Sequences,
    /// Time between two messages that change nothing.
    pub heartbeat: Duration,
    /// What is shown; a change is published at once.
    pub shown: watch::Receiver<Arc<Shown>>,
}

/// What a server tells.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// The stream is open. Rows of an earlier stream go on where it is `resumed`, else a snapshot follows, if the server has one.
    Opened {
        /// Whether heartbeats that change nothing are left out, so that rows live as long as the stream.
        changes_only: bool,
        /// Whether nothing was missed.
        resumed: bool,
    },
    /// Everyone who is here; `signed` and `addrs` of each are as verified here.
    Snapshot(Snapshot),
    /// One message; `signed` and `addrs` are as verified here.
    Told(Box<Presence>),
    /// Which relay the server names; nothing of that is proven.
    Relay {
        /// Who it is.
        peer: PeerId,
        /// Where it is, with or without the peer at the end.
        addrs: Vec<Multiaddr>,
    },
    /// The stream has ended.
    Closed,
}

/// How it goes with a server, for display.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Which membership it is, as [`membership::id`] names it: of one's own server too, which stands in no configuration.
    pub id: String,
    /// Its host, and where it is one of several communities there, the path.
    pub name: String,
    /// Since when it is as it is.
    pub since: UnixMillis,
    /// The stream.
    #[serde(flatten)]
    pub stream: Stream,
    /// The name of the place where it is heard, if it has moved there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_to: Option<String>,
    /// Why the server does not take what we publish, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Whether a server's stream is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Stream {
    /// Not tried yet.
    Connecting,
    /// Open.
    Connected {
        /// Whether it is one of ours.
        ours: bool,
    },
    /// Closed, and tried again.
    Retrying {
        /// What went wrong last.
        why: String,
    },
}

/// What is known of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Ours { server: PeerId, epoch: Epoch },
    Goop2,
}

/// A server that is being published to and heard.
pub struct Client {
    link: Arc<Link>,
}

impl Client {
    /// The client, and what runs it until `stop`: says `offline` then, which takes at most [`publish::FAREWELL`].
    pub fn new(options: Options, news: mpsc::Sender<News>, stop: CancellationToken) -> (Self, impl Future<Output = ()> + Send) {
        let link = Arc::new(Link::new(Place::new(options.url.clone())));
        let client = Self { link: link.clone() };
        let me = options.key.public().to_peer_id();
        let running = async move {
            let listening = listen::run(&link, me, &news, &stop);
            tokio::join!(listening, relay::run(&link, &news, &stop), back::run(&link, &stop), publish::run(&link, options, &stop));
        };
        (client, running)
    }

    /// How it goes.
    pub fn status(&self) -> Status {
        self.link.status()
    }

    /// Where the server is heard now, if it has moved there and that may be written down: for whoever keeps the configuration. May hold the
    /// secret of a member.
    pub fn moved_to(&self) -> Option<BaseUrl> {
        let place = self.link.place();
        place.lasting().filter(|_| matches!(self.status().stream, Stream::Connected { .. })).cloned()
    }

    /// Where it moved to is configured from here on; nothing is interrupted.
    pub fn settle(&self) {
        self.link.settle();
    }

    /// As if its server had moved there, and were heard there.
    #[cfg(test)]
    pub(crate) fn came_to(&self, to: &str) {
        self.link.change_place(|place| place.moved("", to, None)).unwrap();
        self.link.stream_is(Stream::Connected { ours: true });
    }
}
