//! The owner's settings: read from the file anew whenever they are asked for, changed in it one after the other, and applied at once as far
//! as the running node can.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::Options;
use crate::config::Loaded;
use crate::http::Problem;
use crate::rendezvous::{ReloadAnswer, Reloaded};

/// How long the running node may take to apply what changed.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the head of this file.
pub(super) struct Configuration {
    started: Loaded,
    reload: Option<mpsc::Sender<ReloadAnswer>>,
    /// Held while the file changes.
    changes: tokio::sync::Mutex<()>,
    /// As it was without faults.
    last: Mutex<Arc<Loaded>>,
}

impl Configuration {
    pub(super) fn new(options: &Options) -> Self {
        let started = options.config.clone();
        let last = Mutex::new(Arc::new(started.clone()));
        Self { started, reload: options.reload.clone(), changes: tokio::sync::Mutex::default(), last }
    }

    /// What the files say now.
    ///
    /// # Errors
    /// 409 where they have faults, in the configuration's own words.
    pub(super) async fn now(&self) -> Result<Arc<Loaded>, Problem> {
        let started = self.started.clone();
        let read = spawn_blocking(move || started.again()).await.map_err(|_| Problem::internal())?;
        let loaded = Arc::new(read.map_err(|faults| Problem::new(StatusCode::CONFLICT, "bad-config", faults.to_string()))?);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = loaded.clone();
        Ok(loaded)
    }

    /// The same; while the files have faults, what they said before.
    pub(super) async fn last(&self) -> Arc<Loaded> {
        match self.now().await {
            Ok(now) => now,
            Err(_) => self.last.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// To be held by whoever changes the file.
    pub(super) async fn change(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.changes.lock().await
    }

    /// Has the running node apply what the files say now; `None` where it cannot be told.
    pub(super) async fn apply(&self) -> Option<Reloaded> {
        let (tell, told) = oneshot::channel();
        let applied = timeout(PATIENCE, async {
            self.reload.as_ref()?.send(tell).await.ok()?;
            told.await.ok()?.ok()
        });
        applied.await.ok().flatten()
    }
}
