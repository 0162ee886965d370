//! What is said with others: kept before it is sent, and before it is acknowledged; told to whoever watches.
//!
//! Messages to one peer go out one after the other, in the order in which they were kept: each holds the peer's lane until its fate
//! is known.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use libp2p::PeerId;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{Notify, broadcast};

use super::PeerEvent;
use super::memory::{Memory, MemoryError};
use crate::clock::Moment;
use crate::proto::chat::{ChatMessage, Kept, Party, State};
use crate::proto::rate::{CHAT_PEERS, CHAT_PER_PEER, RateTable};

/// One message at a time goes through it.
pub type Lane = Arc<tokio::sync::Mutex<()>>;

/// See the head of this file.
pub struct Talk {
    memory: Memory,
    events: broadcast::Sender<PeerEvent>,
    rates: Mutex<RateTable<PeerId>>,
    lanes: Mutex<HashMap<PeerId, Weak<tokio::sync::Mutex<()>>>>,
    /// A message began to wait.
    pub waits: Notify,
    /// Messages of others that were kept, or were there already.
    pub received: Counter,
    /// Messages of others that were refused.
    pub refused: Counter,
}

impl Talk {
    /// Nothing is on its way yet.
    pub fn new(memory: Memory, events: broadcast::Sender<PeerEvent>) -> Self {
        let rates = Mutex::new(RateTable::new(CHAT_PER_PEER, CHAT_PEERS));
        let (waits, lanes, received, refused) = Default::default();
        Self { memory, events, rates, lanes, waits, received, refused }
    }

    /// What is remembered.
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Keeps a message of somebody else. One too many of its sender is dropped, as is what a blocked peer says.
    ///
    /// # Errors
    /// It could not be kept, and must not be acknowledged.
    pub async fn receive(&self, message: ChatMessage) -> Result<(), MemoryError> {
        let (from, with) = (message.from, Party::of(&message, &self.memory.me()));
        if self.memory.is_blocked(&from) || !self.may_speak(from) {
            self.refused.inc();
            return Ok(());
        }
        self.received.inc();
        if let Some((message, unread)) = self.memory.ask(move |memory| memory.receive(&message)).await? {
            let muted = self.memory.contact(&from).muted;
            self.tell(PeerEvent::Chat { message, muted });
            self.tell(PeerEvent::Unread { with, unread });
        }
        Ok(())
    }

    /// Counts a message that was refused for what it is.
    pub fn refuse(&self) {
        self.refused.inc();
    }

    fn may_speak(&self, from: PeerId) -> bool {
        self.rates.lock().unwrap_or_else(PoisonError::into_inner).take(from, Moment::now())
    }

    /// Keeps a message of the owner, which is sent now or waits.
    pub(super) async fn begin(&self, message: ChatMessage, waits: bool) -> Result<Kept, MemoryError> {
        let kept = self.memory.ask(move |memory| if waits { memory.wait(&message) } else { memory.begin(&message) }).await?;
        self.tell(PeerEvent::Chat { message: kept.clone(), muted: true });
        Ok(kept)
    }

    /// Notes what became of a message of the owner; `None` if it was forgotten meanwhile.
    pub(super) async fn settle(&self, number: i64, state: State, why: Option<String>, delivered: u32) -> Result<Option<Kept>, MemoryError> {
        let settled = self.memory.ask(move |memory| memory.settle(number, state, why.as_deref(), delivered)).await?;
        if let Some(message) = settled.clone() {
            self.tell(PeerEvent::Settled { message });
        }
        Ok(settled)
    }

    /// The lane of `peer`.
    pub(super) fn lane(&self, peer: PeerId) -> Lane {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lane) = lanes.get(&peer).and_then(Weak::upgrade) {
            return lane;
        }
        lanes.retain(|_, lane| lane.strong_count() > 0);
        let lane = Lane::default();
        lanes.insert(peer, Arc::downgrade(&lane));
        lane
    }

    pub(super) fn tell(&self, event: PeerEvent) {
        let _ = self.events.send(event);
    }
}
