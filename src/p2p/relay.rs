//! A relay for peers that cannot reach each other directly, limited as goop2's newest (goop2-wire.md §1; THREATS 50).
//!
//! It is meant for finding each other: the two ends make a direct connection as soon as their routers allow, and leave. What
//! cannot be made direct may go on here within the limits. [`start`] runs a relay that is nothing else.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use futures::StreamExt;
use libp2p::identity::Keypair;
use libp2p::swarm::{NetworkBehaviour, Swarm, SwarmEvent};
use libp2p::{Multiaddr, PeerId, autonat, connection_limits, identify, memory_connection_limits, ping, relay};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::wary::Wary;
use super::{MAX_MEMORY_SHARE, P2pError, PING_TIMEOUT, ip_limit, nat};
use crate::proto::signed::addrs::ip_of;
use crate::shutdown::Tasks;

mod announcement;
mod guests;

pub use announcement::{Announcement, RelayHandle};
pub use guests::Guests;

/// Longest life of one relayed connection.
pub const MAX_CIRCUIT: Duration = Duration::from_secs(30 * 60);
/// Bytes that one relayed connection may carry.
pub const MAX_CIRCUIT_BYTES: u64 = 16 * 1024 * 1024;
/// How long a place on the relay holds; peers renew it in time.
pub const RESERVATION: Duration = Duration::from_secs(60 * 60);
/// Peers that are reachable through the relay at the same time; one more is refused.
pub const MAX_RESERVATIONS: usize = 128;
/// Relayed connections at the same time, in all and of one peer; one more is refused.
pub const MAX_CIRCUITS: usize = 64;
const MAX_CIRCUITS_PER_PEER: usize = 16;
/// Connections of one address to a relay: a school behind one router is normal.
pub const MAX_OPEN_PER_IP: u32 = 128;
/// How often a relay that is nothing else pings.
const PING_EVERY: Duration = Duration::from_secs(15);

/// The relay's behaviour with our limits. Per peer: thirty requests at once, then one in thirty seconds; per address: 128 at once,
/// then one a second.
pub(super) fn server(me: PeerId, guests: Option<Guests>) -> relay::Behaviour {
    let limits = relay::Config {
        max_reservations: MAX_RESERVATIONS,
        max_reservations_per_peer: 2,
        reservation_duration: RESERVATION,
        reservation_rate_limiters: Vec::new(),
        max_circuits: MAX_CIRCUITS,
        max_circuits_per_peer: MAX_CIRCUITS_PER_PEER,
        max_circuit_duration: MAX_CIRCUIT,
        max_circuit_bytes: MAX_CIRCUIT_BYTES,
        circuit_src_rate_limiters: Vec::new(),
    };
    let (per_peer, per_ip) = (NonZeroU32::MIN.saturating_add(29), NonZeroU32::MIN.saturating_add(127));
    let mut limits = limits
        .reservation_rate_per_peer(per_peer, Duration::from_secs(30))
        .reservation_rate_per_ip(per_ip, Duration::from_secs(1))
        .circuit_src_per_peer(per_peer, Duration::from_secs(30))
        .circuit_src_per_ip(per_ip, Duration::from_secs(1));
    limits.reservation_rate_limiters.extend(guests.map(Guests::limiter));
    relay::Behaviour::new(me, limits)
}

/// Whether a relay tells others to come to this listen address: loopback and link-local ones mean nothing to them, unless the node
/// keeps to loopback anyway.
pub fn is_offered(addr: &Multiaddr, loopback_only: bool) -> bool {
    match ip_of(addr) {
        Some(ip) if ip.is_loopback() => loopback_only,
        Some(IpAddr::V4(ip)) => !ip.is_link_local() && !ip.is_unspecified(),
        Some(IpAddr::V6(ip)) => !ip.is_unicast_link_local() && !ip.is_unspecified(),
        None => false,
    }
}

/// What a relay that is nothing else is made of.
pub struct Options {
    /// Who it is.
    pub key: Keypair,
    /// TCP and UDP port; 0 takes a free one.
    pub listen_port: u16,
    /// Listen on loopback only.
    pub loopback_only: bool,
    /// Where others reach it though it cannot know.
    pub external: Vec<Multiaddr>,
    /// Whom it keeps its places for; `None`: everybody alike.
    pub guests: Option<Guests>,
}

#[derive(NetworkBehaviour)]
struct RelayOnly {
    limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    ip_limit: ip_limit::Behaviour,
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    relay: relay::Behaviour,
    autonat: Wary<autonat::Behaviour>,
}

/// Starts a relay that is nothing else, as the task `relay` of `tasks`, until `stop`.
///
/// # Errors
/// [`P2pError::Listen`] if a wanted port is taken or no address could be listened on.
pub fn start(options: Options, tasks: &mut Tasks, stop: CancellationToken) -> Result<RelayHandle, P2pError> {
    let peer_id = options.key.public().to_peer_id();
    let (port, loopback_only) = (options.listen_port, options.loopback_only);
    let mut swarm = super::listening(port, loopback_only, || build(options.key, options.guests))?;
    options.external.into_iter().for_each(|addr| swarm.add_external_address(addr));
    let known = swarm.external_addresses().cloned().collect();
    let (tell, addrs) = watch::channel(known);
    tasks.spawn("relay", run(swarm, tell, loopback_only, stop));
    Ok(RelayHandle::new(peer_id, addrs))
}

fn build(key: Keypair, guests: Option<Guests>) -> Result<Swarm<RelayOnly>, P2pError> {
    let me = key.public().to_peer_id();
    let behaviour = RelayOnly {
        limits: connection_limits::Behaviour::new(limits()),
        memory: memory_connection_limits::Behaviour::with_max_percentage(MAX_MEMORY_SHARE),
        ip_limit: ip_limit::Behaviour::new(MAX_OPEN_PER_IP),
        identify: super::identify(&key),
        ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_EVERY).with_timeout(PING_TIMEOUT)),
        relay: server(me, guests),
        autonat: Wary::new(autonat::Behaviour::new(me, nat::autonat_config())),
    };
    super::swarm(key, |_, _| behaviour)
}

/// Room for those with a place, those who come through it, and as many who ask whether they are public.
fn limits() -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(128))
        .with_max_pending_outgoing(Some(32))
        .with_max_established(Some(1024))
        .with_max_established_per_peer(Some(super::MAX_PER_PEER))
}

async fn run(mut swarm: Swarm<RelayOnly>, tell: watch::Sender<Vec<Multiaddr>>, loopback_only: bool, stop: CancellationToken) {
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = swarm.select_next_some() => event,
        };
        match event {
            SwarmEvent::NewListenAddr { address, .. } if is_offered(&address, loopback_only) => swarm.add_external_address(address),
            SwarmEvent::ExpiredListenAddr { address, .. } => swarm.remove_external_address(&address),
            SwarmEvent::Behaviour(RelayOnlyEvent::Relay(event)) => debug!(?event, "relay"),
            _ => continue,
        }
        let addrs: BTreeSet<_> = swarm.external_addresses().cloned().collect();
        tell.send_if_modified(|told| {
            let changed = !told.iter().eq(&addrs);
            if changed {
                *told = addrs.into_iter().collect();
                info!(addrs = ?told, "relaying");
            }
            changed
        });
    }
}

#[cfg(test)]
mod tests;
