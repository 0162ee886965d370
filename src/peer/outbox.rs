//! Sends what waits for favourites as soon as they are back.
//!
//! Whoever is waited for is tried when they come online, and else ever later ([`Retry`]); at most [`AT_ONCE`] peers at a time. What waits for too long is given up.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use libp2p::PeerId;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::retry::Retry;
use super::{PeerEvent, PeerHandle};
use crate::clock::{Moment, UnixMillis};

/// Peers that are tried at the same time.
const AT_ONCE: usize = 16;
/// How often it is looked whether somebody is due, while anybody is waited for.
const LOOK: Duration = Duration::from_secs(1);
/// How often what waited for too long is given up.
const GIVE_UP: Duration = Duration::from_secs(60);

struct Outbox {
    handle: PeerHandle,
    waited_for: HashMap<PeerId, Retry>,
    trying: JoinSet<(PeerId, bool)>,
    tried: HashSet<PeerId>,
    late: Moment,
}

/// Runs until `stop`.
pub async fn run(handle: PeerHandle, stop: CancellationToken) {
    let now = Moment::now();
    let (waited_for, trying, tried) = Default::default();
    Outbox { handle, waited_for, trying, tried, late: now }.run(stop).await;
}

impl Outbox {
    async fn run(mut self, stop: CancellationToken) {
        let mut events = self.handle.events();
        self.look().await;
        loop {
            let waiting = !self.waited_for.is_empty();
            tokio::select! {
                () = stop.cancelled() => return,
                event = events.recv() => match event {
                    Ok(event) => self.hear(&event),
                    Err(RecvError::Lagged(_)) => self.waited_for.values_mut().for_each(|next| next.at = Moment::now()),
                    Err(RecvError::Closed) => return,
                },
                () = self.handle.talk.waits.notified() => self.look().await,
                Some(tried) = self.trying.join_next(), if !self.trying.is_empty() => self.note(tried.ok()),
                () = tokio::time::sleep(LOOK), if waiting => self.give_up().await,
            }
            self.try_those_due();
        }
    }

    /// Reads for whom messages wait. A new one is tried by whoever wrote the message.
    async fn look(&mut self) {
        match self.handle.memory().ask(super::Memory::waited_for).await {
            Ok(peers) => {
                let next = Retry::at_once(Moment::now());
                self.waited_for.retain(|peer, _| peers.contains(peer));
                peers.into_iter().for_each(|peer| _ = self.waited_for.entry(peer).or_insert(next));
            }
            Err(error) => warn!(%error, "what waits to be sent cannot be read"),
        }
    }

    fn hear(&mut self, event: &PeerEvent) {
        if let PeerEvent::Online { peer } = event
            && let Some(next) = self.waited_for.get_mut(&peer.peer_id)
        {
            *next = Retry::at_once(Moment::now());
        }
    }

    fn try_those_due(&mut self) {
        let now = Moment::now();
        let due: Vec<_> = self.waited_for.iter().filter(|(_, next)| next.at <= now).map(|(peer, _)| *peer).collect();
        for peer in due {
            if self.trying.len() < AT_ONCE && self.tried.insert(peer) {
                let handle = self.handle.clone();
                self.trying.spawn(async move { (peer, handle.send_waiting(peer).await) });
            }
        }
    }

    fn note(&mut self, tried: Option<(PeerId, bool)>) {
        let Some((peer, all_went)) = tried else { return self.tried.clear() };
        self.tried.remove(&peer);
        if all_went {
            self.waited_for.remove(&peer);
            // Something may have begun to wait at the last moment.
            self.handle.talk.waits.notify_one();
        } else if let Some(next) = self.waited_for.get_mut(&peer) {
            next.failed(Moment::now());
        }
    }

    async fn give_up(&mut self) {
        if Moment::now() < self.late {
            return;
        }
        self.late = Moment::now() + GIVE_UP;
        match self.handle.memory().ask(|memory| memory.give_up_late(UnixMillis::now())).await {
            Ok(given_up) if given_up.is_empty() => {}
            Ok(given_up) => {
                given_up.into_iter().for_each(|message| self.handle.talk.tell(PeerEvent::Settled { message }));
                self.look().await;
            }
            Err(error) => warn!(%error, "what waited for too long cannot be given up"),
        }
    }
}
