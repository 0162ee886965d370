//! Everything this node does on a connection, as one libp2p behaviour.
#![allow(missing_docs, reason = "the derive names an event after each field")]

use libp2p::allow_block_list::{self, BlockedPeers};
use libp2p::swarm::NetworkBehaviour;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::{autonat, connection_limits, dcutr, identify, memory_connection_limits, ping, relay, upnp};

use super::wary::Wary;
use super::{ip_limit, same_link, streams};

/// Those that refuse connections come first: a connection refused by a later one would leave traces in the earlier ones.
#[derive(NetworkBehaviour)]
pub struct Behaviour {
    /// Whom the owner blocked.
    pub blocked: allow_block_list::Behaviour<BlockedPeers>,
    pub(super) limits: connection_limits::Behaviour,
    pub(super) memory: memory_connection_limits::Behaviour,
    /// Connections per address.
    pub ip_limit: ip_limit::Behaviour,
    pub(super) identify: identify::Behaviour,
    pub(super) ping: ping::Behaviour,
    pub(super) relay_client: relay::client::Behaviour,
    pub(super) relay_server: Toggle<relay::Behaviour>,
    pub(super) punch: Wary<dcutr::Behaviour>,
    /// How others see us; off where the node keeps to loopback.
    pub autonat: Toggle<Wary<autonat::Behaviour>>,
    pub(super) upnp: Toggle<upnp::tokio::Behaviour>,
    /// Streams of our own protocols.
    pub streams: streams::Behaviour,
    /// Presence gossip with same-link neighbours.
    pub lan: same_link::Behaviour,
}
