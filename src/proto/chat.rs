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
/// Conversations kept; the one that was quiet longest leaves first, those in which the owner wrote last of all.
pub const KEPT_CONVERSATIONS: usize = 256;
/// Bytes kept of one conversation; the oldest messages leave first, but among messages to everyone those of whoever has most.
pub const KEPT_BYTES_PER_CONVERSATION: usize = 1024 * 1024;
/// Bytes kept in all; what leaves first is chosen as with [`KEPT_CONVERSATIONS`].
pub const KEPT_BYTES: usize = 32 * 1024 * 1024;
/// What a message costs besides its text, in bytes.
const OVERHEAD: usize = 256;

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

impl ChatMessage {
    /// What keeping it costs, in bytes.
    fn cost(&self) -> usize {
        self.content.len() + self.id.len() + OVERHEAD
    }
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

/// The messages this node keeps in memory, bounded in number and in bytes, so that no stranger fills it or flushes what the owner wrote.
#[derive(Debug)]
pub struct ChatLog {
    me: PeerId,
    conversations: HashMap<Option<PeerId>, Conversation>,
    turn: u64,
    rates: RateTable<PeerId>,
    bytes: usize,
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
    bytes: usize,
    last_turn: u64,
    owner_wrote: bool,
}

impl Conversation {
    fn is_full(&self, more: usize) -> bool {
        self.messages.len() >= KEPT_PER_CONVERSATION || self.bytes + more > KEPT_BYTES_PER_CONVERSATION
    }

    /// Drop the oldest message, or the oldest one of `of`; returns what it cost.
    fn drop_oldest(&mut self, of: Option<PeerId>) -> usize {
        let at = self.messages.iter().position(|kept| of.is_none_or(|of| kept.from == of));
        let cost = at.and_then(|at| self.messages.remove(at)).map_or(0, |dropped| dropped.cost());
        self.bytes -= cost;
        cost
    }

    /// Who has most bytes here, of several the one who began first.
    fn loudest(&self) -> Option<PeerId> {
        let mut said: HashMap<PeerId, (usize, usize)> = HashMap::new();
        for (at, kept) in self.messages.iter().enumerate() {
            said.entry(kept.from).or_insert((0, at)).0 += kept.cost();
        }
        said.into_iter().max_by_key(|(_, (bytes, at))| (*bytes, usize::MAX - at)).map(|(from, _)| from)
    }
}

impl ChatLog {
    /// An empty log of the peer `me`.
    pub fn new(me: PeerId) -> Self {
        Self { me, conversations: HashMap::new(), turn: 0, rates: RateTable::new(CHAT_PER_PEER, CHAT_PEERS), bytes: 0 }
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
            self.drop_quietest(with);
        }
        let conversation = self.conversations.entry(with).or_default();
        conversation.last_turn = self.turn;
        let cost = message.cost();
        while conversation.is_full(cost) && !conversation.messages.is_empty() {
            let of = if with.is_none() { conversation.loudest() } else { None };
            self.bytes -= conversation.drop_oldest(of);
        }
        conversation.owner_wrote |= message.from == self.me;
        conversation.bytes += cost;
        self.bytes += cost;
        conversation.messages.push_back(message);
        while self.bytes > KEPT_BYTES && self.drop_quietest(with) {}
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

    /// Drop a conversation other than `but` and that with everyone; false if there is none.
    fn drop_quietest(&mut self, but: Option<PeerId>) -> bool {
        let others = self.conversations.iter().filter(|(with, _)| with.is_some() && **with != but);
        let quietest = others.min_by_key(|(_, kept)| (kept.owner_wrote, kept.last_turn)).map(|(with, _)| *with);
        let dropped = quietest.and_then(|with| self.conversations.remove(&with));
        self.bytes -= dropped.as_ref().map_or(0, |dropped| dropped.bytes);
        dropped.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Two seconds after the last message, so that nobody is refused for talking fast.
    fn keep(log: &mut ChatLog, message: ChatMessage) -> Pushed {
        log.push(message, Moment::from_millis((log.turn + 1) * 2000))
    }

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

    fn long(id: &str, from: PeerId, to: Option<PeerId>, length: usize) -> ChatMessage {
        ChatMessage { content: "x".repeat(length), ..message(id, from, to) }
    }

    #[test]
    fn strangers_cannot_flush_what_the_owner_wrote() {
        let (me, friend) = (PeerId::random(), PeerId::random());
        let mut log = ChatLog::new(me);
        keep(&mut log, message("dear", me, Some(friend)));
        for n in 0..2 * KEPT_CONVERSATIONS {
            keep(&mut log, message(&n.to_string(), PeerId::random(), Some(me)));
        }
        assert_eq!(log.with(Some(friend)).len(), 1);
    }

    #[test]
    fn one_who_floods_everyone_flushes_only_themselves() {
        let (me, flooder) = (PeerId::random(), PeerId::random());
        let mut log = ChatLog::new(me);
        keep(&mut log, message("honest", PeerId::random(), None));
        for n in 0..3000 {
            keep(&mut log, long(&n.to_string(), flooder, None, 10_000));
        }
        let kept = log.with(None);
        assert_eq!(kept[0].id, "honest");
        assert_eq!(kept.last().map(|kept| kept.id.as_str()), Some("2999"));
    }

    #[test]
    fn strangers_fill_no_memory_with_long_messages() {
        let me = PeerId::random();
        let mut log = ChatLog::new(me);
        for _ in 0..80 {
            let stranger = PeerId::random();
            (0..20).for_each(|n| assert_eq!(keep(&mut log, long(&n.to_string(), stranger, Some(me), MAX_CONTENT)), Pushed::Kept));
            assert!(log.conversations[&Some(stranger)].bytes <= KEPT_BYTES_PER_CONVERSATION);
        }
        assert!(log.bytes <= KEPT_BYTES && log.bytes > KEPT_BYTES / 2);
    }

    proptest! {
        #[test]
        fn the_log_knows_what_it_keeps(said in prop::collection::vec((0..6_usize, 0..4_u8, 0..MAX_CONTENT, any::<u8>()), 0..300)) {
            let people: Vec<_> = (0..6).map(|_| PeerId::random()).collect();
            let me = people[0];
            let mut log = ChatLog::new(me);
            for (who, kind, length, id) in said {
                let (from, to) = match kind {
                    0 => (people[who], None),
                    1 => (me, Some(people[who])),
                    _ => (people[who], Some(me)),
                };
                keep(&mut log, long(&id.to_string(), from, to, length));
                let costs = |kept: &Conversation| kept.messages.iter().map(ChatMessage::cost).sum::<usize>();
                prop_assert!(log.conversations.values().all(|kept| costs(kept) == kept.bytes && kept.bytes <= KEPT_BYTES_PER_CONVERSATION));
                prop_assert!(log.conversations.values().all(|kept| kept.messages.len() <= KEPT_PER_CONVERSATION));
                prop_assert_eq!(log.conversations.values().map(costs).sum::<usize>(), log.bytes);
            }
        }
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
