//! What is told of a relay: who and where it is.

use libp2p::{Multiaddr, PeerId};
use serde::Serialize;
use tokio::sync::watch;

use crate::p2p::streams::{is_relayed, is_tcp};

/// The body of `GET /relay` (goop2-wire.md §5.6): which relay to use, and goop2's own timings, which its newest peers obey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Announcement {
    /// Who the relay is.
    #[serde(serialize_with = "as_text")]
    pub peer_id: PeerId,
    /// Where it is: TCP first, since goop2 prefers it.
    pub addrs: Vec<Multiaddr>,
    cleanup_delay_sec: u32,
    poll_deadline_sec: u32,
    connect_timeout_sec: u32,
    refresh_interval_sec: u32,
    recovery_grace_sec: u32,
}

fn as_text<S: serde::Serializer>(peer: &PeerId, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(peer)
}

impl Announcement {
    /// What is said of the relay `peer_id` at `addrs`; circuits through other relays are left out.
    pub fn new(peer_id: PeerId, addrs: impl IntoIterator<Item = Multiaddr>) -> Self {
        let mut addrs: Vec<_> = addrs.into_iter().filter(|addr| !is_relayed(addr)).collect();
        addrs.sort_by_key(|addr| !is_tcp(addr));
        addrs.dedup();
        Self {
            peer_id,
            addrs,
            cleanup_delay_sec: 3,
            poll_deadline_sec: 10,
            connect_timeout_sec: 5,
            refresh_interval_sec: 90,
            recovery_grace_sec: 5,
        }
    }
}

/// A relay of which others are told. It may be this node, which learns its addresses as it goes.
#[derive(Debug, Clone)]
pub struct RelayHandle {
    peer_id: PeerId,
    addrs: watch::Receiver<Vec<Multiaddr>>,
}

impl RelayHandle {
    /// The relay `peer_id`, at whatever addresses `addrs` holds.
    pub fn new(peer_id: PeerId, addrs: watch::Receiver<Vec<Multiaddr>>) -> Self {
        Self { peer_id, addrs }
    }

    /// A relay of others, at `addrs`.
    pub fn of_others(peer_id: PeerId, addrs: Vec<Multiaddr>) -> Self {
        Self { peer_id, addrs: watch::channel(addrs).1 }
    }

    /// What `GET /relay` answers now; `None` while it has no address.
    pub fn announcement(&self) -> Option<Announcement> {
        let addrs = self.addrs.borrow().clone();
        (!addrs.is_empty()).then(|| Announcement::new(self.peer_id, addrs))
    }

    /// Waits until it has an address. False if it ended before.
    pub async fn ready(&mut self) -> bool {
        self.addrs.wait_for(|addrs| !addrs.is_empty()).await.is_ok()
    }
}
