//! What does not work on this machine, in its network and at its servers, and what to do about it: `goop doctor` and the viewer's `/doctor`.
//!
//! - `machine`: what goop needs of this machine; `ports`: who has the ports it wants (`holders`); `multicast`: each interface;
//!   `firewall`: what lets nobody in.
//! - `servers`: each rendezvous server and what its clock says (`clock`); `hubs`: each super hub; `proxy`: the way into a server of one's own.
//! - `nat`: whether others get in from outside.
//!
//! Every check is bounded in time and runs beside the others (`together`), and so does each server within one. What servers and other programs say is believed of nobody but themselves, and
//! cleaned before it is told ([`Finding`]). Nothing is changed, and no server learns more of the patient than from any client.

use std::collections::BTreeSet;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tokio::time::timeout;

use crate::config::Loaded;
use crate::p2p::nat::Nat;

mod asking;
mod clock;
mod finding;
mod firewall;
mod holders;
mod hubs;
mod machine;
mod multicast;
mod nat;
mod ports;
mod proxy;
mod servers;
mod together;

pub use finding::{Finding, Look, Report};
pub use machine::ENOUGH_FILES;
pub use nat::{internet, port_names};

/// How long one check may take. All run at once, so this is about how long an examination takes at most.
pub const PATIENCE: Duration = Duration::from_secs(8);
/// Servers and hubs of the configuration that are asked; further ones are not.
const MAX_SERVERS: usize = 16;

/// What is examined: a configuration on this machine, and the node that runs with it, if one does.
#[derive(Debug, Clone)]
pub struct Patient {
    /// The configuration.
    pub loaded: Loaded,
    /// The node.
    pub running: Option<Running>,
}

/// What a running node says of itself.
#[derive(Debug, Clone, Default)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// Whether it is a peer.
    pub has_peer: bool,
    /// Where its peer listens; empty where it has none.
    pub listen: Vec<Multiaddr>,
    /// The port of its viewer.
    pub viewer: Option<u16>,
    /// Its public roles, as programs of this machine reach them.
    pub local: Option<String>,
    /// Whether others reach its peer from outside; `None` where it has no peer.
    pub nat: Option<Nat>,
    /// Whether a relay leads to it.
    pub relayed: bool,
}

impl Patient {
    /// A node that runs knows what it is; it may have been started with other flags.
    fn has_peer(&self) -> bool {
        self.running.as_ref().map_or(!self.loaded.config.presence.rendezvous_only, |running| running.has_peer)
    }

    fn is_server(&self) -> bool {
        let config = &self.loaded.config;
        self.running.as_ref().map_or(config.presence.hosts_rendezvous() || config.superhub.enabled, |running| running.local.is_some())
    }

    /// The ports of the peer, as a firewall is told of them: those that it listens at, else those that are configured. QUIC is UDP.
    fn peer_ports(&self) -> PeerPorts {
        let configured = Some(self.loaded.config.p2p.listen_port).filter(|port| *port != 0);
        let mut ports = PeerPorts { tcp: configured.into_iter().collect(), udp: configured.into_iter().collect() };
        let Some(running) = self.running.as_ref().filter(|running| !running.listen.is_empty()) else { return ports };
        ports = PeerPorts::default();
        for part in running.listen.iter().flat_map(Multiaddr::iter) {
            match part {
                Protocol::Tcp(port) => ports.tcp.insert(port),
                Protocol::Udp(port) => ports.udp.insert(port),
                _ => continue,
            };
        }
        ports
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct PeerPorts {
    tcp: BTreeSet<u16>,
    udp: BTreeSet<u16>,
}

/// Looks at everything, and says what was found, what is wrong first.
pub async fn examine(patient: Patient) -> Report {
    let checks = [
        check("machine", machine::examine(patient.clone())),
        check("ports", ports::examine(patient.clone())),
        check("multicast", multicast::examine(patient.clone())),
        check("firewall", firewall::examine(patient.clone())),
        check("nat", nat::examine(patient.clone())),
        check("rendezvous", servers::examine(patient.clone())),
        check("hubs", hubs::examine(patient.clone())),
        check("proxy", proxy::examine(patient)),
    ];
    Report::of(together::all(checks).await.into_iter().flatten().collect())
}

/// One that takes too long, or fails, has found that.
fn check(name: &'static str, work: impl Future<Output = Vec<Finding>> + Send + 'static) -> BoxFuture<'static, Vec<Finding>> {
    let this = |word, said: String| vec![Finding::of(name, "This check", Look::Warn, word).said(said)];
    let bounded = async move {
        match timeout(PATIENCE, AssertUnwindSafe(work).catch_unwind()).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => this("failed", "It ended early.".to_owned()),
            Err(_) => this("no answer", format!("It took longer than {} s.", PATIENCE.as_secs())),
        }
    };
    bounded.boxed()
}
