//! A chat message, what becomes of it, and how much of what was said is kept.
//!
//! Who sent a message is taken from the connection it came on, never from its text. What others send faster than
//! [`super::rate::CHAT_PER_PEER`] allows is refused, so that nobody pushes what was said out of the history or floods the screen.
//!
//! A message of the owner is kept before it is sent. It is on its way ([`State::Sending`]) until the other side took it or did not;
//! one to a favourite that is away waits ([`State::Waiting`]) for [`WAITS`] at most, and goes out in order, with the same id however
//! often it is tried, by which the receiver knows it.

use std::time::Duration;

use libp2p::PeerId;
use serde::Serialize;
use serde::ser::SerializeStruct;

use crate::clock::UnixMillis;

/// Longest text of one message, in bytes; longer ones are refused on the way out and dropped on the way in.
pub const MAX_CONTENT: usize = 64 * 1024;
/// How long a message waits for a favourite that is away.
pub const WAITS: Duration = Duration::from_secs(7 * 24 * 3600);
/// Messages that wait for one peer; one more is refused.
pub const MAX_WAITING_PER_PEER: u32 = 100;
/// Messages that wait in all; one more is refused.
pub const MAX_WAITING: u32 = 1000;
/// What a message costs besides its text and its id, in bytes.
const OVERHEAD: usize = 256;

/// How much of what was said is kept. Messages that wait count, but never leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Messages of one conversation; the oldest leave first, but among messages to many those of whoever has most bytes.
    pub messages: u32,
    /// Bytes of one conversation; as with `messages`.
    pub bytes: u32,
    /// Conversations; the one that was quiet longest leaves first, communities and those in which the owner wrote last of all.
    pub conversations: u32,
    /// Bytes in all; what leaves first is chosen as with `conversations`.
    pub all_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { messages: 10_000, bytes: 8 * 1024 * 1024, conversations: 1000, all_bytes: 128 * 1024 * 1024 }
    }
}

/// One chat message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatMessage {
    /// Unique among the messages of its sender.
    pub id: String,
    /// Who sent it, as the connection proved.
    #[serde(serialize_with = "text")]
    pub from: PeerId,
    /// To whom; `None` is everyone.
    #[serde(serialize_with = "optional_text")]
    pub to: Option<PeerId>,
    /// Of a message to everyone: which community is meant, by its name; `None` is the LAN.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub community: Option<String>,
    /// The text.
    pub content: String,
    /// When this node sent or received it.
    pub at: UnixMillis,
    /// For a message of ours: how many peers took it.
    pub delivered: u32,
}

impl ChatMessage {
    /// What keeping it costs, in bytes.
    pub fn cost(&self) -> usize {
        self.content.len() + self.id.len() + OVERHEAD
    }
}

fn text<S: serde::Serializer>(peer: &PeerId, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(peer)
}

/// Who a conversation is with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Party {
    /// Everyone on the LAN.
    Lan,
    /// The members of a community, by its name ([`community_name`]).
    Community(String),
    /// One peer.
    Peer(PeerId),
}

impl Party {
    /// The conversation that a message belongs to, as seen by `me`.
    pub fn of(message: &ChatMessage, me: &PeerId) -> Self {
        match (message.to, &message.community) {
            (Some(to), _) => Self::Peer(if message.from == *me { to } else { message.from }),
            (None, Some(name)) => Self::Community(name.clone()),
            (None, None) => Self::Lan,
        }
    }

    /// The peer, if it is one.
    pub fn peer(&self) -> Option<PeerId> {
        if let Self::Peer(peer) = self { Some(*peer) } else { None }
    }

    /// The name of the community, if it is one.
    pub fn community(&self) -> Option<&str> {
        if let Self::Community(name) = self { Some(name) } else { None }
    }
}

/// Without a peer, everyone on the LAN.
impl From<Option<PeerId>> for Party {
    fn from(peer: Option<PeerId>) -> Self {
        peer.map_or(Self::Lan, Self::Peer)
    }
}

/// As `peer` and `community`; both are null for the LAN.
impl Serialize for Party {
    fn serialize<S: serde::Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let mut both = out.serialize_struct("Party", 2)?;
        both.serialize_field("peer", &self.peer().map(|peer| peer.to_base58()))?;
        both.serialize_field("community", &self.community())?;
        both.end()
    }
}

/// What a community is called wherever messages to it are shown: without scheme, login and a member's secret.
pub fn community_name(url: &str) -> &str {
    let bare = url.trim().split_once("://").map_or(url.trim(), |(_, rest)| rest);
    let bare = bare.split_once("/m/").map_or(bare, |(community, _)| community);
    bare.rsplit_once('@').map_or(bare, |(_, rest)| rest).trim_end_matches('/')
}

/// Which community a message to many is shown in: the one that its sender names, if the sender is known there; otherwise the one by which they
/// are known, unless they are near. `sources` is by whom the sender is known, `lan` among them.
pub fn community_of(claimed: Option<&str>, sources: &[String]) -> Option<String> {
    let mut known = sources.iter().filter(|source| *source != "lan").map(|source| community_name(source));
    let claimed = claimed.map(community_name);
    let found = match claimed {
        Some(claimed) if known.clone().any(|known| known == claimed) => Some(claimed),
        _ if sources.iter().any(|source| source == "lan") => None,
        _ => known.next(),
    };
    found.map(str::to_owned)
}

fn optional_text<S: serde::Serializer>(peer: &Option<PeerId>, out: S) -> Result<S::Ok, S::Error> {
    match peer {
        Some(peer) => out.collect_str(peer),
        None => out.serialize_none(),
    }
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It came from somebody else.
    Received,
    /// It is on its way.
    Sending,
    /// The other side took it, or of everyone at least one did.
    Delivered,
    /// The other side is away; it goes out when they are back.
    Waiting,
    /// Nobody took it, and it is not tried again.
    Failed,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Received, Self::Sending, Self::Delivered, Self::Waiting, Self::Failed];

    /// The word for it, on disk and in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::Waiting => "waiting",
            Self::Failed => "failed",
        }
    }

    /// The state of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }
}

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// The message.
    #[serde(flatten)]
    pub message: ChatMessage,
    /// Its place in the history; later ones are higher, and no number is used twice.
    pub number: i64,
    /// What became of it.
    pub state: State,
    /// Why it waits or failed, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How long it waits, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<UnixMillis>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_is_named_by_the_other_side_or_the_community_whoever_wrote() {
        let (me, bob) = (PeerId::random(), PeerId::random());
        let message =
            |from, to| ChatMessage { id: "1".into(), from, to, community: None, content: "hi".into(), at: UnixMillis(1), delivered: 0 };
        assert_eq!(Party::of(&message(me, Some(bob)), &me), Party::Peer(bob));
        assert_eq!(Party::of(&message(bob, Some(me)), &me), Party::Peer(bob));
        assert_eq!(Party::of(&message(bob, None), &me), Party::Lan);
        for from in [bob, me] {
            let in_chess = ChatMessage { community: Some("rv.example/c/chess".into()), ..message(from, None) };
            assert_eq!(Party::of(&in_chess, &me), Party::Community("rv.example/c/chess".into()));
        }
    }

    #[test]
    fn attack_nobody_writes_into_a_community_in_which_they_are_not() {
        let sources = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let of = |claimed, names: &[&str]| community_of(claimed, &sources(names));
        assert_eq!(of(Some("https://rv.example/c/chess/"), &["lan", "rv.example/c/chess/m/***"]).as_deref(), Some("rv.example/c/chess"));
        assert_eq!(of(Some("rv.example/c/secret"), &["rv.example/c/chess"]).as_deref(), Some("rv.example/c/chess"));
        assert_eq!(of(Some("rv.example/c/secret"), &["lan", "rv.example/c/chess"]), None);
        assert_eq!((of(None, &["lan"]), of(None, &[])), (None, None));
        assert_eq!(community_name("https://u:p@rv.example/c/x/m/s3cret/"), "rv.example/c/x");
    }

    #[test]
    fn every_state_has_a_word_of_its_own() {
        for state in State::ALL {
            assert_eq!(State::of_word(state.word()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        }
    }
}
