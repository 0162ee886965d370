//! What a running node says about itself: one line on stdout with `--json`, and `run.json` while it runs.

use std::io;
use std::path::{Path, PathBuf};

use libp2p::PeerId;
use libp2p::multiaddr::Protocol;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::config::files::{read_bounded, write_private_atomically};
use crate::p2p::relay::RelayHandle;
use crate::peer::SelfInfo;

/// Longest `run.json` that is read, in bytes.
const MAX_RUN_FILE: u64 = 64 * 1024;

/// A node that is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Who it is, as base58 text.
    pub peer_id: String,
    /// What it does: `peer`, `relay` (and no peer), `rendezvous`.
    pub roles: Vec<String>,
    /// Where it listens: multiaddrs that end in `/p2p/<peer_id>`.
    pub listen: Vec<String>,
    /// The page for its owner.
    pub viewer: Option<String>,
    /// The page for everyone.
    pub public: Option<String>,
    /// The same page without a proxy before it, as programs of this machine reach it.
    #[serde(default)]
    pub local: Option<String>,
    /// The program's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// What a request that changes state must carry; only in `run.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

impl Ready {
    /// A node called `peer_id` that does nothing yet.
    pub fn of(peer_id: &PeerId) -> Self {
        Self {
            peer_id: peer_id.to_string(),
            roles: Vec::new(),
            listen: Vec::new(),
            viewer: None,
            public: None,
            local: None,
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            token: None,
        }
    }

    /// The same, and it is a peer with a viewer at `viewer`.
    #[must_use]
    pub fn with_peer(mut self, me: &SelfInfo, viewer: Option<String>) -> Self {
        self.roles.push("peer".into());
        self.listen = me.listen.iter().map(ToString::to_string).collect();
        Self { viewer, ..self }
    }

    /// The same, and it relays, found at the addresses of `relay`.
    #[must_use]
    pub fn with_relay(mut self, relay: Option<&RelayHandle>) -> Self {
        self.roles.push("relay".into());
        let said = relay.and_then(RelayHandle::announcement);
        let places = said.into_iter().flat_map(|said| said.addrs.into_iter().map(move |addr| addr.with(Protocol::P2p(said.peer_id))));
        Self { listen: places.map(|place| place.to_string()).collect(), ..self }
    }

    /// The same, and it plays this public role at `url`, which programs of this machine reach at `local`.
    #[must_use]
    pub fn with_public(mut self, role: &str, url: String, local: String) -> Self {
        self.roles.push(role.into());
        Self { public: Some(url), local: Some(local), ..self }
    }
}

/// The file in which a running node can be found; removed when this is dropped.
#[derive(Debug)]
pub struct RunFile(PathBuf);

/// Why the file could not be written or read.
#[derive(Debug, Error)]
pub enum RunFileError {
    /// Writing failed.
    #[error("{path} cannot be written: {error}")]
    Write {
        /// Which file.
        path: String,
        /// The system's word.
        error: io::Error,
    },
    /// There is no node running with this data folder.
    #[error("no goop is running with the data folder {0}; start one with `goop run`")]
    NotRunning(String),
    /// The file is there but not one of ours.
    #[error("{path} is not understood: {error}")]
    Damaged {
        /// Which file.
        path: String,
        /// What is wrong.
        error: String,
    },
}

impl RunFile {
    /// Writes the file, readable by its owner only.
    ///
    /// # Errors
    /// [`RunFileError::Write`].
    pub fn write(path: &Path, ready: &Ready, token: Option<&str>) -> Result<Self, RunFileError> {
        let whole = Ready { token: token.map(str::to_owned), ..ready.clone() };
        let failed = |error| RunFileError::Write { path: path.display().to_string(), error };
        let json = serde_json::to_vec_pretty(&whole).map_err(|error| failed(error.into()))?;
        write_private_atomically(path, &json).map_err(failed)?;
        Ok(Self(path.to_owned()))
    }

    /// Reads the file of a running node. A node that was killed leaves its file behind: whoever connects learns that.
    ///
    /// # Errors
    /// [`RunFileError::NotRunning`] or [`RunFileError::Damaged`].
    pub fn read(path: &Path) -> Result<Ready, RunFileError> {
        let folder = || path.parent().unwrap_or(path).display().to_string();
        let damaged = |error: String| RunFileError::Damaged { path: path.display().to_string(), error };
        match read_bounded(path, MAX_RUN_FILE) {
            Ok(json) => serde_json::from_slice(&json).map_err(|error| damaged(error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(RunFileError::NotRunning(folder())),
            Err(error) => Err(damaged(error.to_string())),
        }
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}
