//! Relays, as far as they are for more than this node's peer: a node that is a relay and no peer, and the relay that its board names.

use std::time::Duration;

use libp2p::Multiaddr;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::NodeError;
use crate::config::Loaded;
use crate::config::p2p::P2pConfig;
use crate::identity::Identity;
use crate::p2p::nat;
use crate::p2p::relay::{self, Guests, RelayHandle};
use crate::shutdown::Tasks;

/// How long the start waits for a relay's first address; a host without any has none yet.
const LISTENING: Duration = Duration::from_secs(2);

/// How peers behind routers are reached, and the relay that a board of this node names: the peer itself if it relays, else the first
/// that is configured.
pub(super) fn of_peer(config: &P2pConfig, identity: &Identity, guests: Option<Guests>) -> (nat::Options, Option<RelayHandle>) {
    let (found_at, addrs) = watch::channel(Vec::new());
    let options = nat::Options {
        relay_server: config.relay_server,
        guests,
        found_at: config.relay_server.then_some(found_at),
        relay_data: config.relay_data,
        upnp: config.upnp,
        external: external(config),
        relays: config.relays.iter().map(|relay| (relay.peer, relay.addr.clone())).collect(),
    };
    let own = config.relay_server.then(|| RelayHandle::new(identity.peer_id(), addrs));
    (options, own.or_else(|| configured(config)))
}

/// The relay of a node that runs no peer, started if it is its own.
pub(super) async fn without_peer(
    loaded: &Loaded,
    identity: &Identity,
    guests: Option<Guests>,
    tasks: &mut Tasks,
    stop: &CancellationToken,
) -> Result<Option<RelayHandle>, NodeError> {
    let config = &loaded.config.p2p;
    if !config.relay_server {
        return Ok(configured(config));
    }
    let options = relay::Options {
        key: identity.keypair.clone(),
        listen_port: config.listen_port,
        loopback_only: config.loopback_only,
        external: external(config),
        guests,
    };
    let mut own = relay::start(options, tasks, stop.child_token())?;
    let _ = tokio::time::timeout(LISTENING, own.ready()).await;
    Ok(Some(own))
}

fn configured(config: &P2pConfig) -> Option<RelayHandle> {
    let first = config.relays.first()?.peer;
    let of_first = config.relays.iter().filter(|relay| relay.peer == first);
    Some(RelayHandle::of_others(first, of_first.map(|relay| relay.addr.clone()).collect()))
}

fn external(config: &P2pConfig) -> Vec<Multiaddr> {
    config.external_addrs.iter().map(|external| external.0.clone()).collect()
}
