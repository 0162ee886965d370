//! A whole node: builds what the configuration switches on, says when it is ready, and stops everything in reverse.
//!
//! Start: lock the data folder, load the identity, start the public roles, then the peer, open the viewer, write `run.json`. A node
//! whose parts are not all alive stops (THREATS 57): half a node is worse than none.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::clients::superhub::keep_listed;
use crate::config::base_url::BaseUrl;
use crate::config::files::read_bounded;
use crate::config::listing::ListingConfig;
use crate::config::{DataDir, Loaded};
use crate::identity::{DataLock, Identity, IdentityError, LockError};
use crate::peer::{self, PeerError, PeerHandle, Profile};
use crate::rendezvous::{self, Rendezvous, RendezvousError};
use crate::shutdown::{DEADLINE, Ended, Tasks};
use crate::superhub::{self, SuperHub, SuperHubError};
use crate::telemetry::Metrics;
use crate::viewer::{self, MAX_OWN_AVATAR, Viewer, ViewerError};

mod open_files;
mod reload;
mod run_file;
mod site_folder;

pub use reload::reload;
pub use run_file::{Ready, RunFile, RunFileError};

/// A running node.
pub struct Node {
    ready: Ready,
    peer: Option<PeerHandle>,
    listing: watch::Sender<ListingConfig>,
    run_file: RunFile,
    tasks: Tasks,
    stop: CancellationToken,
    _lock: DataLock,
}

/// Why a node did not start. Nothing of it runs then.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The data folder cannot be made or written.
    #[error("the data folder {path} cannot be used: {error}")]
    Data {
        /// Which.
        path: String,
        /// The system's word.
        error: io::Error,
    },
    /// Another process uses the data folder.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// The identity is damaged or missing.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The peer did not start.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The rendezvous server did not start.
    #[error(transparent)]
    Rendezvous(#[from] RendezvousError),
    /// The super hub did not start.
    #[error(transparent)]
    SuperHub(#[from] SuperHubError),
    /// The viewer did not start.
    #[error(transparent)]
    Viewer(#[from] ViewerError),
    /// `run.json` could not be written.
    #[error(transparent)]
    RunFile(#[from] RunFileError),
}

impl Node {
    /// Starts everything; when this returns, the node is ready.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn start(loaded: &Loaded) -> Result<Self, NodeError> {
        let data = &loaded.data;
        data.create().map_err(|error| NodeError::Data { path: data.root.display().to_string(), error })?;
        open_files::raise_limit();
        let lock = DataLock::acquire(&data.lock_file())?;
        let (identity, warnings) = Identity::of(loaded)?;
        for warning in loaded.warnings.iter().chain(&warnings) {
            warn!("{warning}");
        }
        if !loaded.config.presence.rendezvous_only {
            site_folder::prepare(loaded);
        }
        let (mut tasks, stop, metrics) = (Tasks::default(), CancellationToken::new(), Metrics::default());
        let public = Public::open(loaded, &identity, &metrics, &mut tasks, &stop)?;
        let mut ready = Ready::of(&identity.peer_id());
        let mut peer = None;
        let mut token = None;
        if !loaded.config.presence.rendezvous_only {
            let servers = rendezvous_servers(loaded, public.board);
            let handle = peer::start(peer_options(loaded, &identity, servers), &metrics, &mut tasks, stop.child_token()).await?;
            let viewer = open_viewer(loaded, &handle, metrics, &mut tasks, stop.child_token())?;
            let me = handle.me().await.map_err(|_| PeerError::Ended)?;
            ready = ready.with_peer(&me, viewer.as_ref().map(Viewer::url));
            token = viewer.as_ref().map(|viewer| viewer.token().to_owned());
            peer = Some(handle);
        }
        let (listing, listed) = watch::channel(loaded.config.listing.clone());
        if public.board.is_some()
            && let Some((_, url)) = public.roles.first()
        {
            tasks.spawn("listing", keep_listed(listed, url.clone(), identity.keypair.clone(), stop.child_token()));
        }
        for (role, url) in public.roles {
            ready = ready.with_public(role, url);
        }
        let run_file = RunFile::write(&data.run_json(), &ready, token.as_deref())?;
        Ok(Self { ready, peer, listing, run_file, tasks, stop, _lock: lock })
    }

    /// What the node says about itself.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The peer of this node; a node that is a server only has none.
    pub fn peer(&self) -> Option<&PeerHandle> {
        self.peer.as_ref()
    }

    /// Where a change of `[listing]` counts at once.
    pub fn listing(&self) -> watch::Sender<ListingConfig> {
        self.listing.clone()
    }

    /// Runs until `stop`, then shuts down; or until a part of the node dies, which is an error.
    ///
    /// # Errors
    /// Which part died.
    pub async fn run_until(mut self, stop: CancellationToken) -> Result<(), Ended> {
        let died = tokio::select! {
            () = stop.cancelled() => None,
            ended = self.tasks.any_end() => Some(ended),
        };
        if let Some(ended) = died {
            error!(part = ended.name, panicked = ended.panicked, "a part of the node ended; stopping the rest");
        }
        self.shutdown().await;
        died.map_or(Ok(()), Err)
    }

    /// Tells everyone `offline`, ends every stream, and waits for all parts, at most [`DEADLINE`].
    pub async fn shutdown(self) {
        drop(self.run_file);
        self.stop.cancel();
        let cut_off = self.tasks.finish(DEADLINE).await;
        if !cut_off.is_empty() {
            warn!(?cut_off, "these parts did not end in time");
        }
        info!("stopped");
    }
}

/// The public roles of a node, which share one listener.
#[derive(Default)]
struct Public {
    /// Where the own rendezvous server is.
    board: Option<SocketAddr>,
    roles: Vec<(&'static str, String)>,
}

impl Public {
    fn open(
        loaded: &Loaded,
        identity: &Identity,
        metrics: &Metrics,
        tasks: &mut Tasks,
        stop: &CancellationToken,
    ) -> Result<Self, NodeError> {
        let presence = &loaded.config.presence;
        let addr = SocketAddr::new(presence.rendezvous_bind, presence.rendezvous_port);
        let explicit = loaded.is_explicit("presence.rendezvous_port");
        let hub = loaded.config.superhub.enabled.then(|| hub_options(loaded, identity));
        if !presence.hosts_rendezvous() {
            let Some(hub) = hub else { return Ok(Self::default()) };
            let door = superhub::DoorOptions { addr, explicit, password: presence.admin_password.clone() };
            let alone = superhub::Alone::start(door, hub, metrics, tasks, stop.child_token())?;
            return Ok(Self { board: None, roles: vec![(superhub::ROLE, alone.url())] });
        }
        let prepared = Rendezvous::prepare(board_options(loaded, identity, addr, explicit), metrics)?;
        let beside = match hub {
            Some(hub) => {
                Some((superhub::ROLE, SuperHub::open(hub, prepared.door(), prepared.addr(), metrics, tasks, stop.child_token())?.router()))
            }
            None => None,
        };
        let mut names = vec!["rendezvous"];
        names.extend(beside.as_ref().map(|(role, _)| *role));
        let board = prepared.serve(beside, metrics, tasks, stop.child_token());
        Ok(Self { board: Some(board.addr()), roles: names.into_iter().map(|role| (role, board.url())).collect() })
    }
}

fn board_options(loaded: &Loaded, identity: &Identity, addr: SocketAddr, explicit: bool) -> rendezvous::Options {
    let presence = &loaded.config.presence;
    rendezvous::Options {
        addr,
        explicit,
        server: identity.peer_id(),
        ttl: presence.ttl_seconds,
        allow_unsigned: presence.allow_unsigned,
        http: loaded.config.http.clone(),
        doors: rendezvous::DoorOptions {
            key: Some(identity.keypair.clone()),
            password: presence.admin_password.clone(),
            peers: loaded.config.superhub.admin_peers.clone(),
            database: Some(database(loaded)),
        },
    }
}

fn hub_options(loaded: &Loaded, identity: &Identity) -> superhub::Options {
    let (config, http) = (&loaded.config.superhub, &loaded.config.http);
    let host = http.external_url.as_ref().and_then(|url| url.url().host_str()).map(str::to_owned);
    let name = if config.name.is_empty() { host.unwrap_or_else(|| identity.peer_id().to_base58()) } else { config.name.to_string() };
    superhub::Options {
        directory: superhub::directory::Options {
            database: loaded.data.directory(),
            feed_state: loaded.data.feed_state(),
            key: identity.keypair.clone(),
            name,
        },
        http: http.clone(),
        peers: config.admin_peers.clone(),
        registration: config.registration,
        private_addresses: config.private_addresses,
        lease: config.lease_seconds,
        probe: config.probe,
    }
}

/// Where a server remembers what it must: the file that several share, or its own.
fn database(loaded: &Loaded) -> PathBuf {
    let shared = loaded.config.presence.peer_db_path.as_deref();
    shared.map_or_else(|| loaded.data.database(), |path| loaded.data.path(path))
}

/// The servers that are configured, and the one of this node, which stands before them.
fn rendezvous_servers(loaded: &Loaded, own: Option<SocketAddr>) -> Vec<BaseUrl> {
    let reachable = |addr: SocketAddr| match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::from((Ipv4Addr::LOCALHOST, addr.port())),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::from((Ipv6Addr::LOCALHOST, addr.port())),
        _ => addr,
    };
    let own = own.and_then(|addr| BaseUrl::parse(&format!("http://{}", reachable(addr))).ok());
    own.into_iter().chain(loaded.config.presence.rendezvous_wan.iter().cloned()).collect()
}

fn peer_options(loaded: &Loaded, identity: &Identity, rendezvous: Vec<BaseUrl>) -> peer::Options {
    let config = &loaded.config;
    peer::Options {
        key: identity.keypair.clone(),
        profile: Profile {
            label: config.profile.label_or_id(&identity.peer_id()),
            email: config.profile.shared_email().map(str::to_owned),
            avatar: avatar(&loaded.data),
        },
        site_root: loaded.data.site(config),
        listen_port: config.p2p.listen_port,
        loopback_only: config.p2p.loopback_only,
        mdns_tag: config.discovery.mdns.then(|| config.p2p.mdns_tag.as_str().to_owned()),
        topic: config.presence.topic.as_str().to_owned(),
        ttl: config.presence.ttl_seconds,
        heartbeat: config.presence.heartbeat_seconds,
        rendezvous,
    }
}

/// The avatar on disk, one's own or goop2's; one that cannot be read is as good as none.
fn avatar(data: &DataDir) -> Option<Bytes> {
    let read = |path: &Path| match read_bounded(path, MAX_OWN_AVATAR) {
        Ok(bytes) => Some(Bytes::from(bytes)),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                warn!(path = %path.display(), %error, "the avatar cannot be read");
            }
            None
        }
    };
    read(&data.avatar()).or_else(|| read(&data.goop2_avatar()?))
}

fn open_viewer(
    loaded: &Loaded,
    peer: &PeerHandle,
    metrics: Metrics,
    tasks: &mut Tasks,
    stop: CancellationToken,
) -> Result<Option<Viewer>, NodeError> {
    let Some(addr) = loaded.config.viewer.http_addr.get() else { return Ok(None) };
    let explicit = loaded.is_explicit("viewer.http_addr");
    let data = &loaded.data;
    let options = viewer::Options { addr, explicit, inherited_avatar: data.goop2_avatar(), ..viewer::Options::new(data.avatar()) };
    let counters = options.metrics.clone();
    metrics.register("viewer_http", |room| counters.register(room));
    let viewer = Viewer::bind(options, peer.clone(), move || metrics.text(), tasks, stop)?;
    Ok(Some(viewer))
}
