//! One community's listing, or its tombstone, signed by the hub that lists it.
//!
//! ```text
//! uint32 v = 1;                  1
//! bytes  origin = 2;             the owning hub's peer id, as multihash
//! uint32 key_epoch = 3;          which signing key of that origin
//! uint64 feed = 4;               when this incarnation of the feed began, Unix milliseconds
//! uint64 seq = 5;                strictly increasing in the feed
//! bytes  community = 6;          16 random bytes, chosen once
//! bool   deleted = 7;            a tombstone: all below empty except reason
//! string name = 8;               see crate::proto::names
//! string summary = 9;
//! repeated string tags = 10;
//! uint32 kind = 11;              1 open, 2 invite-only, 3 application
//! bool   paid = 12;
//! string lang = 13;
//! repeated string endpoints = 14;
//! bytes  rendezvous_id = 15;     peer id of the rendezvous server; absent: unproven
//! bytes  community_key = 16;     peer id of the community itself
//! bytes  community_sig = 17;     its consent, see Listing::consent
//! uint32 members = 18;           the owner's claim; never used for ranking
//! uint64 issued_ms = 19;         informative
//! string reason = 20;            of a tombstone
//! ```

use libp2p::PeerId;
use libp2p::identity::{Keypair, SigningError};
use prost::Message;

use super::{CommunityKey, DirectoryError, Endpoint, ListingId, Order, hash, optional_peer, peer};
use crate::clock::UnixMillis;
use crate::identity::envelope;
use crate::proto::community::Kind;
use crate::proto::names::{Lang, Name, Summary, Tag};

/// What the signature is for.
const DOMAIN: &str = "goop-dir-record/1";
/// The type of the payload, as the envelope names it.
const PAYLOAD_TYPE: &[u8] = b"/goop/dir-record";
/// Longest envelope of a record, in bytes.
pub const MAX_RECORD: usize = 4096;
/// Most endpoints of one community.
pub const MAX_ENDPOINTS: usize = 4;
/// Longest reason of a tombstone, in bytes.
pub const MAX_REASON: usize = 200;
/// Longest signature of a community's consent, in bytes.
const MAX_SIG: usize = 1024;

/// What an origin says of one community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The hub that lists it, and alone may change it.
    pub origin: PeerId,
    /// Where this statement stands in what the origin said.
    pub order: Order,
    /// The identity of the listing, within its origin.
    pub community: CommunityKey,
    /// When it was said, by the origin's clock; informative.
    pub issued: UnixMillis,
    /// What is said.
    pub content: Content,
}

/// What a record says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// The community is listed.
    Listed(Box<Listing>),
    /// It is no longer; why, in at most [`MAX_REASON`] bytes.
    Deleted(String),
}

/// A listed community.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// What it is called.
    pub name: Name,
    /// What it says of itself.
    pub summary: Summary,
    /// Under what it is filed.
    pub tags: Vec<Tag>,
    /// How somebody comes in.
    pub kind: Kind,
    /// Whether that costs money.
    pub paid: bool,
    /// What is mostly spoken there.
    pub lang: Option<Lang>,
    /// Where it is met, the first first; 1 to [`MAX_ENDPOINTS`].
    pub endpoints: Vec<Endpoint>,
    /// Who the rendezvous server is; `None`: nobody knows, as with goop2's servers.
    pub rendezvous_id: Option<PeerId>,
    /// The community's own key, and what it has signed; see [`Self::consent`].
    pub community_key: Option<(PeerId, Vec<u8>)>,
    /// How many members its owner says it has.
    pub members: u32,
}

/// The payload as protobuf; see the head of this file.
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
    #[prost(bytes = "vec", tag = "6")]
    community: Vec<u8>,
    #[prost(bool, tag = "7")]
    deleted: bool,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(string, tag = "9")]
    summary: String,
    #[prost(string, repeated, tag = "10")]
    tags: Vec<String>,
    #[prost(uint32, tag = "11")]
    kind: u32,
    #[prost(bool, tag = "12")]
    paid: bool,
    #[prost(string, tag = "13")]
    lang: String,
    #[prost(string, repeated, tag = "14")]
    endpoints: Vec<String>,
    #[prost(bytes = "vec", tag = "15")]
    rendezvous_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "16")]
    community_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "17")]
    community_sig: Vec<u8>,
    #[prost(uint32, tag = "18")]
    members: u32,
    #[prost(uint64, tag = "19")]
    issued_ms: u64,
    #[prost(string, tag = "20")]
    reason: String,
}

impl Record {
    /// Its public id.
    pub fn id(&self) -> ListingId {
        ListingId::of(&self.origin, &self.community)
    }

    /// The listing; `None` for a tombstone.
    pub fn listing(&self) -> Option<&Listing> {
        match &self.content {
            Content::Listed(listing) => Some(listing),
            Content::Deleted(_) => None,
        }
    }

    /// The signed envelope, at most [`MAX_RECORD`] bytes.
    ///
    /// # Errors
    /// If the key cannot sign; an Ed25519 key always can.
    pub fn sign(&self, key: &Keypair) -> Result<Vec<u8>, SigningError> {
        envelope::seal(key, DOMAIN, PAYLOAD_TYPE, self.payload())
    }

    /// The bytes that are signed.
    pub fn payload(&self) -> Vec<u8> {
        Payload::from(self).encode_to_vec()
    }

    /// Reads an envelope: the signature first, then what it holds. Answers the record and the [`hash`] of its payload. The signer must be
    /// the origin itself.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub fn open(sealed: &[u8]) -> Result<(Self, [u8; 32]), DirectoryError> {
        if sealed.len() > MAX_RECORD {
            return Err(DirectoryError::TooLong(sealed.len(), MAX_RECORD));
        }
        let (signer, payload) = envelope::open(sealed, DOMAIN, PAYLOAD_TYPE)?;
        let record = Self::of_payload(&payload)?;
        if record.origin == signer { Ok((record, hash(&payload))) } else { Err(DirectoryError::Forged { about: record.origin }) }
    }

    /// Reads the payload of a record that was read whole before this hub kept it: names and addresses have their normal form already, and
    /// finding that out again would take most of a search's time.
    ///
    /// # Errors
    /// [`DirectoryError::Payload`].
    pub fn of_kept(payload: &[u8]) -> Result<Self, DirectoryError> {
        let payload = Payload::decode(payload).map_err(|_| DirectoryError::Payload("protobuf"))?;
        payload.judge(Payload::kept)
    }

    /// Reads a payload whose signature was judged before.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub fn of_payload(payload: &[u8]) -> Result<Self, DirectoryError> {
        if payload.len() > MAX_RECORD {
            return Err(DirectoryError::TooLong(payload.len(), MAX_RECORD));
        }
        Payload::decode(payload).map_err(|_| DirectoryError::Payload("protobuf"))?.judge(Payload::listing)
    }
}

impl Listing {
    /// What the community's own key signs to say that this hub may list it there: the proof that two hubs' listings are the same community.
    pub fn consent(origin: &PeerId, community: &CommunityKey, endpoints: &[Endpoint]) -> Vec<u8> {
        let mut bytes = b"goop-dir-consent/1".to_vec();
        let parts = [origin.to_bytes(), community.to_vec()].into_iter().chain(endpoints.iter().map(|one| one.as_str().as_bytes().to_vec()));
        for part in parts {
            bytes.extend((part.len() as u32).to_be_bytes());
            bytes.extend(part);
        }
        bytes
    }
}

impl From<&Record> for Payload {
    fn from(record: &Record) -> Self {
        let common = Self {
            v: 1,
            origin: record.origin.to_bytes(),
            key_epoch: record.order.key_epoch,
            feed: record.order.feed,
            seq: record.order.seq,
            community: record.community.to_vec(),
            issued_ms: record.issued.0,
            ..Self::default()
        };
        match &record.content {
            Content::Deleted(reason) => Self { deleted: true, reason: reason.clone(), ..common },
            Content::Listed(listing) => common.with(listing),
        }
    }
}

impl Payload {
    fn with(self, listing: &Listing) -> Self {
        let (key, sig) = listing.community_key.clone().map(|(key, sig)| (key.to_bytes(), sig)).unwrap_or_default();
        Self {
            name: listing.name.as_str().to_owned(),
            summary: listing.summary.as_str().to_owned(),
            tags: listing.tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
            kind: match listing.kind {
                Kind::Open => 1,
                Kind::InviteOnly => 2,
                Kind::Application => 3,
            },
            paid: listing.paid,
            lang: listing.lang.as_ref().map(|lang| lang.as_str().to_owned()).unwrap_or_default(),
            endpoints: listing.endpoints.iter().map(|one| one.as_str().to_owned()).collect(),
            rendezvous_id: listing.rendezvous_id.map(PeerId::to_bytes).unwrap_or_default(),
            community_key: key,
            community_sig: sig,
            members: listing.members,
            ..self
        }
    }

    fn judge(self, read: fn(Self) -> Result<Listing, DirectoryError>) -> Result<Record, DirectoryError> {
        if self.v != 1 {
            return Err(DirectoryError::Payload("v"));
        }
        let community = self.community.as_slice().try_into().map_err(|_| DirectoryError::Payload("community"))?;
        Ok(Record {
            origin: peer(&self.origin, "origin")?,
            order: Order { key_epoch: self.key_epoch, feed: self.feed, seq: self.seq },
            community,
            issued: UnixMillis(self.issued_ms),
            content: if self.deleted { self.tombstone()? } else { Content::Listed(Box::new(read(self)?)) },
        })
    }

    fn tombstone(self) -> Result<Content, DirectoryError> {
        let empty = Self { kind: 0, ..Self::default() };
        let body = Self {
            v: 0,
            origin: vec![],
            key_epoch: 0,
            feed: 0,
            seq: 0,
            community: vec![],
            deleted: false,
            issued_ms: 0,
            reason: String::new(),
            ..self.clone()
        };
        let fine = self.reason.len() <= MAX_REASON && !self.reason.chars().any(char::is_control);
        if body == empty && fine { Ok(Content::Deleted(self.reason)) } else { Err(DirectoryError::Payload("deleted")) }
    }

    fn listing(self) -> Result<Listing, DirectoryError> {
        let (name, summary) = (Name::parse(&self.name)?, Summary::parse(&self.summary)?);
        let tags = Tag::parse_all(self.tags.iter().map(String::as_str))?;
        let lang = if self.lang.is_empty() { None } else { Some(Lang::parse(&self.lang)?) };
        let endpoints = self.endpoints.iter().take(MAX_ENDPOINTS + 1).map(|one| Endpoint::parse(one)).collect::<Result<Vec<_>, _>>()?;
        // What others sign has its normal form already, or two hubs would show two things.
        let same = |ok: bool, field| if ok { Ok(()) } else { Err(DirectoryError::Payload(field)) };
        same(name.as_str() == self.name, "name")?;
        same(summary.as_str() == self.summary, "summary")?;
        same(tags.iter().map(Tag::as_str).eq(self.tags.iter().map(String::as_str)), "tags")?;
        same(lang.as_ref().map_or("", Lang::as_str) == self.lang, "lang")?;
        same((1..=MAX_ENDPOINTS).contains(&endpoints.len()), "endpoints")?;
        same(endpoints.iter().map(Endpoint::as_str).eq(self.endpoints.iter().map(String::as_str)), "endpoints")?;
        same(self.reason.is_empty(), "reason")?;
        same(self.community_sig.len() <= MAX_SIG && self.community_key.is_empty() == self.community_sig.is_empty(), "community_sig")?;
        let kind = self.kind()?;
        let rendezvous_id = optional_peer(&self.rendezvous_id, "rendezvous_id")?;
        let community_key = optional_peer(&self.community_key, "community_key")?.map(|key| (key, self.community_sig));
        Ok(Listing { name, summary, tags, kind, paid: self.paid, lang, endpoints, rendezvous_id, community_key, members: self.members })
    }

    fn kind(&self) -> Result<Kind, DirectoryError> {
        match self.kind {
            1 => Ok(Kind::Open),
            2 => Ok(Kind::InviteOnly),
            3 => Ok(Kind::Application),
            _ => Err(DirectoryError::Payload("kind")),
        }
    }

    /// The listing of a record that was judged before.
    fn kept(self) -> Result<Listing, DirectoryError> {
        Ok(Listing {
            kind: self.kind()?,
            rendezvous_id: optional_peer(&self.rendezvous_id, "rendezvous_id")?,
            community_key: optional_peer(&self.community_key, "community_key")?.map(|key| (key, self.community_sig)),
            name: Name::kept(self.name),
            summary: Summary::kept(self.summary),
            tags: self.tags.into_iter().map(Tag::kept).collect(),
            lang: Some(self.lang).filter(|lang| !lang.is_empty()).map(Lang::kept),
            endpoints: self.endpoints.into_iter().map(Endpoint::kept).collect(),
            paid: self.paid,
            members: self.members,
        })
    }
}
