//! The peer: finds others on the LAN, tells them who is here, and serves its owner's site, avatar and chat over libp2p.
//!
//! [`PeerHandle`] is the cheap-clone handle that the viewer and the command line hold. The state lives in one actor
//! (`peer/actor.rs`), which owns the swarm and the tables; handle and actor talk in [`Command`]s and [`PeerEvent`]s.
//!
//! A presence walks in like this: libp2p hands the actor a gossip message, [`crate::proto::presence`] judges it and the table
//! answers what changed, and the change goes out as a [`PeerEvent`] to whoever watches.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::Swarm;
use libp2p::gossipsub::IdentTopic;
use libp2p::identity::Keypair;
use libp2p::swarm::SwarmEvent;
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Moment;
use crate::config::base_url::BaseUrl;
use crate::p2p::{self, P2pError};
use crate::proto::announcer::Announcer;
use crate::proto::neighbours::Neighbours;
use crate::proto::presence::table::PresenceTable;
use crate::proto::rate::{GOSSIP_NEIGHBOURS, GOSSIP_PER_SOURCE, GOSSIP_SOURCES, RateTable, STRANGERS_PER_NEIGHBOUR};
use crate::proto::replay::Replays;
use crate::shutdown::Tasks;
use crate::telemetry;

mod actor;
mod address_book;
pub mod audience;
mod command;
mod connections;
pub mod discovery;
pub mod files;
mod handle;
mod keeper;
pub mod memory;
mod metrics;
mod openings;
mod outbox;
mod profile;
mod reaching;
mod retry;
mod serving;
pub mod site_root;
pub mod streams;
pub mod talk;
mod traversal;
mod view;
mod wan;

pub use command::{Command, Duplex, OpenError, PeerStream};
pub use handle::{ChatError, FetchError, FileError, PeerHandle};
pub use profile::Profile;
pub use view::{Path, PeerEvent, PeerRow, SelfInfo};

use actor::Actor;
use address_book::AddressBook;
use connections::Connections;
use discovery::{Discovery, Subnets};
use files::Folders;
use memory::{Memory, MemoryError};
use openings::Openings;
use reaching::Reaching;
use serving::{Served, Serving};
use site_root::SiteRoot;
use traversal::Traversal;
use wan::Wan;

/// Questions that wait for the actor; whoever asks more waits.
const COMMANDS: usize = 256;
/// News of discovery that wait for the actor; discovery waits when it is full.
const DISCOVERED: usize = 256;
/// Events that a watcher may be behind before it is told that it missed some.
const EVENTS: usize = 1024;
/// How long the start waits for the first listen address, and after each for another.
const LISTENING: Duration = Duration::from_millis(250);
const LISTENING_MORE: Duration = Duration::from_millis(10);

/// Events that the start waits for the listen addresses through; what happens after so many has to wait for the actor.
const EARLY: usize = 1024;

/// What a peer is made of.
pub struct Options {
    /// Who we are.
    pub key: Keypair,
    /// What the owner shows of themselves.
    pub profile: Profile,
    /// The owner's site; the folder may appear later.
    pub site_root: PathBuf,
    /// The file in which the peer remembers what was said and whom its owner keeps, mutes or blocks.
    pub memory: PathBuf,
    /// Where files lie that are on their way.
    pub folders: Folders,
    /// TCP and UDP port; 0 takes a free one.
    pub listen_port: u16,
    /// Listen, announce and discover on loopback only.
    pub loopback_only: bool,
    /// The DNS-SD tag; `None` switches LAN discovery off.
    pub mdns_tag: Option<String>,
    /// The gossip topic of presence.
    pub topic: String,
    /// How long a peer counts as online after it was last heard of.
    pub ttl: Duration,
    /// How often this peer says that it is here.
    pub heartbeat: Duration,
    /// The rendezvous servers to publish to and hear.
    pub rendezvous: Vec<BaseUrl>,
    /// How peers behind routers are reached.
    pub nat: p2p::nat::Options,
}

/// Why a peer did not start.
#[derive(Debug, Error)]
pub enum PeerError {
    /// What the peer remembers cannot be read.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// libp2p did not start.
    #[error(transparent)]
    P2p(#[from] P2pError),
    /// LAN discovery did not start.
    #[error(transparent)]
    Discovery(#[from] discovery::DiscoveryError),
    /// The peer ended while it started.
    #[error("the peer ended while it started")]
    Ended,
}

/// Starts a peer: its actor runs as one of `tasks` until `stop`, then says goodbye.
///
/// # Errors
/// See [`PeerError`]; nothing runs then.
pub async fn start(
    options: Options,
    metrics: &telemetry::Metrics,
    tasks: &mut Tasks,
    stop: CancellationToken,
) -> Result<PeerHandle, PeerError> {
    let (key, me) = (options.key.clone(), options.key.public().to_peer_id());
    let now = Moment::now();
    let memory = Memory::open(&options.memory, me).map_err(MemoryError::from)?;
    files::sweep(&memory, &options.folders)?;
    let subnets = Subnets::of_this_host().unwrap_or_default();
    let topic = IdentTopic::new(options.topic);
    let mut swarm = p2p::start(p2p::Options {
        key: options.key,
        listen_port: options.listen_port,
        loopback_only: options.loopback_only,
        topic: topic.clone(),
        served: vec![streams::CONTENT, streams::SITE, streams::AVATAR, streams::CHAT, streams::MQ, streams::FILE],
        own_subnet: Box::new({
            let subnets = subnets.clone();
            move |ip| subnets.contains_now(ip)
        }),
        nat: options.nat.clone(),
    })?;
    memory.contacts().values().filter(|contact| contact.blocked).for_each(|contact| {
        swarm.behaviour_mut().blocked.block_peer(contact.peer_id);
    });
    let early = until_listening(&mut swarm).await;
    let (discovered_tx, discovered) = mpsc::channel(DISCOVERED);
    let lan = options.mdns_tag.map(|tag| discovery::Options { me, tag, loopback_only: options.loopback_only });
    let discovery = lan.map(|lan| Discovery::start(lan, discovered_tx)).transpose()?;
    let (commands_tx, commands) = mpsc::channel(COMMANDS);
    let (events, _) = broadcast::channel(EVENTS);
    let told = Wan::shown(&options.profile, swarm.listeners().cloned(), &me);
    let known_to_servers = wan::Me { key, shown: told, heartbeat: options.heartbeat, ttl: options.ttl };
    let wan = Wan::start(&options.rendezvous, known_to_servers, tasks, &stop);
    let (profile, shown) = watch::channel(Arc::new(options.profile));
    let site = SiteRoot::new(options.site_root);
    let counters = metrics::Metrics::default();
    let handle = PeerHandle::new(commands_tx, events.clone(), site.clone(), memory, options.folders);
    let served = Served { me, site, profile: shown, talk: handle.talk.clone(), files: handle.files.clone() };
    let crowded = swarm.behaviour().ip_limit.refused();
    metrics.register("peer", |room| {
        counters.register(room);
        room.register("chat_received", "Chat messages that were received", handle.talk.received.clone());
        room.register(
            "chat_refused",
            "Chat messages that were refused: too long, not understood, or too many of one peer",
            handle.talk.refused.clone(),
        );
        let help = "Offers of files that were refused: too many, too large, or not understood";
        room.register("file_offers_refused", help, handle.files.refused.clone());
        room.register("connections_refused_per_address", "Inbound connections of addresses that had enough", crowded);
    });
    if let Some(discovery) = &discovery {
        metrics.register("discovery", |room| discovery.register(room));
    }
    let actor = Actor {
        me,
        swarm,
        early,
        topic,
        commands,
        discovery,
        discovered,
        events,
        table: PresenceTable::new(me, options.ttl),
        announcer: Announcer::new(options.heartbeat, now),
        neighbours: Neighbours::new(me, rand::random(), now),
        rates: RateTable::new(GOSSIP_PER_SOURCE, GOSSIP_SOURCES),
        replays: Replays::default(),
        strangers: RateTable::new(STRANGERS_PER_NEIGHBOUR, GOSSIP_NEIGHBOURS),
        book: AddressBook::default(),
        connections: Connections::default(),
        neighbour_dials: HashMap::new(),
        openings: Openings::default(),
        reaching: Reaching::default(),
        traversal: Traversal::new(&options.nat, options.loopback_only, now),
        serving: Serving::new(served),
        profile,
        listen_addrs_changed: true,
        subnets: subnets.clone(),
        loopback_only: options.loopback_only,
        wan,
        metrics: counters,
        next_tick: now,
    };
    tasks.spawn("outbox", outbox::run(handle.clone(), stop.clone()));
    tasks.spawn("files", files::run(handle.clone(), stop.clone()));
    tasks.spawn("keeper", keeper::run(handle.clone(), stop.clone()));
    tasks.spawn("peer", actor.run(stop));
    Ok(handle)
}

/// The first addresses are there as soon as the swarm is polled, the others right after; a host without any interface has none yet.
/// Others may connect meanwhile: what happened is handed on.
async fn until_listening(swarm: &mut Swarm<p2p::Behaviour>) -> Vec<SwarmEvent<p2p::BehaviourEvent>> {
    let (mut patience, mut early) = (LISTENING, Vec::new());
    while early.len() < EARLY
        && let Ok(event) = tokio::time::timeout(patience, swarm.select_next_some()).await
    {
        if matches!(event, SwarmEvent::NewListenAddr { .. }) {
            patience = LISTENING_MORE;
        }
        early.push(event);
    }
    early
}
