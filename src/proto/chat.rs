//! A chat message and the bounded history of them.
//!
//! Who sent a message is taken from the connection it came on, never from its text. What others send faster than
//! [`CHAT_PER_PEER`] allows is refused, so that nobody pushes what was said out of the history or floods the screen.

use std::collections::{HashMap, VecDeque};

use libp2p::PeerId;
use serde::Serialize;

use super::rate::{CHAT_PEERS, CHAT_PER_PEER, RateTable};
use crate::clock::{Moment, UnixMillis};

/// Longest text of one message, in bytes; longer ones are refused on the way out and dropped on the way in.
pub const MAX_CONTENT: usize = 64 * 1024;
/// Messages kept per conversation; the oldest leave first.
pub const KEPT_PER_CONVERSATION: usize = 200;
/// Conversations kept; the one that was quiet longest leaves first.
pub const KEPT_CONVERSATIONS: usize = 256;

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
    /// The text.
    pub content: String,
    /// When this node sent or received it.
    pub at: UnixMillis,
    /// For a message of ours: how many peers took it.
    pub delivered: u32,
}

fn text<S: serde::Serializer>(peer: &PeerId, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(peer)
}

fn optional_text<S: serde::Serializer>(peer: &Option<PeerId>, out: S) -> Result<S::Ok, S::Error> {
    match peer {
        Some(peer) => out.collect_str(peer),
        None => out.serialize_none(),
    }
}

/// The messages this node keeps in memory: at most [`KEPT_PER_CONVERSATION`] in each of [`KEPT_CONVERSATIONS`].
#[derive(Debug)]
pub struct ChatLog {
    me: PeerId,
    conversations: HashMap<Option<PeerId>, Conversation>,
    turn: u64,
    rates: RateTable<PeerId>,
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is kept.
    Kept,
    /// It is there already: same sender and id.
    Known,
    /// Its sender sent too many.
    Refused,
}

#[derive(Debug, Default)]
struct Conversation {
    messages: VecDeque<ChatMessage>,
    last_turn: u64,
}

impl ChatLog {
    /// An empty log of the peer `me`.
    pub fn new(me: PeerId) -> Self {
        Self { me, conversations: HashMap::new(), turn: 0, rates: RateTable::new(CHAT_PER_PEER, CHAT_PEERS) }
    }

    /// Keep a message that was sent or received at `now`.
    pub fn push(&mut self, message: ChatMessage, now: Moment) -> Pushed {
        let with = self.conversation_of(&message);
        if self.knows(&message, with) {
            return Pushed::Known;
        }
        if message.from != self.me && !self.rates.take(message.from, now) {
            return Pushed::Refused;
        }
        self.turn += 1;
        if !self.conversations.contains_key(&with) && self.conversations.len() >= KEPT_CONVERSATIONS {
            self.drop_quietest();
        }
        let conversation = self.conversations.entry(with).or_default();
        conversation.last_turn = self.turn;
        if conversation.messages.len() >= KEPT_PER_CONVERSATION {
            conversation.messages.pop_front();
        }
        conversation.messages.push_back(message);
        Pushed::Kept
    }

    fn knows(&self, message: &ChatMessage, with: Option<PeerId>) -> bool {
        let same = |kept: &ChatMessage| kept.id == message.id && kept.from == message.from;
        self.conversations.get(&with).is_some_and(|conversation| conversation.messages.iter().any(same))
    }

    /// The kept messages with `with`, or to everyone; oldest first.
    pub fn with(&self, with: Option<PeerId>) -> Vec<ChatMessage> {
        self.conversations.get(&with).map(|kept| kept.messages.iter().cloned().collect()).unwrap_or_default()
    }

    fn conversation_of(&self, message: &ChatMessage) -> Option<PeerId> {
        message.to.map(|to| if message.from == self.me { to } else { message.from })
    }

    fn drop_quietest(&mut self) {
        let quietest = self.conversations.iter().min_by_key(|(_, kept)| kept.last_turn).map(|(with, _)| *with);
        if let Some(with) = quietest {
            self.conversations.remove(&with);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: &str, from: PeerId, to: Option<PeerId>) -> ChatMessage {
        ChatMessage { id: id.into(), from, to, content: "hi".into(), at: UnixMillis(1), delivered: 0 }
    }

    #[test]
    fn a_conversation_holds_both_directions_and_nothing_else() {
        let (me, bob, eve) = (PeerId::random(), PeerId::random(), PeerId::random());
        let mut log = ChatLog::new(me);
        for message in [message("1", me, Some(bob)), message("2", bob, Some(me)), message("3", eve, None)] {
            assert_eq!(log.push(message, Moment::START), Pushed::Kept);
        }
        let ids = |with| log.with(with).into_iter().map(|m| m.id).collect::<Vec<_>>();
        assert_eq!(ids(Some(bob)), ["1", "2"]);
        assert_eq!(ids(None), ["3"]);
        assert!(ids(Some(eve)).is_empty());
    }

    #[test]
    fn the_log_is_bounded_in_both_directions() {
        let me = PeerId::random();
        let mut log = ChatLog::new(me);
        let talkative = PeerId::random();
        for n in 0..KEPT_PER_CONVERSATION + 10 {
            log.push(message(&n.to_string(), talkative, Some(me)), Moment::from_millis(1001 * n as u64));
        }
        assert_eq!(log.with(Some(talkative)).len(), KEPT_PER_CONVERSATION);
        assert_eq!(log.with(Some(talkative))[0].id, "10");
        for _ in 0..KEPT_CONVERSATIONS {
            log.push(message("x", PeerId::random(), Some(me)), Moment::START);
        }
        assert_eq!(log.conversations.len(), KEPT_CONVERSATIONS);
        assert!(log.with(Some(talkative)).is_empty(), "the quietest conversation leaves first");
    }

    #[test]
    fn a_repeated_message_is_kept_once() {
        let (me, bob) = (PeerId::random(), PeerId::random());
        let mut log = ChatLog::new(me);
        assert_eq!(log.push(message("same", bob, Some(me)), Moment::START), Pushed::Kept);
        assert_eq!(log.push(message("same", bob, Some(me)), Moment::START), Pushed::Known);
        assert_eq!(log.with(Some(bob)).len(), 1);
    }

    #[test]
    fn attack_a_flood_of_one_peer_is_refused_and_hurts_nobody_else() {
        let (me, bob, eve) = (PeerId::random(), PeerId::random(), PeerId::random());
        let mut log = ChatLog::new(me);
        let flood = |log: &mut ChatLog, from: PeerId, to: Option<PeerId>, at: u64| {
            let push = |n: u64| log.push(message(&format!("{at} {n}"), from, to), Moment::from_millis(at));
            (0..5000).map(push).filter(|pushed| *pushed == Pushed::Kept).count()
        };
        assert_eq!(flood(&mut log, eve, Some(me), 0), 20);
        assert_eq!(flood(&mut log, eve, None, 0), 0, "messages to everyone count too");
        assert_eq!(flood(&mut log, eve, None, 3001), 3);
        assert_eq!(log.push(message("1", bob, Some(me)), Moment::START), Pushed::Kept);
        assert_eq!(flood(&mut log, me, Some(bob), 0), 5000, "one's own are not counted");
    }
}
