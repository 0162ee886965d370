//! The one libp2p stack of the node: transports, behaviours, limits. No policy: who is dialled and what is said is for the role.
//!
//! TCP and QUIC, Noise (and TLS where the other side wants it), Yamux; through relays where there is no other way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, UdpSocket};
use std::num::NonZeroU8;
use std::time::Duration;

use libp2p::Transport;
use libp2p::core::upgrade::Version;
use libp2p::gossipsub::IdentTopic;
use libp2p::identity::Keypair;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::behaviour::toggle::Toggle;
use libp2p::swarm::{self, NetworkBehaviour, Swarm};
use libp2p::{
    Multiaddr, StreamProtocol, SwarmBuilder, allow_block_list, autonat, connection_limits, dcutr, memory_connection_limits, noise, ping,
    tcp, tls, upnp, yamux,
};
use thiserror::Error;

mod behaviour;
pub mod gossip;
pub mod ip_limit;
pub mod link_local;
pub mod nat;
pub mod relay;
pub mod same_link;
pub mod streams;
pub mod wary;

pub use behaviour::{Behaviour, BehaviourEvent};

/// How often each connection is pinged. With [`SUSPECT_AFTER`] it decides how soon a pulled cable is noticed: TCP alone takes
/// more than a minute.
pub const PING_EVERY: Duration = Duration::from_secs(3);
/// A connection without an answered ping for this long is suspect: it is dialled anew beside the old one.
pub const SUSPECT_AFTER: Duration = Duration::from_secs(5);
/// A ping that is not answered within this time has failed.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// A connection that carries neither gossip nor streams closes after this time.
const IDLE: Duration = Duration::from_secs(60);
/// A free TCP port whose UDP twin is taken is tried again this often.
const PORT_TRIES: usize = 16;
/// A connection whose handshakes take longer is given up, whoever dialled.
const CONNECTING: Duration = Duration::from_secs(5);
/// Streams that may be negotiating at once on one connection.
const MAX_NEGOTIATING: usize = 128;
/// Streams that one connection may have open; the other side may leave 256 KiB unread in each. One too many ends the connection.
const MAX_STREAMS: usize = 256;
/// Connections to one peer (THREATS 49 says two, which stands between neighbours too where one fell silent and is dialled anew). Across
/// routers there are three: through the relay, direct, and a second direct one, where TCP and QUIC are punched at once (with two each
/// side could refuse the other's), the first fell silent, or AutoNAT asks back.
const MAX_PER_PEER: u32 = 3;
/// Connections are refused above this share of the machine's memory.
const MAX_MEMORY_SHARE: f64 = 0.9;

/// What the stack is built from.
pub struct Options {
    /// Who we are.
    pub key: Keypair,
    /// TCP and UDP port; 0 takes a free one.
    pub listen_port: u16,
    /// Listen on loopback only.
    pub loopback_only: bool,
    /// The presence topic.
    pub topic: IdentTopic,
    /// The stream protocols we answer.
    pub served: Vec<StreamProtocol>,
    /// Whether an address lies on one of our own subnets, or is link-local or loopback.
    pub own_subnet: Box<dyn Fn(IpAddr) -> bool + Send>,
    /// How others are reached through routers; on loopback only the relay's part counts.
    pub nat: nat::Options,
}

/// Why the stack did not start.
#[derive(Debug, Error)]
pub enum P2pError {
    /// A part of libp2p refused its settings.
    #[error("libp2p did not start: {0}")]
    Build(String),
    /// No address could be listened on.
    #[error("cannot listen on port {port}: {error}; set p2p.listen_port to a free port, or to 0 for any")]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// The system's word.
        error: String,
    },
}

/// Builds the stack and listens.
///
/// # Errors
/// [`P2pError::Listen`] if a wanted port is taken or no address could be listened on.
pub fn start(options: Options) -> Result<Swarm<Behaviour>, P2pError> {
    let external = options.nat.external.clone();
    let mut swarm = listening(options.listen_port, options.loopback_only, || build(options))?;
    external.into_iter().for_each(|addr| swarm.add_external_address(addr));
    Ok(swarm)
}

/// Builds a swarm and lets it listen.
fn listening<B>(port: u16, loopback_only: bool, build: impl FnOnce() -> Result<Swarm<B>, P2pError>) -> Result<Swarm<B>, P2pError>
where
    B: NetworkBehaviour,
{
    let hosts: [IpAddr; 2] = if loopback_only {
        [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
    } else {
        [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
    };
    let port = free_port(hosts[0], port)?;
    let mut swarm = build()?;
    let tried = hosts.into_iter().flat_map(|host| listen_addrs(host, port)).map(|addr| swarm.listen_on(addr)).collect::<Vec<_>>();
    match tried.iter().find_map(|listening| listening.as_ref().err()) {
        Some(error) if tried.iter().all(Result::is_err) => Err(P2pError::Listen { port, error: error.to_string() }),
        _ => Ok(swarm),
    }
}

/// A port that is free for TCP and UDP: the wanted one, or any if 0 is wanted. libp2p shares its ports (`SO_REUSEPORT`), so it would
/// not notice a second program.
fn free_port(host: IpAddr, wanted: u16) -> Result<u16, P2pError> {
    let try_once = || {
        let port = TcpListener::bind((host, wanted))?.local_addr()?.port();
        UdpSocket::bind((host, port)).map(|_| port)
    };
    let tries = if wanted == 0 { PORT_TRIES } else { 1 };
    let mut tried = (0..tries).map(|_| try_once());
    let first = tried.next().unwrap_or(Ok(wanted));
    first
        .or_else(|error| tried.find_map(Result::ok).ok_or(error))
        .map_err(|error| P2pError::Listen { port: wanted, error: error.to_string() })
}

/// TCP and QUIC on the same port.
fn listen_addrs(host: IpAddr, port: u16) -> [Multiaddr; 2] {
    let host = Multiaddr::from(host);
    [host.clone().with(Protocol::Tcp(port)), host.with(Protocol::Udp(port)).with(Protocol::QuicV1)]
}

fn build(options: Options) -> Result<Swarm<Behaviour>, P2pError> {
    let gossip = gossip::router(&options.key, &options.topic).map_err(P2pError::Build)?;
    let (nat, abroad) = (options.nat, !options.loopback_only);
    swarm(options.key, |key, relay_client| {
        let me = key.public().to_peer_id();
        Behaviour {
            blocked: allow_block_list::Behaviour::default(),
            limits: connection_limits::Behaviour::new(limits()),
            memory: memory_connection_limits::Behaviour::with_max_percentage(MAX_MEMORY_SHARE),
            ip_limit: ip_limit::Behaviour::new(if nat.relay_server { relay::MAX_OPEN_PER_IP } else { ip_limit::MAX_OPEN }),
            identify: identify(key),
            ping: ping::Behaviour::new(ping::Config::new().with_interval(PING_EVERY).with_timeout(PING_TIMEOUT)),
            relay_client,
            relay_server: nat.relay_server.then(|| relay::server(me, nat.guests)).into(),
            punch: wary::Wary::seldom(dcutr::Behaviour::new(me)),
            autonat: abroad.then(|| wary::Wary::new(autonat::Behaviour::new(me, nat::autonat_config()))).into(),
            upnp: Toggle::from((abroad && nat.upnp).then(upnp::tokio::Behaviour::default)),
            streams: streams::Behaviour::new(options.served, nat.relay_data),
            lan: same_link::Behaviour::new(gossip, same_link::Links::new(options.own_subnet)),
        }
    })
}

/// The transports, under any behaviour. The relay's transport dials and listens only as long as its behaviour lives.
fn swarm<B>(key: Keypair, behaviour: impl FnOnce(&Keypair, libp2p::relay::client::Behaviour) -> B) -> Result<Swarm<B>, P2pError>
where
    B: NetworkBehaviour,
{
    let swarm = SwarmBuilder::with_existing_identity(key)
        .with_tokio()
        .with_tcp(tcp::Config::default().nodelay(true), (noise::Config::new, tls::Config::new), muxer)
        .map_err(|error| P2pError::Build(error.to_string()))?
        .with_quic()
        .with_other_transport(|key| {
            let secured = link_local::Zoned.upgrade(Version::V1Lazy).authenticate(noise::Config::new(key)?);
            Ok::<_, Box<dyn std::error::Error + Send + Sync>>(secured.multiplex(muxer()))
        })
        .map_err(|error| P2pError::Build(error.to_string()))?
        .with_relay_client(noise::Config::new, muxer)
        .map_err(|error| P2pError::Build(error.to_string()))?
        .with_behaviour(behaviour)
        .map_err(|error| P2pError::Build(error.to_string()))?
        .with_swarm_config(swarm_config)
        .with_connection_timeout(CONNECTING)
        .build();
    Ok(swarm)
}

/// THREATS 42: libp2p lets us bound the streams, not the windows.
fn muxer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(MAX_STREAMS);
    config
}

fn swarm_config(config: swarm::Config) -> swarm::Config {
    config
        .with_idle_connection_timeout(IDLE)
        .with_max_negotiating_inbound_streams(MAX_NEGOTIATING)
        .with_dial_concurrency_factor(NonZeroU8::MIN.saturating_add(3))
}

/// As go-libp2p names it.
fn identify(key: &Keypair) -> libp2p::identify::Behaviour {
    let config = libp2p::identify::Config::new("ipfs/0.1.0".into(), key.public());
    libp2p::identify::Behaviour::new(
        config.with_agent_version(concat!("goop/", env!("CARGO_PKG_VERSION")).into()).with_push_listen_addr_updates(true),
    )
}

/// THREATS 49.
fn limits() -> connection_limits::ConnectionLimits {
    connection_limits::ConnectionLimits::default()
        .with_max_pending_incoming(Some(64))
        .with_max_pending_outgoing(Some(64))
        .with_max_established_incoming(Some(256))
        .with_max_established(Some(512))
        .with_max_established_per_peer(Some(MAX_PER_PEER))
}
