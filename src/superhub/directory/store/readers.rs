//! Looks at the store beside the writer: a few connections, each of which sees all that was written before its look began.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::StoreError;
use crate::db::Db;

/// Looks at the same time; each has a page cache of 16 MiB.
const READERS: usize = 4;
/// Looks that wait for a place; one more hears 503.
const WAITING: usize = 512;

/// The connections.
pub(in crate::superhub) struct Readers {
    free: Arc<Mutex<Vec<Db>>>,
    places: Arc<Semaphore>,
    waiting: Semaphore,
}

impl Readers {
    pub(in crate::superhub) fn open(db: &Db) -> Result<Self, StoreError> {
        let free = (0..READERS).map(|_| open(db)).collect::<Result<Vec<_>, _>>()?;
        let (free, places) = (Arc::new(Mutex::new(free)), Arc::new(Semaphore::new(READERS)));
        Ok(Self { free, places, waiting: Semaphore::new(WAITING) })
    }

    /// See [`crate::superhub::directory::Directory::read`].
    pub(in crate::superhub) async fn read<T, F>(&self, look: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let _waits = self.waiting.try_acquire().map_err(|_| StoreError::Busy)?;
        let place = self.places.clone().acquire_owned().await.map_err(|_| StoreError::Stopped)?;
        let free = self.free.clone();
        let looked = tokio::task::spawn_blocking(move || {
            // Held until the look is over, also where whoever asked has hung up: its connection is taken until then.
            let _place = place;
            let take = || free.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(db) = take() else { return Err(StoreError::Busy) };
            let mut found = Err(StoreError::Busy);
            let read = db.read(|connection| {
                // One moment for all of its statements.
                let moment = connection.unchecked_transaction()?;
                found = look(&moment);
                moment.finish()
            });
            free.lock().unwrap_or_else(PoisonError::into_inner).push(db);
            read?;
            found
        });
        looked.await.map_err(|_| StoreError::Failed("a look at the directory panicked".into()))?
    }
}

fn open(db: &Db) -> Result<Db, StoreError> {
    let reader = db.reader()?;
    reader.read(|connection| {
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "cache_size", -16_384)
    })?;
    Ok(reader)
}
