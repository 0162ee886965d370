//! Saying something, and what was said.

use std::time::Duration;

use libp2p::PeerId;
use thiserror::Error;
use tokio::time::timeout;
use uuid::Uuid;

use super::PeerHandle;
use crate::clock::UnixMillis;
use crate::peer::audience::{Audience, Sent};
use crate::peer::memory::{Conversation, MemoryError};
use crate::peer::streams::StreamError;
use crate::peer::{OpenError, PeerEvent};
use crate::proto::chat::{ChatMessage, Kept, MAX_CONTENT, Party, State, community_name};

/// How long a message to a favourite is waited for before it is answered as waiting.
const AT_ONCE: Duration = Duration::from_secs(2);
/// Why a message to many failed.
const NOBODY: &str = "nobody took it";

/// Why a message was not sent.
#[derive(Debug, Error)]
pub enum ChatError {
    /// Empty, or longer than [`MAX_CONTENT`].
    #[error("a message has between 1 and {MAX_CONTENT} bytes")]
    Length,
    /// To oneself.
    #[error("a peer does not chat with itself")]
    Oneself,
    /// No configured community is called that.
    #[error("`{0}` is none of this peer's communities; `goop peers` shows their names")]
    NoCommunity(String),
    /// To a peer that the owner blocked.
    #[error("this peer is blocked; unblock it first")]
    Blocked,
    /// No stream could be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The stream failed before the message was taken.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The message could not be kept, so it was not sent.
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

impl PeerHandle {
    /// Send a message to one peer, or to everyone on the LAN; see [`Self::say`].
    ///
    /// # Errors
    /// See [`ChatError`].
    pub async fn chat(&self, to: Option<PeerId>, content: String) -> Result<Kept, ChatError> {
        Ok(self.say(to.map_or(Audience::Lan, Audience::Peer), content).await?.kept)
    }

    /// Send a message to one peer or to many; answers when it was taken (by many: when all were tried). One to a favourite that is away
    /// waits. It is kept whatever becomes of it, also where this fails with `Open` or `Stream`.
    ///
    /// # Errors
    /// See [`ChatError`]; of many that some did not take it is no error.
    pub async fn say(&self, audience: Audience, content: String) -> Result<Sent, ChatError> {
        if content.is_empty() || content.len() > MAX_CONTENT {
            return Err(ChatError::Length);
        }
        let to = match audience {
            Audience::Peer(peer) if peer == self.me => return Err(ChatError::Oneself),
            Audience::Peer(peer) if self.memory().is_blocked(&peer) => return Err(ChatError::Blocked),
            Audience::Peer(peer) => Some(peer),
            Audience::Lan | Audience::Community(_) => None,
        };
        let mut many = self.members(&audience).await?;
        many.retain(|peer| !self.memory().is_blocked(peer));
        let community = if let Audience::Community(name) = &audience { Some(community_name(name).to_owned()) } else { None };
        let (id, at) = (Uuid::new_v4().to_string(), UnixMillis::now());
        let message = ChatMessage { id, from: self.me, to, community, content, at, delivered: 0 };
        // In a task of its own, so that whoever asked may hang up without leaving a message half sent.
        let said = tokio::spawn(self.clone().send(message, many)).await;
        said.unwrap_or(Err(ChatError::Open(OpenError::Stopping)))
    }

    async fn send(self, message: ChatMessage, many: Vec<PeerId>) -> Result<Sent, ChatError> {
        let kept = match message.to {
            None => return self.say_to_many(message, many).await,
            Some(peer) if self.memory().is_favourite(&peer) => self.say_sooner_or_later(peer, message).await?,
            Some(peer) => self.say_now(peer, message).await?,
        };
        Ok(Sent { kept, missed: Vec::new() })
    }

    async fn say_to_many(&self, message: ChatMessage, many: Vec<PeerId>) -> Result<Sent, ChatError> {
        let kept = self.talk.begin(message, false).await?;
        let (delivered, missed) = self.deliver_to_many(&kept.message, many).await;
        let (state, why) = if delivered > 0 { (State::Delivered, None) } else { (State::Failed, Some(NOBODY.to_owned())) };
        let kept = self.talk.settle(kept.number, state, why, delivered).await?.unwrap_or(kept);
        Ok(Sent { kept, missed })
    }

    async fn say_now(&self, peer: PeerId, message: ChatMessage) -> Result<Kept, ChatError> {
        let lane = self.talk.lane(peer);
        let _turn = lane.lock().await;
        let kept = self.talk.begin(message, false).await?;
        let delivered = self.deliver(peer, &kept.message).await;
        let (state, count) = if delivered.is_ok() { (State::Delivered, 1) } else { (State::Failed, 0) };
        let why = delivered.as_ref().err().map(ToString::to_string);
        let settled = self.talk.settle(kept.number, state, why, count).await?;
        delivered.map(|()| settled.unwrap_or(kept))
    }

    async fn say_sooner_or_later(&self, peer: PeerId, message: ChatMessage) -> Result<Kept, ChatError> {
        let kept = self.talk.begin(message, true).await?;
        self.talk.waits.notify_one();
        let handle = self.clone();
        let sending = tokio::spawn(async move { handle.send_waiting(peer).await });
        let _ = timeout(AT_ONCE, sending).await;
        let number = kept.number;
        Ok(self.memory().ask(move |memory| memory.message(number)).await.unwrap_or(kept))
    }

    /// Sends what waits for `peer`, in order, until one does not get through; whether all did.
    pub(in crate::peer) async fn send_waiting(&self, peer: PeerId) -> bool {
        let lane = self.talk.lane(peer);
        let _turn = lane.lock().await;
        loop {
            match self.memory().ask(move |memory| memory.next_waiting(peer)).await {
                Ok(None) => return true,
                Ok(Some(next)) => {
                    if !self.send_one_waiting(peer, next).await {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
    }

    async fn send_one_waiting(&self, peer: PeerId, kept: Kept) -> bool {
        let (state, why, count) = match self.deliver(peer, &kept.message).await {
            Ok(()) => (State::Delivered, None, 1),
            Err(error) => (State::Waiting, Some(error.to_string()), 0),
        };
        let changed = state != kept.state || why != kept.why;
        let noted = !changed || self.talk.settle(kept.number, state, why, count).await.is_ok();
        noted && state == State::Delivered
    }

    /// The newest kept messages of a conversation, older than the number `before`; oldest first.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub async fn history(&self, with: impl Into<Party>, before: Option<i64>, most: u32) -> Result<Vec<Kept>, MemoryError> {
        let with = with.into();
        self.memory().ask(move |memory| memory.page(with, before, most)).await
    }

    /// All conversations, the one with the newest message first.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub async fn conversations(&self) -> Result<Vec<Conversation>, MemoryError> {
        self.memory().ask(super::Memory::conversations).await
    }

    /// The owner has read a conversation up to and including `number`; answers how many messages are unread then.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub async fn mark_read(&self, with: Party, number: i64) -> Result<u64, MemoryError> {
        let read = with.clone();
        let unread = self.memory().ask(move |memory| memory.mark_read(read, number)).await?;
        self.talk.tell(PeerEvent::Unread { with, unread });
        Ok(unread)
    }

    /// Forgets one message; one that waits is not sent.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub async fn forget_message(&self, number: i64) -> Result<(), MemoryError> {
        let forgotten = self.memory().ask(move |memory| memory.forget_message(number)).await?;
        let with = Some(Party::of(&forgotten.message, &self.me));
        self.talk.tell(PeerEvent::Forgotten { with, number: Some(number) });
        Ok(())
    }

    /// Forgets a conversation, or with `None` all of them; what waits in it is not sent.
    ///
    /// # Errors
    /// See [`MemoryError`].
    pub async fn forget_conversation(&self, which: Option<Party>) -> Result<(), MemoryError> {
        let with = which.clone();
        let forget = move |memory: &super::Memory| match which {
            Some(with) => memory.forget_conversation(with),
            None => memory.forget_all_conversations(),
        };
        self.memory().ask(forget).await?;
        self.talk.tell(PeerEvent::Forgotten { with, number: None });
        Ok(())
    }
}
