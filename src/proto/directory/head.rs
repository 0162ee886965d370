//! The lease of everything that one origin lists.
//!
//! ```text
//! uint32 v = 1;             1
//! bytes  origin = 2;
//! uint32 key_epoch = 3;
//! uint64 feed = 4;
//! uint64 seq = 5;           the last statement
//! uint32 count = 6;         live entries
//! bytes  root = 7;          digest of the live state, 32 bytes (FEDERATION B.4)
//! uint64 issued_ms = 8;     must strictly increase
//! uint32 ttl_s = 9;         3600 to 172800
//! uint64 prev_feed = 10;    only when the feed changed: the last one's feed, seq and root
//! uint64 prev_seq = 11;
//! bytes  prev_root = 12;
//! uint64 changed_since = 13; oldest seq after which changes can still be told one by one
//! ```

use libp2p::PeerId;
use libp2p::identity::{Keypair, SigningError};
use prost::Message;

use super::{DirectoryError, Order, hash, peer};
use crate::clock::UnixMillis;
use crate::identity::envelope;

/// What the signature is for.
const DOMAIN: &str = "goop-dir-head/1";
/// The type of the payload, as the envelope names it.
const PAYLOAD_TYPE: &[u8] = b"/goop/dir-head";
/// Longest envelope of a head, in bytes.
pub const MAX_HEAD: usize = 1024;
/// Shortest lease, in seconds.
pub const LEASE_SHORTEST: u32 = 3600;
/// Longest lease, in seconds: two days.
pub const LEASE_LONGEST: u32 = 172_800;
/// The lease unless the origin says otherwise, in seconds: a hub may be down for a day and stay listed.
pub const LEASE_DEFAULT: u32 = 86_400;

/// How far an origin's feed has come, and for how long that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Whose.
    pub origin: PeerId,
    /// The last statement.
    pub order: Order,
    /// Live entries.
    pub count: u32,
    /// Digest of the live state.
    pub root: [u8; 32],
    /// When, by the origin's clock; of two heads of one order the later renews the lease.
    pub issued: UnixMillis,
    /// For how many seconds after its receipt it counts; [`LEASE_SHORTEST`] to [`LEASE_LONGEST`].
    pub ttl: u32,
    /// Where the last feed ended; only after a change of feed.
    pub previous: Option<PreviousFeed>,
    /// Oldest number after which changes can still be told one by one.
    pub changed_since: u64,
}

/// Where a feed ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousFeed {
    /// When it had begun.
    pub feed: u64,
    /// Its last number.
    pub seq: u64,
    /// The digest of its last state.
    pub root: [u8; 32],
}

#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(uint32, tag = "1")]
    v: u32,
    #[prost(bytes = "vec", tag = "2")]
    origin: Vec<u8>,
    #[prost(uint32, tag = "3")]
    key_epoch: u32,
    #[prost(uint64, tag = "4")]
    feed: u64,
    #[prost(uint64, tag = "5")]
    seq: u64,
    #[prost(uint32, tag = "6")]
    count: u32,
    #[prost(bytes = "vec", tag = "7")]
    root: Vec<u8>,
    #[prost(uint64, tag = "8")]
    issued_ms: u64,
    #[prost(uint32, tag = "9")]
    ttl_s: u32,
    #[prost(uint64, tag = "10")]
    prev_feed: u64,
    #[prost(uint64, tag = "11")]
    prev_seq: u64,
    #[prost(bytes = "vec", tag = "12")]
    prev_root: Vec<u8>,
    #[prost(uint64, tag = "13")]
    changed_since: u64,
}

impl Head {
    /// The signed envelope, at most [`MAX_HEAD`] bytes.
    ///
    /// # Errors
    /// If the key cannot sign; an Ed25519 key always can.
    pub fn sign(&self, key: &Keypair) -> Result<Vec<u8>, SigningError> {
        envelope::seal(key, DOMAIN, PAYLOAD_TYPE, Payload::from(self).encode_to_vec())
    }

    /// Reads an envelope; answers the head and the [`hash`] of its payload. The signer must be the origin itself.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub fn open(sealed: &[u8]) -> Result<(Self, [u8; 32]), DirectoryError> {
        if sealed.len() > MAX_HEAD {
            return Err(DirectoryError::TooLong(sealed.len(), MAX_HEAD));
        }
        let (signer, payload) = envelope::open(sealed, DOMAIN, PAYLOAD_TYPE)?;
        let head = Payload::decode(payload.as_slice()).map_err(|_| DirectoryError::Payload("protobuf"))?.judge()?;
        if head.origin == signer { Ok((head, hash(&payload))) } else { Err(DirectoryError::Forged { about: head.origin }) }
    }

    /// Whether this head renews the lease that `accepted` began: it says more, or the same later. A replayed one does neither (FEDERATION B.2).
    pub fn renews(&self, accepted: &Head) -> bool {
        (self.order, self.issued) > (accepted.order, accepted.issued) && (self.order > accepted.order || self.root == accepted.root)
    }

    /// Whether the origin says two things at once: the same order, another state.
    pub fn contradicts(&self, accepted: &Head) -> bool {
        self.order == accepted.order && self.root != accepted.root
    }
}

impl From<&Head> for Payload {
    fn from(head: &Head) -> Self {
        let previous = head.previous.map(|last| (last.feed, last.seq, last.root.to_vec())).unwrap_or_default();
        Self {
            v: 1,
            origin: head.origin.to_bytes(),
            key_epoch: head.order.key_epoch,
            feed: head.order.feed,
            seq: head.order.seq,
            count: head.count,
            root: head.root.to_vec(),
            issued_ms: head.issued.0,
            ttl_s: head.ttl,
            prev_feed: previous.0,
            prev_seq: previous.1,
            prev_root: previous.2,
            changed_since: head.changed_since,
        }
    }
}

impl Payload {
    fn judge(self) -> Result<Head, DirectoryError> {
        let digest = |bytes: &[u8], field| <[u8; 32]>::try_from(bytes).map_err(|_| DirectoryError::Payload(field));
        if self.v != 1 {
            return Err(DirectoryError::Payload("v"));
        }
        if !(LEASE_SHORTEST..=LEASE_LONGEST).contains(&self.ttl_s) {
            return Err(DirectoryError::Payload("ttl_s"));
        }
        let previous = match self.prev_feed {
            0 if self.prev_seq == 0 && self.prev_root.is_empty() => None,
            feed if feed > 0 && feed < self.feed => {
                Some(PreviousFeed { feed, seq: self.prev_seq, root: digest(&self.prev_root, "prev_feed")? })
            }
            _ => return Err(DirectoryError::Payload("prev_feed")),
        };
        Ok(Head {
            origin: peer(&self.origin, "origin")?,
            order: Order { key_epoch: self.key_epoch, feed: self.feed, seq: self.seq },
            count: self.count,
            root: digest(&self.root, "root")?,
            issued: UnixMillis(self.issued_ms),
            ttl: self.ttl_s,
            previous,
            changed_since: self.changed_since,
        })
    }
}
