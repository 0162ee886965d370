//! Reaching peers behind other routers: what is switched on, and how others see this node.
//!
//! AutoNAT is version 1, the one that goop2's library speaks: other nodes dial back the address from which they see us, and so
//! tell public nodes from private ones. Whoever has a connection from a public address is answered, at a bounded rate. Neighbours
//! on our own link are not asked: that they reach us says nothing about the others, even where their addresses are public.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId, autonat};
use serde::Serialize;
use tokio::sync::watch;

use super::relay::Guests;

/// How a node takes part in reaching others. The default takes part, and relays for nobody.
#[derive(Debug, Clone)]
pub struct Options {
    /// Be a relay for others.
    pub relay_server: bool,
    /// Whom a relay keeps its places for; `None`: everybody alike.
    pub guests: Option<Guests>,
    /// Where a relay tells under which addresses others find it.
    pub found_at: Option<watch::Sender<Vec<Multiaddr>>>,
    /// Let streams travel through relays; else relays only help to make direct connections.
    pub relay_data: bool,
    /// Ask the router to let others in.
    pub upnp: bool,
    /// Where others reach this node though it cannot know.
    pub external: Vec<Multiaddr>,
    /// Relays to be reachable through.
    pub relays: Vec<(PeerId, Multiaddr)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { relay_server: false, guests: None, found_at: None, relay_data: true, upnp: true, external: Vec::new(), relays: Vec::new() }
    }
}

/// Whether others reach this node from anywhere, as far as they told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nat {
    /// They do.
    Public,
    /// A router or firewall lets nobody in.
    Private,
    /// Nobody was there to tell.
    #[default]
    Unknown,
}

impl From<&autonat::NatStatus> for Nat {
    fn from(status: &autonat::NatStatus) -> Self {
        match status {
            autonat::NatStatus::Public(_) => Self::Public,
            autonat::NatStatus::Private => Self::Private,
            autonat::NatStatus::Unknown => Self::Unknown,
        }
    }
}

/// Asks only those it is told to ([`autonat::Behaviour::add_server`]), early and, while it does not know for sure, every half minute; answers at most ten questions a second, two of one peer.
pub(super) fn autonat_config() -> autonat::Config {
    autonat::Config {
        boot_delay: Duration::from_secs(3),
        retry_interval: Duration::from_secs(30),
        throttle_server_period: Duration::from_secs(30),
        throttle_clients_global_max: 10,
        throttle_clients_peer_max: 2,
        max_peer_addresses: 4,
        use_connected: false,
        ..autonat::Config::default()
    }
}
