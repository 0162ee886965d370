//! Looks after favourites: dials them, and notes name, face and addresses, so that they are there while they are away.
//!
//! At the start each favourite is dialled where it was last; one that is online is asked for its label every [`KEEP`], which dials it
//! if need be and keeps its connection open. At most [`MAX_KEPT`] of them, those seen last.

use std::collections::HashMap;
use std::time::Duration;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::handle::seen;
use super::memory::Seen;
use super::{PeerEvent, PeerHandle, PeerRow, streams};

/// How often an online favourite is asked for its label; idle connections close after 60 s.
const KEEP: Duration = Duration::from_secs(45);
/// Favourites whose connections are kept open.
pub const MAX_KEPT: usize = 64;
/// Favourites that are dialled, or whose faces are fetched, at the same time.
const AT_ONCE: usize = 8;

/// Runs until `stop`.
pub async fn run(handle: PeerHandle, stop: CancellationToken) {
    Keeper { handle, noted: HashMap::new(), errands: JoinSet::new() }.run(stop).await;
}

struct Keeper {
    handle: PeerHandle,
    /// What was last noted of each, without the time.
    noted: HashMap<PeerId, Seen>,
    errands: JoinSet<()>,
}

impl Keeper {
    async fn run(mut self, stop: CancellationToken) {
        let mut events = self.handle.events();
        self.dial_where_they_were();
        let mut keep = tokio::time::interval(KEEP);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                event = events.recv() => match event {
                    Ok(event) => self.hear(event).await,
                    Err(RecvError::Lagged(_)) => self.look_at_all().await,
                    Err(RecvError::Closed) => return,
                },
                Some(_) = self.errands.join_next(), if !self.errands.is_empty() => {}
                _ = keep.tick() => self.look_at_all().await,
            }
        }
    }

    async fn hear(&mut self, event: PeerEvent) {
        match event {
            PeerEvent::Online { peer } => {
                self.note(&peer).await;
                self.keep(&peer);
            }
            PeerEvent::Update { peer } | PeerEvent::Offline { peer } => self.note(&peer).await,
            PeerEvent::Contact { contact } if contact.favourite => {
                self.noted.remove(&contact.peer_id);
                self.look_at_all().await;
            }
            _ => {}
        }
    }

    async fn look_at_all(&mut self) {
        let contacts = self.handle.contacts();
        self.noted.retain(|peer, _| contacts.get(peer).is_some_and(|contact| contact.favourite));
        if !contacts.values().any(|contact| contact.favourite) {
            return;
        }
        let rows = self.handle.peers().await;
        let mut favourites: Vec<_> =
            rows.iter().filter(|row| contacts.get(&row.peer_id).is_some_and(|contact| contact.favourite)).collect();
        favourites.sort_by_key(|row| std::cmp::Reverse(row.last_seen));
        for row in favourites.into_iter().take(MAX_KEPT) {
            self.note(row).await;
            self.keep(row);
        }
    }

    /// Writes down what changed about a favourite.
    async fn note(&mut self, row: &PeerRow) {
        let (peer, now) = (row.peer_id, seen(row));
        let sorted = |seen: &Seen| {
            let mut addrs = seen.addrs.clone();
            addrs.sort();
            addrs
        };
        let same = |noted: &Seen| (&noted.label, &noted.avatar_hash, sorted(noted)) == (&now.label, &now.avatar_hash, sorted(&now));
        if !self.handle.memory().is_favourite(&peer) || (row.online && self.noted.get(&peer).is_some_and(same)) {
            return;
        }
        let new_face =
            now.avatar_hash.as_ref().filter(|hash| self.noted.get(&peer).and_then(|noted| noted.avatar_hash.as_ref()) != Some(hash));
        if let Some(hash) = new_face.cloned() {
            self.errand(fetch_face(self.handle.clone(), peer, hash));
        }
        self.noted.insert(peer, now.clone());
        if let Err(error) = self.handle.memory().ask(move |memory| memory.note_seen(&peer, &now)).await {
            warn!(%error, "a favourite could not be noted");
        }
    }

    fn keep(&mut self, row: &PeerRow) {
        if row.online && self.handle.memory().is_favourite(&row.peer_id) {
            let (handle, peer) = (self.handle.clone(), row.peer_id);
            self.errand(async move {
                let asked = handle.open(peer, &[streams::CONTENT]).await;
                if let Ok(stream) = asked {
                    let _ = streams::content::fetch(stream.io).await;
                }
            });
        }
    }

    fn dial_where_they_were(&mut self) {
        let contacts = self.handle.contacts();
        let favourites = contacts.values().filter(|contact| contact.favourite && !contact.addrs.is_empty());
        let known: Vec<_> = favourites.take(MAX_KEPT).map(|contact| (contact.peer_id, contact.addrs.clone())).collect();
        let handle = self.handle.clone();
        self.errands.spawn(async move {
            for (peer, addrs) in known {
                dial(&handle, peer, addrs).await;
            }
        });
    }

    /// Whatever is too much now is done the next time.
    fn errand(&mut self, errand: impl Future<Output = ()> + Send + 'static) {
        if self.errands.len() < AT_ONCE {
            self.errands.spawn(errand);
        }
    }
}

async fn dial(handle: &PeerHandle, peer: PeerId, addrs: Vec<Multiaddr>) {
    for addr in addrs.into_iter().rev() {
        match handle.dial(addr.with(Protocol::P2p(peer))).await {
            Ok(_) => return,
            Err(error) => debug!(%peer, %error, "a favourite is not where it was"),
        }
    }
}

async fn fetch_face(handle: PeerHandle, peer: PeerId, hash: String) {
    if let Ok(Some(avatar)) = handle.fetch_avatar(peer).await {
        let kept = handle.memory().ask(move |memory| memory.keep_avatar(&peer, &hash, &avatar)).await;
        kept.unwrap_or_else(|error| warn!(%error, "the face of a favourite could not be kept"));
    }
}
