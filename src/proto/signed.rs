//! Signed presence: a presence message that proves who wrote it, for which server, and that it is not an old one.
//!
//! Beside the usual JSON stands `"sig"`: base64 of a libp2p signed envelope ([`crate::identity::envelope`]) of the domain
//! [`DOMAIN`], whose payload is this protobuf:
//!
//! ```text
//! bytes  peer = 1;            the peer id, as multihash; the envelope's own signer
//! uint32 type = 2;            1 online, 2 update, 3 offline
//! uint64 seq = 3;             larger than in every earlier message of this peer to this server; at most 2^53 - 1
//! uint64 epoch = 4;           the random number that this server drew at its start; below 2^53
//! string content = 5;         the label
//! repeated bytes addrs = 6;   where the peer can be dialled: binary multiaddrs, at most eight
//! bytes  server_peer_id = 7;  whom the message is for
//! string audience = 8;        by which name: the origin of the URL that the message is sent to, such as `https://rv.example.org`
//! uint64 since = 9;           when the peer began to say this, by its own clock in Unix milliseconds
//! optional string email = 10;         empty: none is shared
//! optional string avatar_hash = 11;   empty: there is no avatar
//! ```
//!
//! The last four may be missing ([`Details`]).
//!
//! Where it holds, the payload wins over the JSON beside it ([`Presence::authenticate`]). `epoch` and `server_peer_id` keep a message
//! from being played to another server or to the same one after a restart, `seq` from being played again: no clock is needed
//! (THREATS 1, 3). What a server does with it is in [`super::binding`], what those do to whom a server passes it on, in [`hearing`];
//! which of the addresses may be dialled, in [`addrs`].

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libp2p::identity::{Keypair, SigningError};
use libp2p::{Multiaddr, PeerId};
use prost::Message;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::presence::{KEPT_ADDRS, Kind, MAX_ADDR, MAX_AVATAR_HASH, MAX_CONTENT, MAX_EMAIL, Presence};
use crate::clock::UnixMillis;
use crate::identity::envelope::{self, EnvelopeError, MAX_ENVELOPE};

pub mod addrs;
pub mod hearing;

/// What the signature is for.
pub const DOMAIN: &str = "goop-presence/1";
/// The type of the payload, as the envelope names it.
pub const PAYLOAD_TYPE: &[u8] = b"/goop/presence";
/// Longest `sig`, in characters: [`MAX_ENVELOPE`] bytes in base64.
pub const MAX_SIG: usize = MAX_ENVELOPE.div_ceil(3) * 4;
/// Largest `seq` and `epoch`: what every reader of JSON numbers can hold.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

/// The random number that a server draws at its start; a message signed for another one is not for this run of this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(u64);

impl Epoch {
    /// An epoch from random bits.
    pub fn new(random: u64) -> Self {
        Self(random & MAX_NUMBER)
    }

    /// As a number below 2^53.
    pub fn get(self) -> u64 {
        self.0
    }
}

/// The header in which a server says with `/api/v1/events` to which epoch the stream belongs.
pub const EPOCH_HEADER: &str = "goop-epoch";
/// Longest audience, in bytes.
pub const MAX_AUDIENCE: usize = 512;

/// What a signed presence may also say. Nothing of it may be added by whoever passes the message on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Details {
    /// The name under which the sender reached the server: an origin such as `https://rv.example.org`; empty where it does not say.
    /// A server that knows its own names takes no message for another one, so nobody can pass a message on to it (THREATS 3).
    pub audience: String,
    /// When the peer began to say this, by its own clock; never judged but against what the same peer has signed elsewhere, of which
    /// the latest counts. Zero where it does not say.
    pub since: UnixMillis,
    /// The owner's email, empty for none; `None`: what stands beside the signature counts.
    pub email: Option<String>,
    /// The first hex digits of the avatar's SHA-256, empty for none; `None`: what stands beside the signature counts.
    pub avatar_hash: Option<String>,
}

/// What a peer has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedPresence {
    /// Who says it.
    pub peer: PeerId,
    /// What it says.
    pub kind: Kind,
    /// Larger than in every earlier message of this peer to this server; at most [`MAX_NUMBER`].
    pub seq: u64,
    /// Of the server's run.
    pub epoch: Epoch,
    /// The label; at most [`MAX_CONTENT`] bytes.
    pub content: String,
    /// Where the peer can be dialled; at most [`KEPT_ADDRS`].
    pub addrs: Vec<Multiaddr>,
    /// Whom it is for.
    pub server: PeerId,
    /// What else it says.
    pub details: Details,
}

/// Why a signed presence was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignedError {
    /// Not base64, or too long.
    #[error("`sig` is no base64 of at most {MAX_SIG} characters")]
    Text,
    /// The envelope is not what it should be.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The payload is not one of ours; which part.
    #[error("the signed presence has a bad `{0}`")]
    Payload(&'static str),
    /// The signer speaks of somebody else.
    #[error("the presence of {about} was signed by another peer")]
    Forged {
        /// Whom it is about.
        about: PeerId,
    },
}

/// The payload as protobuf; see the head of this file.
#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(bytes = "vec", tag = "1")]
    peer: Vec<u8>,
    #[prost(uint32, tag = "2")]
    kind: u32,
    #[prost(uint64, tag = "3")]
    seq: u64,
    #[prost(uint64, tag = "4")]
    epoch: u64,
    #[prost(string, tag = "5")]
    content: String,
    #[prost(bytes = "vec", repeated, tag = "6")]
    addrs: Vec<Vec<u8>>,
    #[prost(bytes = "vec", tag = "7")]
    server: Vec<u8>,
    #[prost(string, tag = "8")]
    audience: String,
    #[prost(uint64, tag = "9")]
    since: u64,
    #[prost(string, optional, tag = "10")]
    email: Option<String>,
    #[prost(string, optional, tag = "11")]
    avatar_hash: Option<String>,
}

impl SignedPresence {
    /// The text for `sig`.
    ///
    /// # Errors
    /// If the key cannot sign; an Ed25519 key always can.
    pub fn sign(&self, key: &Keypair) -> Result<String, SigningError> {
        let sealed = envelope::seal(key, DOMAIN, PAYLOAD_TYPE, Payload::from(self).encode_to_vec())?;
        Ok(STANDARD.encode(sealed))
    }

    /// What the text of a `sig` proves.
    ///
    /// # Errors
    /// See [`SignedError`].
    pub fn open(sig: &str) -> Result<Self, SignedError> {
        let text = Some(sig).filter(|sig| sig.len() <= MAX_SIG).ok_or(SignedError::Text)?;
        let sealed = STANDARD.decode(text).map_err(|_| SignedError::Text)?;
        let (signer, payload) = envelope::open(&sealed, DOMAIN, PAYLOAD_TYPE)?;
        let payload = Payload::decode(payload.as_slice()).map_err(|_| SignedError::Payload("protobuf"))?;
        let signed = payload.judge()?;
        if signed.peer == signer { Ok(signed) } else { Err(SignedError::Forged { about: signed.peer }) }
    }
}

impl From<&SignedPresence> for Payload {
    fn from(signed: &SignedPresence) -> Self {
        let kind = match signed.kind {
            Kind::Online => 1,
            Kind::Update => 2,
            Kind::Offline => 3,
        };
        Self {
            peer: signed.peer.to_bytes(),
            kind,
            seq: signed.seq,
            epoch: signed.epoch.0,
            content: signed.content.clone(),
            addrs: signed.addrs.iter().take(KEPT_ADDRS).map(Multiaddr::to_vec).collect(),
            server: signed.server.to_bytes(),
            audience: signed.details.audience.clone(),
            since: signed.details.since.0,
            email: signed.details.email.clone(),
            avatar_hash: signed.details.avatar_hash.clone(),
        }
    }
}

impl Payload {
    fn judge(self) -> Result<SignedPresence, SignedError> {
        let kind = match self.kind {
            1 => Kind::Online,
            2 => Kind::Update,
            3 => Kind::Offline,
            _ => return Err(SignedError::Payload("type")),
        };
        let within = |ok: bool, name| if ok { Ok(()) } else { Err(SignedError::Payload(name)) };
        within(self.seq <= MAX_NUMBER, "seq")?;
        within(self.epoch <= MAX_NUMBER, "epoch")?;
        within(self.content.len() <= MAX_CONTENT, "content")?;
        within(self.addrs.len() <= KEPT_ADDRS && self.addrs.iter().all(|addr| addr.len() <= MAX_ADDR), "addrs")?;
        within(self.audience.len() <= MAX_AUDIENCE, "audience")?;
        within(self.email.as_ref().is_none_or(|email| email.len() <= MAX_EMAIL), "email")?;
        within(self.avatar_hash.as_deref().is_none_or(is_avatar_hash), "avatar_hash")?;
        let addrs = self.addrs.into_iter().map(Multiaddr::try_from).collect::<Result<_, _>>();
        let (audience, since) = (self.audience, UnixMillis(self.since));
        Ok(SignedPresence {
            peer: PeerId::from_bytes(&self.peer).map_err(|_| SignedError::Payload("peer"))?,
            kind,
            seq: self.seq,
            epoch: Epoch(self.epoch),
            content: self.content,
            addrs: addrs.map_err(|_| SignedError::Payload("addrs"))?,
            server: PeerId::from_bytes(&self.server).map_err(|_| SignedError::Payload("server_peer_id"))?,
            details: Details { audience, since, email: self.email, avatar_hash: self.avatar_hash },
        })
    }
}

fn is_avatar_hash(text: &str) -> bool {
    text.len() <= MAX_AVATAR_HASH && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl Presence {
    /// Lets the signed payload win over what stands beside it, and answers it; `None` where nothing is signed. This verifies a
    /// signature, which costs a tenth of a millisecond.
    ///
    /// # Errors
    /// If there is a `sig` that does not hold; the message is then nobody's, and to be dropped.
    pub fn authenticate(&mut self) -> Result<Option<SignedPresence>, SignedError> {
        let Some(sig) = &self.sig else { return Ok(None) };
        let signed = SignedPresence::open(sig)?;
        (self.kind, self.peer) = (signed.kind, signed.peer);
        self.content.clone_from(&signed.content);
        self.addrs.clone_from(&signed.addrs);
        let Details { since, email, avatar_hash, .. } = &signed.details;
        self.since = *since;
        let said = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        if let Some(email) = email {
            self.email = said(email);
        }
        if let Some(hash) = avatar_hash {
            self.avatar_hash = said(hash);
        }
        Ok(Some(signed))
    }
}

#[cfg(test)]
mod tests;
