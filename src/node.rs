//! A whole node: builds what the configuration switches on, says when it is ready, and stops everything in reverse.
//!
//! Start: lock the data folder, load the identity, start the public roles, then the peer, open the viewer, write `run.json`. A node
//! whose parts are not all alive stops (THREATS 57): half a node is worse than none.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use bytes::Bytes;
use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::clients::superhub::{keep_known, keep_listed};
use crate::config::base_url::BaseUrl;
use crate::config::files::read_bounded;
use crate::config::reload::ReloadHandle;
use crate::config::{Config, DataDir, Loaded};
use crate::identity::{DataLock, Identity, IdentityError, LockError};
use crate::p2p::{P2pError, nat};
use crate::peer::files::Folders;
use crate::peer::{self, PeerError, PeerHandle, Profile};
use crate::rendezvous::{Rendezvous, RendezvousError};
use crate::shutdown::{DEADLINE, Ended, Tasks};
use crate::superhub::SuperHubError;
use crate::systemd::{self, Sockets};
use crate::telemetry::Metrics;
use crate::viewer::{self, MAX_OWN_AVATAR, Viewer, ViewerError};

mod moves;
mod numbers;
mod open_files;
mod public;
mod relay;
mod reload;
mod run_file;
mod site_folder;
#[cfg(test)]
mod tests;
mod vital;

use public::{House, Public};
use reload::Reloader;
pub use run_file::{Ready, RunFile, RunFileError};
pub use vital::Vital;

/// A running node.
pub struct Node {
    ready: Ready,
    peer: Option<PeerHandle>,
    public: Option<Rendezvous>,
    reload: ReloadHandle,
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
    /// The relay did not start.
    #[error(transparent)]
    Relay(#[from] P2pError),
    /// The rendezvous server did not start.
    #[error(transparent)]
    Rendezvous(#[from] RendezvousError),
    /// The super hub did not start.
    #[error(transparent)]
    SuperHub(#[from] SuperHubError),
    /// The listener for `/metrics` did not start.
    #[error("http.metrics_addr: {addr}: {cause}")]
    Numbers {
        /// Where it should listen.
        addr: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The viewer did not start.
    #[error(transparent)]
    Viewer(#[from] ViewerError),
    /// `run.json` could not be written.
    #[error(transparent)]
    RunFile(#[from] RunFileError),
    /// Sockets were handed over that no role answers at.
    #[error("the service manager hands over a socket for the public listener, but no public role is on: set presence.rendezvous_host")]
    IdleSockets,
}

impl Node {
    /// Starts everything; when this returns, the node is ready.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn start(loaded: &Loaded) -> Result<Self, NodeError> {
        Self::start_on(loaded, Sockets::default()).await
    }

    /// The same; where the service manager hands over sockets, those are listened on.
    ///
    /// # Errors
    /// See [`NodeError`].
    pub async fn start_on(loaded: &Loaded, sockets: Sockets) -> Result<Self, NodeError> {
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
        let ((told, current), (reload, wishes)) = (watch::channel(loaded.clone()), ReloadHandle::new());
        let house = House { loaded, identity: &identity, metrics: &metrics, stop: &stop };
        let public = Public::open(&house, sockets, reload.clone(), &mut tasks)?;
        numbers::tell(&house, &mut tasks)?;
        let mut ready = Ready::of(&identity.peer_id());
        let mut peer = None;
        let mut token = None;
        let guests = public.board.as_ref().map(Rendezvous::guests);
        let relay = if loaded.config.presence.rendezvous_only {
            let relay = relay::without_peer(loaded, &identity, guests, &mut tasks, &stop).await?;
            if loaded.config.p2p.relay_server {
                ready = ready.with_relay(relay.as_ref());
            }
            relay
        } else {
            let servers = rendezvous_servers(&loaded.config, public.board.as_ref());
            let (nat, relay) = relay::of_peer(&loaded.config.p2p, &identity, guests);
            let options = peer_options(loaded, &identity, servers, nat);
            let handle = peer::start(options, &metrics, &mut tasks, stop.child_token()).await?;
            tasks.spawn("moves", moves::write_down(handle.clone(), current.clone(), reload.clone(), stop.child_token()));
            let options = viewer_options(current.clone(), reload.clone(), public.local());
            let viewer = open_viewer(options, &handle, metrics, &mut tasks, stop.child_token())?;
            let me = handle.me().await.map_err(|_| PeerError::Ended)?;
            ready = ready.with_peer(&me, viewer.as_ref().map(Viewer::url));
            token = viewer.as_ref().map(|viewer| viewer.token().to_owned());
            peer = Some(handle);
            relay
        };
        if let (Some(board), Some(relay)) = (&public.board, relay) {
            board.name_relay(relay);
        }
        if peer.is_some() {
            tasks.spawn("communities", keep_known(current.clone(), data.known_communities(), stop.child_token()));
        }
        if let Some(board) = public.board.clone() {
            tasks.spawn("listing", keep_listed(current, move || board.url(), identity.keypair.clone(), stop.child_token()));
        }
        ready = public.tell(ready);
        let public = public.board;
        let run_file = RunFile::write(&data.run_json(), &ready, token.as_deref())?;
        tasks.spawn("reload", Reloader::new(told, peer.clone(), public.clone()).run(wishes, stop.child_token()));
        Ok(Self { ready, peer, public, reload, run_file, tasks, stop, _lock: lock })
    }

    /// What the node says about itself.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The peer of this node; a node that is a server only has none.
    pub fn peer(&self) -> Option<&PeerHandle> {
        self.peer.as_ref()
    }

    /// What tells whether its parts answer.
    pub fn vital(&self) -> Vital {
        Vital::of(self.peer.clone(), self.public.clone())
    }

    /// Has its configuration read anew.
    pub fn reload(&self) -> ReloadHandle {
        self.reload.clone()
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
        systemd::stopping(&died.map_or_else(|| "Stopping".to_owned(), |ended| format!("Stopping, for {} ended", ended.name)));
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

/// The servers that are configured, and the one of this node, which stands before them.
fn rendezvous_servers(config: &Config, own: Option<&Rendezvous>) -> Vec<BaseUrl> {
    let own = own.and_then(|own| BaseUrl::parse(&own.local_url()).ok());
    own.into_iter().chain(config.presence.rendezvous_wan.iter().cloned()).collect()
}

fn peer_options(loaded: &Loaded, identity: &Identity, rendezvous: Vec<BaseUrl>, nat: nat::Options) -> peer::Options {
    let config = &loaded.config;
    peer::Options {
        key: identity.keypair.clone(),
        profile: Profile {
            label: config.profile.label_or_id(&identity.peer_id()),
            email: config.profile.shared_email().map(str::to_owned),
            avatar: avatar(&loaded.data),
        },
        site_root: loaded.data.site(config),
        memory: loaded.data.database(),
        folders: Folders { downloads: loaded.data.downloads(config), spool: loaded.data.spool() },
        listen_port: config.p2p.listen_port,
        loopback_only: config.p2p.loopback_only,
        mdns_tag: config.discovery.mdns.then(|| config.p2p.mdns_tag.as_str().to_owned()),
        topic: config.presence.topic.as_str().to_owned(),
        ttl: config.presence.ttl_seconds,
        heartbeat: config.presence.heartbeat_seconds,
        rendezvous,
        nat,
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

/// What a node with a viewer is called.
fn roles(config: &Config) -> Vec<&'static str> {
    let all = [
        ("peer", true),
        ("relay", config.p2p.relay_server),
        ("rendezvous server", config.presence.rendezvous_host),
        ("super hub", config.superhub.enabled),
    ];
    all.into_iter().filter_map(|(role, is_on)| is_on.then_some(role)).collect()
}

fn viewer_options(current: watch::Receiver<Loaded>, reload: ReloadHandle, local: Option<String>) -> Option<viewer::Options> {
    let loaded = current.borrow().clone();
    let addr = loaded.config.viewer.http_addr.get()?;
    let (explicit, roles) = (loaded.is_explicit("viewer.http_addr"), roles(&loaded.config));
    Some(viewer::Options { addr, explicit, roles, local, current, reload: Some(reload), ..viewer::Options::new(&loaded) })
}

fn open_viewer(
    options: Option<viewer::Options>,
    peer: &PeerHandle,
    metrics: Metrics,
    tasks: &mut Tasks,
    stop: CancellationToken,
) -> Result<Option<Viewer>, NodeError> {
    let Some(options) = options else { return Ok(None) };
    let counters = options.metrics.clone();
    metrics.register("viewer_http", |room| counters.register(room));
    Ok(Some(Viewer::bind(options, peer.clone(), move || metrics.text(), tasks, stop)?))
}
