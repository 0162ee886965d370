//! A whole node: builds what the configuration switches on, says when it is ready, and stops everything in reverse.
//!
//! Start: lock the data folder, load the identity, start the peer, open the viewer, write `run.json`. A node whose parts are not
//! all alive stops (THREATS 57): half a node is worse than none.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::files::read_bounded;
use crate::config::p2p::P2pConfig;
use crate::config::{DataDir, Loaded};
use crate::identity::{DataLock, Identity, IdentityError, LockError};
use crate::p2p::nat;
use crate::peer::{self, PeerError, PeerHandle, Profile};
use crate::shutdown::{DEADLINE, Ended, Tasks};
use crate::telemetry::Metrics;
use crate::viewer::{self, MAX_OWN_AVATAR, Viewer, ViewerError};

mod reload;
mod run_file;

pub use reload::reload;
pub use run_file::{Ready, RunFile, RunFileError};

/// A running node.
pub struct Node {
    ready: Ready,
    peer: PeerHandle,
    viewer: Option<Viewer>,
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
        let lock = DataLock::acquire(&data.lock_file())?;
        let (identity, warnings) = Identity::of(loaded)?;
        for warning in loaded.warnings.iter().chain(&warnings) {
            warn!("{warning}");
        }
        let (mut tasks, stop, metrics) = (Tasks::default(), CancellationToken::new(), Metrics::default());
        let peer = peer::start(peer_options(loaded, &identity), &metrics, &mut tasks, stop.child_token()).await?;
        let viewer = open_viewer(loaded, &peer, metrics, &stop)?;
        let me = peer.me().await.map_err(|_| PeerError::Ended)?;
        let ready = Ready::of(&me, viewer.as_ref().map(Viewer::url));
        let run_file = RunFile::write(&data.run_json(), &ready, viewer.as_ref().map(Viewer::token))?;
        Ok(Self { ready, peer, viewer, run_file, tasks, stop, _lock: lock })
    }

    /// What the node says about itself.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The peer of this node.
    pub fn peer(&self) -> &PeerHandle {
        &self.peer
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
        let until = Instant::now() + DEADLINE;
        drop(self.run_file);
        self.stop.cancel();
        if let Some(viewer) = self.viewer
            && tokio::time::timeout_at(until, viewer.shutdown()).await.is_err()
        {
            warn!("the viewer did not end in time");
        }
        let left = until.duration_since(Instant::now()).max(Duration::from_millis(1));
        let cut_off = self.tasks.finish(left).await;
        if !cut_off.is_empty() {
            warn!(?cut_off, "these parts did not end in time");
        }
        info!("stopped");
    }
}

fn peer_options(loaded: &Loaded, identity: &Identity) -> peer::Options {
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
        nat: nat_options(&config.p2p),
    }
}

fn nat_options(config: &P2pConfig) -> nat::Options {
    nat::Options {
        relay_server: config.relay_server,
        relay_data: config.relay_data,
        upnp: config.upnp,
        external: config.external_addrs.iter().map(|external| external.0.clone()).collect(),
        relays: config.relays.iter().map(|relay| (relay.peer, relay.addr.clone())).collect(),
    }
}

/// The avatar on disk; one that cannot be read is as good as none.
fn avatar(data: &DataDir) -> Option<Bytes> {
    let read = |path: &Path| read_bounded(path, MAX_OWN_AVATAR).ok().map(Bytes::from);
    read(&data.avatar()).or_else(|| read(&data.goop2_avatar()?))
}

fn open_viewer(loaded: &Loaded, peer: &PeerHandle, metrics: Metrics, stop: &CancellationToken) -> Result<Option<Viewer>, NodeError> {
    let Some(addr) = loaded.config.viewer.http_addr.get() else { return Ok(None) };
    let explicit = loaded.is_explicit("viewer.http_addr");
    let options = viewer::Options { addr, explicit, ..viewer::Options::new(loaded.data.avatar()) };
    let counters = options.metrics.clone();
    metrics.register("viewer_http", |room| counters.register(room));
    let viewer = Viewer::bind(options, peer.clone(), move || metrics.text(), stop.child_token())?;
    Ok(Some(viewer))
}
