//! Presence: the short JSON message with which a peer says that it is here, and the table of who is.
//!
//! A peer publishes `online` when it starts, `update` every few seconds (the heartbeat) and whenever its profile changes, and
//! `offline` when it stops. The same message travels on GossipSub and through rendezvous servers:
//!
//! ```json
//! {"type":"update","peerID":"12D3KooW…","content":"Alice's node","email":"alice@example.com","avatarHash":"eb22337e5d4304e4",
//!  "ts":1738764000000,"addrs":["/ip4/192.168.1.5/tcp/40001"],"goopClientVersion":"0.1.0"}
//! ```
//!
//! - `content` is the peer's label. Everything but `type` and `peerID` may be missing; a missing key, `null` and an empty value are
//!   the same. Keys are understood in any letter case, unknown ones are ignored, repeated ones refuse the message (THREATS 13).
//! - `ts` informs people; no rule looks at it. Freshness is judged by the time of arrival.
//! - Nothing here proves who wrote a message, but `sig` where it stands ([`super::signed`]). On gossip the caller hands in the signed
//!   source ([`Presence::parse_gossip`]).
//!
//! [`table::PresenceTable`] keeps the rows; [`label`] makes foreign text fit to be shown.

use libp2p::{Multiaddr, PeerId};
use thiserror::Error;

use crate::clock::UnixMillis;
use crate::identity::nameless;

mod extras;
pub mod label;
pub mod snapshot;
pub mod table;
mod wire;

pub use extras::{Extras, MAX_PUBLIC_KEY, MAX_TEMPLATE};

/// Longest presence message on GossipSub, in bytes; longer ones are refused, and we never publish one (THREATS 46).
pub const MAX_GOSSIP_BYTES: usize = 4 * 1024;
/// Longest presence message looked at from anywhere, in bytes: one line of goop2's event stream.
pub const MAX_BYTES: usize = 64 * 1024;
/// Longest `peerID`, in bytes.
pub const MAX_PEER_ID: usize = 256;
/// Longest `content`, in bytes.
pub const MAX_CONTENT: usize = 4096;
/// Longest `email`, in bytes.
pub const MAX_EMAIL: usize = 320;
/// Longest `avatarHash`, in hex digits; goop2 and we write 16.
pub const MAX_AVATAR_HASH: usize = 64;
/// Most entries of `addrs` that a message may have.
pub const MAX_ADDRS: usize = 20;
/// Longest entry of `addrs`, in bytes.
pub const MAX_ADDR: usize = 256;
/// Entries of `addrs` that are kept: the first ones that are multiaddrs (THREATS 4).
pub const KEPT_ADDRS: usize = 8;
/// Longest `goopClientVersion`, in bytes; a longer one is cut.
pub const MAX_VERSION: usize = 64;

/// What a presence message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The peer has just come.
    Online,
    /// The peer is here; from a stranger this is as good as [`Kind::Online`].
    Update,
    /// The peer is about to leave.
    Offline,
}

/// One presence message. What is absent on the wire is empty or `None` here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// What it says.
    pub kind: Kind,
    /// About whom.
    pub peer: PeerId,
    /// The name its owner chose, exactly as written: show it through [`Presence::display_label`] only.
    pub content: String,
    /// The owner's email, where they share it.
    pub email: Option<String>,
    /// The first hex digits of the SHA-256 of the avatar, lower case.
    pub avatar_hash: Option<String>,
    /// When its writer says it was written; informative.
    pub ts: UnixMillis,
    /// Where the peer says it can be dialled; at most [`KEPT_ADDRS`].
    pub addrs: Vec<Multiaddr>,
    /// The version of the program that wrote it, where it tells.
    pub client_version: Option<String>,
    /// A server's word that it has verified the peer's signature; said by nobody else, and never written.
    pub signed: bool,
    /// When the peer began to say this, by its own clock, where it has signed that ([`super::signed::Details`]); never written.
    pub since: UnixMillis,
    /// A signed envelope in base64, unverified, of at most [`MAX_SIG`](super::signed::MAX_SIG) characters; see [`super::signed`].
    pub sig: Option<String>,
}

/// Why a presence message was refused. Refusing changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PresenceError {
    /// Longer than the door it came through allows.
    #[error("presence of {len} bytes, at most {limit} are read")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not one JSON object of the right types, a repeated key, or bytes after the object; the text is cleaned and short.
    #[error("presence is not valid: {0}")]
    Json(String),
    /// No `type`, or no `peerID`.
    #[error("presence without `{0}`")]
    Missing(&'static str),
    /// A `type` we do not know, such as goop2's `punch`; callers may ignore it quietly. The text is cleaned and short.
    #[error("presence of unknown type `{0}`")]
    UnknownKind(String),
    /// A value longer than its limit, or not of its form.
    #[error("presence with a bad `{0}`")]
    Bad(&'static str),
    /// On gossip: the message is about somebody else than its signed source (THREATS 45).
    #[error("presence about {about} was signed by another peer")]
    Forged {
        /// Whom it is about.
        about: PeerId,
    },
}

impl Presence {
    /// A message of `kind` about `peer` with nothing else in it, which is all that an `offline` needs.
    pub fn new(kind: Kind, peer: PeerId, ts: UnixMillis) -> Self {
        Self {
            kind,
            peer,
            content: String::new(),
            email: None,
            avatar_hash: None,
            ts,
            addrs: Vec::new(),
            client_version: None,
            signed: false,
            since: UnixMillis(0),
            sig: None,
        }
    }

    /// Whether it says what `other` says; kind, time of writing and signature do not count.
    pub(super) fn says(&self, other: &Self) -> bool {
        self.content == other.content
            && self.avatar_hash == other.avatar_hash
            && self.email == other.email
            && self.addrs == other.addrs
            && self.client_version == other.client_version
    }

    /// Read a message from JSON of at most [`MAX_BYTES`].
    pub fn parse(json: &[u8]) -> Result<Self, PresenceError> {
        wire::parse(json).map(|(presence, _)| presence)
    }

    /// The same, and what newest goop2 peers write beside it, which only boards pass on.
    pub fn parse_with_extras(json: &[u8]) -> Result<(Self, Extras), PresenceError> {
        wire::parse(json)
    }

    /// Read a message that came on gossip: at most [`MAX_GOSSIP_BYTES`], and about nobody but its signed `source`.
    pub fn parse_gossip(json: &[u8], source: &PeerId) -> Result<Self, PresenceError> {
        at_most(json.len(), MAX_GOSSIP_BYTES)?;
        let presence = Self { sig: None, signed: false, ..Self::parse(json)? };
        if presence.peer == *source { Ok(presence) } else { Err(PresenceError::Forged { about: presence.peer }) }
    }

    /// The message as JSON, absent values left out. With no `addrs` and no `client_version` it has the six keys that every goop2
    /// server takes.
    pub fn to_json(&self) -> String {
        wire::to_json(self)
    }

    /// The message as JSON of at most [`MAX_GOSSIP_BYTES`]: where it is longer, first `addrs` go, then the end of the label.
    pub fn to_gossip_json(&self) -> String {
        let whole = self.to_json();
        if whole.len() <= MAX_GOSSIP_BYTES {
            return whole;
        }
        let bare = Self { addrs: Vec::new(), ..self.clone() };
        let json = bare.to_json();
        if json.len() <= MAX_GOSSIP_BYTES {
            return json;
        }
        let content = label::cut_bytes(&self.content, GOSSIP_LABEL).to_owned();
        Self { content, ..bare }.to_json()
    }

    /// The label fit for logs and rows: see [`label::clean`]; a peer whose label shows nothing is called by its id.
    pub fn display_label(&self) -> String {
        if label::is_blank(&self.content) { nameless(&self.peer) } else { label::clean(&self.content, label::MAX_SHOWN) }
    }
}

/// Bytes of a label that fit a gossip message whatever they are, six bytes of JSON each, beside the longest email.
const GOSSIP_LABEL: usize = 240;

fn at_most(len: usize, limit: usize) -> Result<(), PresenceError> {
    if len <= limit { Ok(()) } else { Err(PresenceError::TooLong { len, limit }) }
}

#[cfg(test)]
mod tests;
