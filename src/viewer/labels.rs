//! What one's own communities are called on hubs, for the pages; read anew only where what is kept of hubs has changed, or others are asked for.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::App;
use crate::clients::superhub::kept::{self, Stamp};
use crate::clients::superhub::names::{Names, names};

/// What was read last.
#[derive(Default)]
pub(super) struct Labels(Mutex<Option<Read>>);

struct Read {
    stamp: Stamp,
    addresses: BTreeSet<String>,
    names: Arc<Names>,
}

impl App {
    /// What the communities at `addresses` are called, as far as hubs agree.
    pub(super) async fn names(&self, addresses: BTreeSet<String>) -> Arc<Names> {
        let data = self.configuration.current().data.clone();
        let mut last = self.labels.0.lock().await;
        let before = last.as_ref().filter(|last| last.addresses == addresses).map(|last| last.stamp);
        let reading = spawn_blocking(move || {
            let stamp = kept::stamp(&data);
            let read = || Read { stamp, names: Arc::new(names(&kept::all(&data), &addresses)), addresses };
            (before != Some(stamp)).then(read)
        });
        if let Ok(Some(fresh)) = reading.await {
            *last = Some(fresh);
        }
        last.as_ref().map(|last| last.names.clone()).unwrap_or_default()
    }
}
