//! The actor: owns the swarm and every table of the peer, and is the only one that changes them.
//!
//! One loop waits for whatever comes first (a libp2p event, a command of the handle, news of discovery, a stream that ended, a
//! deadline) and hands it to the method that knows; then [`Actor::settle`] does what the cores want done: publish, dial, expire.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::gossipsub::IdentTopic;
use libp2p::swarm::SwarmEvent;
use libp2p::{PeerId, Swarm};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::error;

use super::address_book::AddressBook;
use super::connections::Connections;
use super::discovery::{self, Discovery, Subnets};
use super::metrics::Metrics;
use super::openings::Openings;
use super::profile::Profile;
use super::reaching::Reaching;
use super::serving::Serving;
use super::traversal::Traversal;
use super::wan::Wan;
use super::{Command, PeerEvent};
use crate::clock::Moment;
use crate::p2p::streams::is_relayed;
use crate::p2p::{self, BehaviourEvent};
use crate::proto::announcer::Announcer;
use crate::proto::neighbours::Neighbours;
use crate::proto::presence::table::PresenceTable;
use crate::proto::rate::RateTable;
use crate::proto::replay::Replays;

mod asked;
mod blocked;
mod gossip;
mod links;
mod nat;
mod reach;
mod wide;

/// How often silent connections and impatient requests are looked for.
const TICK: Duration = Duration::from_millis(500);
/// How long the swarm goes on after the last message, so that `offline` reaches the neighbours.
const FAREWELL: Duration = Duration::from_millis(250);

/// See the head of this file.
pub(super) struct Actor {
    pub(super) me: PeerId,
    pub(super) swarm: Swarm<p2p::Behaviour>,
    /// What the swarm told before the actor ran.
    pub(super) early: Vec<SwarmEvent<BehaviourEvent>>,
    pub(super) topic: IdentTopic,
    pub(super) commands: mpsc::Receiver<Command>,
    pub(super) discovery: Option<Discovery>,
    pub(super) discovered: mpsc::Receiver<discovery::Event>,
    pub(super) events: broadcast::Sender<PeerEvent>,
    pub(super) table: PresenceTable,
    pub(super) announcer: Announcer,
    pub(super) neighbours: Neighbours,
    pub(super) rates: RateTable<PeerId>,
    pub(super) replays: Replays,
    /// What each neighbour passes on of sources that nobody has heard of.
    pub(super) strangers: RateTable<PeerId>,
    pub(super) book: AddressBook,
    pub(super) connections: Connections,
    /// Dials of neighbours under way, since when; the core bounds them.
    pub(super) neighbour_dials: HashMap<PeerId, Moment>,
    pub(super) openings: Openings,
    pub(super) reaching: Reaching,
    pub(super) traversal: Traversal,
    pub(super) serving: Serving,
    pub(super) profile: watch::Sender<Arc<Profile>>,
    pub(super) listen_addrs_changed: bool,
    pub(super) subnets: Subnets,
    pub(super) loopback_only: bool,
    pub(super) wan: Wan,
    pub(super) metrics: Metrics,
    pub(super) next_tick: Moment,
}

impl Actor {
    /// Runs until `stop`; then says goodbye on every channel.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        for event in std::mem::take(&mut self.early) {
            self.on_swarm(event);
        }
        loop {
            let now = Moment::now();
            let wakeup = self.next_wakeup(now);
            tokio::select! {
                () = stop.cancelled() => break,
                event = self.swarm.select_next_some() => self.on_swarm(event),
                Some(command) = self.commands.recv() => self.on_command(command),
                Some(event) = self.discovered.recv() => self.on_discovery(event),
                Some((server, news)) = self.wan.next_news() => self.on_news(server, news),
                part = discovery_failed(&mut self.discovery) => {
                    error!(part, "LAN discovery ended");
                    break;
                }
                () = self.serving.next_end() => {}
                () = tokio::time::sleep(wakeup.since(now)) => {}
            }
            self.settle(Moment::now());
            self.announce_addresses().await;
        }
        self.farewell().await;
    }

    /// Does what the cores want done by now.
    fn settle(&mut self, now: Moment) {
        if now >= self.next_tick {
            self.next_tick = now + TICK;
            self.look_after_connections(now);
            self.look_after_relayed(now);
            self.openings.expire(now);
            self.serve_waiting(now);
            self.expire_neighbour_dials(now);
            self.show_ourselves();
            self.show_relay();
        }
        self.reach_through_relays(now);
        self.use_relays(now);
        self.wan.renew(&mut self.table, now);
        self.expire_presence(now);
        while let Some(kind) = self.announcer.poll(now) {
            self.publish(kind);
        }
        self.dial_neighbours(now);
    }

    async fn announce_addresses(&mut self) {
        if !std::mem::take(&mut self.listen_addrs_changed) {
            return;
        }
        self.offer_relay();
        if let Some(discovery) = self.discovery.as_ref() {
            discovery.announce(self.swarm.listeners().filter(|addr| !is_relayed(addr)).cloned().collect()).await;
        }
    }

    fn next_wakeup(&self, now: Moment) -> Moment {
        let relays = self.traversal.relays.next_wakeup();
        let cores = [self.announcer.next_wakeup(now), self.neighbours.next_wakeup(), self.table.next_expiry(), relays];
        cores.into_iter().flatten().fold(self.next_tick, Moment::min)
    }

    /// Tells everyone that we leave: on gossip, and by mDNS goodbyes; whichever reaches them.
    async fn farewell(mut self) {
        self.announcer.stop();
        while let Some(kind) = self.announcer.poll(Moment::now()) {
            self.publish(kind);
        }
        let goodbye = async {
            if let Some(discovery) = self.discovery.take() {
                discovery.shutdown().await;
            }
        };
        let until = Instant::now() + FAREWELL;
        let flush = async {
            let _ = tokio::time::timeout_at(until, async { while self.swarm.next().await.is_some() {} }).await;
        };
        tokio::join!(goodbye, flush);
    }

    fn jitter() -> f64 {
        rand::random()
    }
}

async fn discovery_failed(discovery: &mut Option<Discovery>) -> &'static str {
    match discovery {
        Some(discovery) => discovery.failed().await,
        None => std::future::pending().await,
    }
}
