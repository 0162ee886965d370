//! The directory: what is listed, kept so that an acknowledged change survives anything, and found so fast that people can search as they type.
//!
//! ```text
//! change ─▶ store (one writer; waiting changes share a transaction) ─▶ SQLite: listings and the index of their words
//! search ─▶ search (tiers, in order of rank) ─▶ readers ─────────────────▶ the same file, as of now
//! ```
//! - `store`: what is kept, and the one writer. `store/desk`: every statement that changes a listing. `store/entry`: how one is read.
//! - `search`: text to listings. `dictionary`: which words there are, for typing errors and long beginnings.
//! - `api`: HTTP. `registration`: rendezvous servers that list themselves, `crowd`: too many of them. `moves`: communities that are elsewhere now.
//!   `moderation`: what visitors report.
//!
//! **Why SQLite's own FTS5 is the index.** A plain FTS5 table answers `che*` in 70 ms at a million listings because it collects every match
//! and ranks it. Here a row's number *is* its rank (what was seen of the server, then age), so the twenty best are the first twenty of a list
//! that is read in its own order: 0.04 ms measured for one letter as for a word. Words of names and tags stand in it once more, marked, since
//! finding a few names among the many texts that hold the same words took most of the time. The index is changed in the transaction that
//! changes the listing, so a crash cannot part them, the very next search sees it, a start reads nothing, and the process stays small: 1.2 KB
//! on disk a listing with all there is of it, 76 MiB resident at a million. tantivy would have been a second store to keep in step, commits of tens of milliseconds before
//! a change is seen, and minutes of compiling. What FTS5 lacks, typing errors, the dictionary adds; what many changes leave, parts that each
//! search looks into, the caretaker joins.

use std::path::PathBuf;
use std::sync::Arc;

use libp2p::PeerId;
use libp2p::identity::Keypair;
use rusqlite::Connection;

use crate::db::Db;
use crate::proto::directory::ListingId;
use crate::shutdown::Tasks;

pub(super) mod api;
mod crowd;
mod dictionary;
mod moderation;
mod moves;
mod registration;
mod search;
mod store;

pub use api::{Draft, rfc3339};
pub(super) use moderation::moderated;
pub use moderation::{MAX_CONTACT, MAX_WORDS, MOST_REPORTED, MOST_SAID, Reason, Report, Reported, Said};
pub use registration::{MOST_OF_HOST, MOST_OF_SITE, MOST_WAITING, RegistrationState, Request, Waiting};
pub(super) use search::MOST as MOST_OF_PAGE;
pub use search::{Cursor, Filter, Found, Least, Sort};
pub(super) use store::{Audited, audited, most_used};
pub use store::{Desk, Entry, Listed, Observed, StoreError, Version};

use dictionary::Dictionary;
use store::{Readers, Writer};

/// Where a directory lies, and whose it is.
#[derive(Clone)]
pub struct Options {
    /// The database.
    pub database: PathBuf,
    /// The file that holds the numbers that were given (FEDERATION B.7).
    pub feed_state: PathBuf,
    /// The key that signs; its peer id is the origin.
    pub key: Keypair,
    /// What the origin is called, such as `hub.example.org`.
    pub name: String,
}

/// An open directory. The writer ends when the last of these is gone and everything that was asked is written.
pub struct Directory {
    writer: store::Queue,
    readers: Readers,
    dictionary: Arc<Dictionary>,
    origin: PeerId,
}

impl Directory {
    /// Opens the directory and starts its writer.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(options: Options, tasks: &mut Tasks) -> Result<Arc<Self>, StoreError> {
        let origin = options.key.public().to_peer_id();
        let db = Db::open(&options.database, &store::MIGRATIONS)?;
        let readers = Readers::open(&db)?;
        let dictionary = Arc::new(Dictionary::default());
        let (look, known) = (db.reader()?, dictionary.clone());
        let (writer, queue) = Writer::new(db, options, dictionary.clone())?;
        tasks.spawn("directory writer", async move {
            let loading = tokio::task::spawn_blocking(move || known.load(&look));
            let writing = tokio::task::spawn_blocking(move || writer.run());
            let (loaded, written) = tokio::join!(loading, writing);
            if let Err(failed) = loaded.and(written)
                && failed.is_panic()
            {
                std::panic::resume_unwind(failed.into_panic());
            }
        });
        Ok(Arc::new(Self { writer: queue, readers, dictionary, origin }))
    }

    /// Whose directory this is.
    pub fn origin(&self) -> PeerId {
        self.origin
    }

    /// Makes a change, which is on the disk when this returns, and in every search from then on. `numbers` is the most statements that it
    /// signs.
    ///
    /// # Errors
    /// See [`StoreError`]; then nothing was changed.
    pub async fn change<T, F>(&self, numbers: u64, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Desk<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.change(numbers, change).await
    }

    /// The listing of this id, as of now; a tombstone too.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn get(&self, id: ListingId) -> Result<Option<Entry>, StoreError> {
        self.read(move |look| store::by_public(look, &id)).await
    }

    /// Looks something up, as of now.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn read<T, F>(&self, look: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.readers.read(look).await
    }
}
