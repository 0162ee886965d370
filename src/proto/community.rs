//! Communities of one rendezvous server: their names, who is in them, who is kept out.
//!
//! Each has a board of its own. An open one is for everybody; the others are for members, each with a personal token that publishes for
//! one peer. For everybody else a closed community looks exactly like one that does not exist.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::IpAddr;

use libp2p::PeerId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::clock::UnixMillis;
use crate::proto::invite::Token;

/// Most characters of a slug.
pub const MAX_SLUG: usize = 40;
/// Most characters of a community's name.
pub const MAX_NAME: usize = 80;
/// Names that mean something in a URL or to a reader already.
const RESERVED: [&str; 14] =
    ["admin", "api", "c", "events", "fed", "goop", "healthz", "join", "m", "metrics", "publish", "readyz", "static", "via404"];

/// The name of a community in URLs: 2 to 40 of `a-z`, `0-9` and inner `-`, not reserved, without `425` (CONTRACT).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Slug(String);

/// The text is no slug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SlugError {
    /// Wrong length or characters.
    #[error("a community is named in 2 to {MAX_SLUG} small letters, digits and inner hyphens")]
    Form,
    /// It means something else.
    #[error("this name is reserved")]
    Reserved,
    /// Newest goop2 clients would read it as an HTTP status.
    #[error("the name may not contain 425, which newest goop2 clients read as an error")]
    Unlucky,
}

impl Slug {
    /// Reads a slug.
    ///
    /// # Errors
    /// See [`SlugError`].
    pub fn parse(text: &str) -> Result<Self, SlugError> {
        let fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let hyphens = text.starts_with('-') || text.ends_with('-') || text.contains("--");
        match () {
            () if !(2..=MAX_SLUG).contains(&text.len()) || !text.bytes().all(fine) || hyphens => Err(SlugError::Form),
            () if RESERVED.contains(&text) => Err(SlugError::Reserved),
            () if text.contains("425") => Err(SlugError::Unlucky),
            () => Ok(Self(text.to_owned())),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How somebody comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Everybody is in.
    Open,
    /// By invitation.
    InviteOnly,
    /// By asking, and the operator's word; invitations work too.
    Application,
}

impl Kind {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::InviteOnly => "invite-only",
            Self::Application => "application",
        }
    }

    /// The kind of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Open, Self::InviteOnly, Self::Application].into_iter().find(|kind| kind.word() == word)
    }
}

/// A community, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Community {
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// How somebody comes in.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// When it was founded.
    pub created: UnixMillis,
}

/// Somebody with a personal URL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Member {
    /// The number of the token.
    pub id: i64,
    /// The community.
    pub slug: String,
    /// The one peer that the token publishes for; `None` until it is first used.
    #[serde(serialize_with = "peer_text")]
    pub peer: Option<PeerId>,
    /// When it was issued.
    pub joined: UnixMillis,
    /// What the operator noted.
    pub note: String,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// Who or what is kept out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ban {
    /// Its number.
    pub id: i64,
    /// Of one community alone; `None`: of all.
    pub slug: Option<String>,
    /// A peer.
    #[serde(serialize_with = "peer_text")]
    pub peer: Option<PeerId>,
    /// An address (IPv6: its /64). Neither peer nor address: the community itself is shut.
    pub address: Option<IpAddr>,
    /// Why, for people.
    pub reason: String,
    /// Since when.
    pub since: UnixMillis,
    /// Until when; `None`: for good.
    pub ends: Option<UnixMillis>,
}

impl Ban {
    /// Whether it keeps out this visitor of the community `slug` (`None`: the open board).
    pub fn hits(&self, slug: Option<&str>, peer: Option<&PeerId>, address: IpAddr, now: UnixMillis) -> bool {
        let here = self.slug.is_none() || self.slug.as_deref() == slug;
        let lasts = self.ends.is_none_or(|ends| now < ends);
        let whom = match (&self.peer, self.address) {
            (None, None) => self.slug.is_some(),
            (Some(banned), None) => peer == Some(banned),
            (None, Some(banned)) => banned == address,
            (Some(banned), Some(from)) => peer == Some(banned) || from == address,
        };
        here && lasts && whom
    }
}

/// What a visitor may do at a community.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// The number of the personal token, where one was shown.
    pub token: Option<i64>,
    /// The one peer it publishes for, where that is settled.
    pub peer: Option<PeerId>,
}

/// Everything that decides who comes in: a copy in memory of what the store holds.
#[derive(Debug, Default)]
pub struct Register {
    communities: HashMap<String, Community>,
    members: HashMap<String, Member>,
    /// The numbers of the tokens that count.
    tokens: HashSet<i64>,
    /// Bans by whom they name, so that asking costs the same however many there are.
    of_peers: HashMap<PeerId, Vec<Ban>>,
    of_addresses: HashMap<IpAddr, Vec<Ban>>,
    of_communities: Vec<Ban>,
    /// Where boards have gone; `None` is the open one.
    moves: HashMap<Option<String>, String>,
}

impl Register {
    /// A register of these; members by the digest of their token.
    pub fn new(communities: Vec<Community>, members: HashMap<String, Member>, bans: Vec<Ban>) -> Self {
        let communities = communities.into_iter().map(|community| (community.slug.clone(), community)).collect();
        let tokens = members.values().filter(|member| !member.revoked).map(|member| member.id).collect();
        let mut register = Self { communities, members, tokens, ..Self::default() };
        bans.into_iter().for_each(|ban| register.keep_out(ban));
        register
    }

    /// The same, with the new places of boards that have moved.
    #[must_use]
    pub fn with_moves(self, moves: HashMap<Option<String>, String>) -> Self {
        Self { moves, ..self }
    }

    /// Where the board `slug` (`None`: the open one) has gone: a base URL without a slash at its end.
    pub fn moved(&self, slug: Option<&str>) -> Option<&str> {
        if self.moves.is_empty() {
            return None;
        }
        self.moves.get(&slug.map(str::to_owned)).map(String::as_str)
    }

    fn keep_out(&mut self, ban: Ban) {
        if let Some(peer) = ban.peer {
            self.of_peers.entry(peer).or_default().push(ban.clone());
        }
        match ban.address {
            Some(address) => self.of_addresses.entry(address).or_default().push(ban),
            None if ban.peer.is_none() => self.of_communities.push(ban),
            None => {}
        }
    }

    /// The community of this name.
    pub fn community(&self, slug: &str) -> Option<&Community> {
        self.communities.get(slug)
    }

    /// All communities.
    pub fn communities(&self) -> impl Iterator<Item = &Community> {
        self.communities.values()
    }

    /// What whoever shows `token` may do at `slug`; `None` where that is nothing.
    pub fn pass(&self, slug: &str, token: Option<&str>) -> Option<Pass> {
        let open = self.community(slug)?.kind == Kind::Open;
        let Some(token) = token else { return open.then_some(Pass { token: None, peer: None }) };
        let member = self.members.get(&Token::shown(token).digest())?;
        (member.slug == slug && !member.revoked).then_some(Pass { token: Some(member.id), peer: member.peer })
    }

    /// The ban that keeps out this visitor, if there is one. `address` is as limits count it (IPv6: a /64).
    pub fn ban(&self, slug: Option<&str>, peer: Option<&PeerId>, address: IpAddr, now: UnixMillis) -> Option<&Ban> {
        let of_peer = peer.and_then(|peer| self.of_peers.get(peer)).into_iter().flatten();
        let of_address = self.of_addresses.get(&address).into_iter().flatten();
        let mut bans = of_peer.chain(of_address).chain(&self.of_communities);
        bans.find(|ban| ban.hits(slug, peer, address, now))
    }

    /// Whether the token with this number still counts.
    pub fn counts(&self, token: i64) -> bool {
        self.tokens.contains(&token)
    }

    /// The peers that members of `slug` publish as.
    pub fn peers_of(&self, slug: &str) -> HashSet<PeerId> {
        let members = self.members.values().filter(|member| member.slug == slug && !member.revoked);
        members.filter_map(|member| member.peer).collect()
    }

    /// How many are members of `slug`.
    pub fn members_of(&self, slug: &str) -> usize {
        self.members.values().filter(|member| member.slug == slug && !member.revoked).count()
    }
}

fn peer_text<S: serde::Serializer>(peer: &Option<PeerId>, to: S) -> Result<S::Ok, S::Error> {
    peer.map(|peer| peer.to_base58()).serialize(to)
}

#[cfg(test)]
mod tests;
