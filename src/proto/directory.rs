//! The directory's objects: what a super hub says about communities, signed and ordered so that any other hub can pass it on and nobody
//! can change it (FEDERATION B.1, B.2, B.6, B.7).
//!
//! - A [`Record`] is one community's listing, or its [tombstone](Content::Deleted). A [`Head`] is the lease of everything that one hub lists.
//!   Both travel in libp2p signed envelopes ([`crate::identity::envelope`]) and are judged by the exact bytes that were signed.
//! - `(origin, community)` is a listing's identity; [`ListingId`] is its public form and stays the same whatever the name becomes.
//! - What an origin says is ordered by [`Order`]: a statement counts if its triple is greater than the last one's. No clock decides.
//! - [`Feed`] gives an origin its own numbers, and never one of them twice, not even after a crash or a restored backup.
//! - [`Endpoint`] is where a community is met. [`target`] says which of a stranger's endpoints may be asked anything (THREATS 37), [`site`] to
//!   whom its host belongs.
//!
//! Bounds: a record of 4 KiB and a head of 1 KiB, refused before they are decoded; every field has its own.

use libp2p::PeerId;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::identity::envelope::EnvelopeError;
use crate::proto::names::NameError;

pub mod endpoint;
mod feed;
mod head;
mod id;
mod link;
mod record;
pub mod site;
pub mod target;

pub use endpoint::{Endpoint, EndpointError};
pub use feed::{Feed, FeedError, RESERVED};
pub use head::{Head, LEASE_DEFAULT, LEASE_LONGEST, LEASE_SHORTEST, MAX_HEAD, PreviousFeed};
pub use id::{CommunityKey, ListingId};
pub use link::{page_to_come_in, places_in_link};
pub use record::{Content, Listing, MAX_ENDPOINTS, MAX_RECORD, Record};

/// How far ahead of the stored one a `seq` may be: nobody may use the numbers up (FEDERATION B.9).
pub const MAX_JUMP: u64 = 1 << 32;

/// Where a statement stands in what its origin has said: by signing key, then by feed, then by number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Order {
    /// Which signing key of that origin.
    pub key_epoch: u32,
    /// When this incarnation of the feed began, in milliseconds since 1970.
    pub feed: u64,
    /// Strictly increasing in the feed; this is also the entry's version.
    pub seq: u64,
}

/// What a statement is to the one that is stored already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is newer, and counts.
    Newer,
    /// It is the same one.
    Same,
    /// It is older: a replay, or late.
    Older,
    /// The same place, other bytes: the origin says two things at once (FEDERATION B.2).
    Equivocation,
    /// Its number is further ahead than [`MAX_JUMP`].
    Jump,
}

impl Order {
    /// What a statement of this order and hash is to the stored one.
    pub fn against(self, hash: &[u8; 32], stored: Order, stored_hash: &[u8; 32]) -> Standing {
        let same_feed = (self.key_epoch, self.feed) == (stored.key_epoch, stored.feed);
        match self.cmp(&stored) {
            std::cmp::Ordering::Less => Standing::Older,
            std::cmp::Ordering::Equal if hash == stored_hash => Standing::Same,
            std::cmp::Ordering::Equal => Standing::Equivocation,
            std::cmp::Ordering::Greater if same_feed && self.seq - stored.seq > MAX_JUMP => Standing::Jump,
            std::cmp::Ordering::Greater => Standing::Newer,
        }
    }
}

/// What names a statement: the hash of its payload, never its signature, of which one payload may have several.
pub fn hash(payload: &[u8]) -> [u8; 32] {
    Sha256::digest(payload).into()
}

/// Why an object of the directory was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DirectoryError {
    /// Longer than it may be.
    #[error("{0} bytes, at most {1} are read")]
    TooLong(usize, usize),
    /// The envelope is not what it should be.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The payload is not one of ours; which part.
    #[error("it has a bad `{0}`")]
    Payload(&'static str),
    /// A name, tag or language.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An endpoint.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The signer may not speak for the origin.
    #[error("what is said for {about} was signed by another peer")]
    Forged {
        /// For whom it speaks.
        about: PeerId,
    },
}

/// The peer id in these bytes.
fn peer(bytes: &[u8], field: &'static str) -> Result<PeerId, DirectoryError> {
    PeerId::from_bytes(bytes).map_err(|_| DirectoryError::Payload(field))
}

/// The peer id in these bytes, where there are any.
fn optional_peer(bytes: &[u8], field: &'static str) -> Result<Option<PeerId>, DirectoryError> {
    if bytes.is_empty() { Ok(None) } else { peer(bytes, field).map(Some) }
}

#[cfg(test)]
mod tests;
