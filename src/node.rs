//! A whole node: builds what the configuration switches on, says when it is ready, and stops everything in reverse.
//!
//! Start: lock the data folder, load the identity, start the public roles, then the peer, open the viewer, write `run.json`. A node
//! whose parts are not all alive stops (THREATS 57): half a node is worse than none.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::clients::superhub::keep_listed;
use crate::config::Loaded;
use crate::config::reload::ReloadHandle;
use crate::identity::{DataLock, Identity, IdentityError, LockError};
use crate::p2p::P2pError;
use crate::peer::{PeerError, PeerHandle};
use crate::rendezvous::{Rendezvous, RendezvousError};
use crate::shutdown::{DEADLINE, Ended, Tasks};
use crate::superhub::SuperHubError;
use crate::systemd::{self, Sockets};
use crate::telemetry::Metrics;
use crate::viewer::ViewerError;

mod moves;
mod numbers;
mod open_files;
mod private;
mod public;
mod relay;
mod reload;
mod run_file;
mod site_folder;
#[cfg(test)]
mod tests;
mod vital;

use private::Private;
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
        let Private { ready, peer, token, relay } = Private::open(&house, &public, &current, &reload, &mut tasks).await?;
        if let (Some(board), Some(relay)) = (&public.board, relay) {
            board.name_relay(relay);
        }
        if let Some(board) = public.board.clone() {
            tasks.spawn("listing", keep_listed(current, move || board.url(), identity.keypair.clone(), stop.child_token()));
        }
        let (ready, hub, public) = (public.tell(ready), public.alone(), public.board);
        let run_file = RunFile::write(&data.run_json(), &ready, token.as_deref())?;
        tasks.spawn("reload", Reloader::new(told, peer.clone(), public.clone(), hub).run(wishes, stop.child_token()));
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
