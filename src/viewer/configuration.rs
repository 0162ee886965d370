//! The owner's settings: shown as the running node has them, read from the files when they are to be changed, changed one after the other,
//! and applied at once as far as the running node can.

use axum::http::StatusCode;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::Options;
use crate::config::Loaded;
use crate::config::reload::{Applied, ReloadHandle};
use crate::http::Problem;

/// See the head of this file.
pub(super) struct Configuration {
    current: watch::Receiver<Loaded>,
    reload: Option<ReloadHandle>,
    /// Held while the file changes.
    changes: tokio::sync::Mutex<()>,
}

impl Configuration {
    pub(super) fn new(options: &Options) -> Self {
        Self { current: options.current.clone(), reload: options.reload.clone(), changes: tokio::sync::Mutex::default() }
    }

    /// What the node runs with. Nobody changes it while it is held, so it is not held for long.
    pub(super) fn current(&self) -> watch::Ref<'_, Loaded> {
        self.current.borrow()
    }

    /// What the files say now.
    ///
    /// # Errors
    /// 409 where they have faults, in the configuration's own words.
    pub(super) async fn read(&self) -> Result<Loaded, Problem> {
        let current = self.current().clone();
        let read = spawn_blocking(move || current.again()).await.map_err(|_| Problem::internal())?;
        read.map_err(|faults| Problem::new(StatusCode::CONFLICT, "bad-config", faults.to_string()))
    }

    /// To be held by whoever changes the file.
    pub(super) async fn change(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changes.lock().await
    }

    /// Has the running node apply what the files say now.
    pub(super) async fn apply(&self) -> Applied {
        match &self.reload {
            Some(reload) => reload.ask().await,
            None => Applied::NotTold,
        }
    }
}
