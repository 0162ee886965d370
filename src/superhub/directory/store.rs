//! What is kept, and the one writer.
//!
//! Changes wait in a queue of [`QUEUE`]. The writer takes what waits, at most [`BATCH`], and makes one transaction of it: one `fsync` for all, and each
//! is answered after it. A change either finds that it cannot be made before it has written anything, or fails with the whole transaction.
//! The numbers that statements get were written to `feed.state` before (FEDERATION B.7).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::StatusCode;
use rusqlite::OptionalExtension;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::Options;
use super::dictionary::Dictionary;
use crate::clock::UnixMillis;
use crate::config::files::{read_bounded, write_private_atomically};
use crate::db::{Db, DbError};
use crate::http::Problem;
use crate::proto::directory::{Feed, FeedError};

mod audit;
mod desk;
mod entry;
mod index;
mod origins;
mod readers;

pub(in crate::superhub) use audit::{Audited, audited};
pub use desk::{Desk, Listed, Observed, Version};
pub use entry::Entry;
pub(super) use entry::{by_place, by_public, newest};
pub(in crate::superhub) use index::most_used;
pub(super) use index::{ALL, BEST_ID, CLASSES, FEDERATED, MARK, facet, place_of};
pub(super) use origins::{OURS, how_many_origins, origin_called};
pub(super) use readers::Readers;

pub(super) const MIGRATIONS: [&str; 4] = [
    include_str!("../../../assets/migrations/directory-0001.sql"),
    include_str!("../../../assets/migrations/directory-0002.sql"),
    include_str!("../../../assets/migrations/directory-0003.sql"),
    include_str!("../../../assets/migrations/directory-0004.sql"),
];
/// Changes that wait; one more hears 503.
const QUEUE: usize = 1024;
/// Changes of one transaction.
const BATCH: usize = 256;
/// Longest `feed.state`, in bytes.
const MAX_FEED_STATE: u64 = 256;

/// Why something was not kept or not found. Nothing is half done.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database does not work; nothing was changed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A statement failed; with it the whole transaction.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The transaction failed.
    #[error("{0}")]
    Failed(String),
    /// There is no room left on the disk.
    #[error("the disk of this hub is full; nothing was changed")]
    Full,
    /// The file with the numbers cannot be read or written; nothing is signed without it.
    #[error("{}: {error}", path.display())]
    Numbers {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The clock of this machine.
    #[error(transparent)]
    Clock(#[from] FeedError),
    /// There is no such community.
    #[error("there is no such community here")]
    Nothing,
    /// It was listed, and is no longer.
    #[error("this community is no longer listed")]
    Gone,
    /// Another hub lists it.
    #[error("another hub lists this community, and alone may change it")]
    Foreign,
    /// Another server's owner listed it.
    #[error("somebody else listed this community")]
    NotYours,
    /// The operator refused or removed it.
    #[error("the operator of this hub does not list this server")]
    TurnedDown,
    /// It is not the version that was meant.
    #[error("it has been changed meanwhile; this is version {0}")]
    Changed(u64),
    /// What was judged is not all there is by now.
    #[error("another report came meanwhile: look at it first")]
    Unseen,
    /// As much as there may be of it.
    #[error("{0}")]
    TooMany(&'static str),
    /// It cannot be kept as it is; why.
    #[error("{0}")]
    Unfit(String),
    /// More changes or searches wait than may.
    #[error("too much is asked at once")]
    Busy,
    /// The hub stops.
    #[error("this hub stops")]
    Stopped,
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        let unavailable =
            |code, detail: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail).retry_after(std::time::Duration::from_secs(1));
        match error {
            StoreError::Full | StoreError::Db(DbError::Full { .. }) => Problem::new(StatusCode::INSUFFICIENT_STORAGE, "disk-full", detail),
            StoreError::Db(_) | StoreError::Sqlite(_) | StoreError::Failed(_) | StoreError::Numbers { .. } | StoreError::Clock(_) => {
                tracing::error!(error = detail, "the directory does not work");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "database", "the directory does not work; the hub's log says why")
            }
            StoreError::Nothing => Problem::not_found(detail),
            StoreError::Gone => Problem::new(StatusCode::GONE, "gone", detail),
            StoreError::Foreign | StoreError::NotYours | StoreError::TurnedDown => Problem::forbidden(detail),
            StoreError::Changed(version) => Problem::new(StatusCode::PRECONDITION_FAILED, "changed", detail).member("version", version),
            StoreError::Unseen => Problem::new(StatusCode::CONFLICT, "unseen", detail),
            StoreError::TooMany(_) => unavailable("full", &detail),
            StoreError::Unfit(_) => Problem::bad_request(detail),
            StoreError::Busy => unavailable("busy", &detail),
            StoreError::Stopped => unavailable("stopping", &detail),
        }
    }
}

/// A change that waits.
trait Job: Send {
    /// Makes it; an error fails the whole transaction.
    fn make(&mut self, desk: &mut Desk<'_>) -> Result<(), StoreError>;

    /// The most statements that it signs.
    fn numbers(&self) -> u64;

    /// Answers it; `failed` where the transaction did.
    fn answer(self: Box<Self>, failed: Option<&StoreError>);
}

struct Change<T, F> {
    numbers: u64,
    change: Option<F>,
    made: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, F: FnOnce(&mut Desk<'_>) -> Result<T, StoreError> + Send> Job for Change<T, F> {
    fn make(&mut self, desk: &mut Desk<'_>) -> Result<(), StoreError> {
        let Some(change) = self.change.take() else { return Ok(()) };
        match change(desk) {
            Err(StoreError::Sqlite(error)) => Err(error.into()),
            made => {
                self.made = Some(made);
                Ok(())
            }
        }
    }

    fn numbers(&self) -> u64 {
        self.numbers
    }

    fn answer(self: Box<Self>, failed: Option<&StoreError>) {
        let answer = match failed {
            Some(StoreError::Full | StoreError::Db(DbError::Full { .. })) => Err(StoreError::Full),
            Some(other) => Err(StoreError::Failed(other.to_string())),
            None => self.made.unwrap_or(Err(StoreError::Stopped)),
        };
        // Whoever asked may have gone.
        let _ = self.reply.send(answer);
    }
}

/// Where changes wait.
pub(super) struct Queue(mpsc::Sender<Box<dyn Job>>);

impl Queue {
    /// See [`super::Directory::change`].
    pub(super) async fn change<T, F>(&self, numbers: u64, change: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Desk<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Change { numbers, change: Some(change), made: None, reply };
        self.0.try_send(Box::new(job)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::Stopped,
        })?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

/// Makes the changes.
pub(super) struct Writer {
    jobs: mpsc::Receiver<Box<dyn Job>>,
    db: Db,
    options: Options,
    feed: Feed,
    dictionary: Arc<Dictionary>,
}

impl Writer {
    /// A writer for `db`, and where its changes wait.
    pub(super) fn new(db: Db, options: Options, dictionary: Arc<Dictionary>) -> Result<(Self, Queue), StoreError> {
        let (sender, jobs) = mpsc::channel(QUEUE);
        let feed = resume(&db, &options)?;
        db.read(|connection| {
            connection.set_prepared_statement_cache_capacity(64);
            connection.pragma_update(None, "cache_size", -16_384)
        })?;
        Ok((Self { jobs, db, options, feed, dictionary }, Queue(sender)))
    }

    /// Runs until nobody is left to ask.
    pub(super) fn run(mut self) {
        while let Some(first) = self.jobs.blocking_recv() {
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(next) = self.jobs.try_recv()
            {
                batch.push(next);
            }
            let failed = self.commit(&mut batch).err();
            batch.into_iter().for_each(|job| job.answer(failed.as_ref()));
        }
        // Whoever closes last only reads, and would leave a log behind that looks like an unclean stop.
        let closed = self.db.read(|connection| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())));
        if let Err(error) = closed {
            tracing::warn!(%error, "the directory's log was left for the next start");
        }
    }

    fn commit(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), StoreError> {
        if let Some(numbers) = self.feed.reserve(batch.iter().map(|job| job.numbers()).sum()) {
            write_numbers(&self.options.feed_state, numbers)?;
        }
        let (mut learnt, now, mut failed) = (Vec::new(), UnixMillis::now(), None);
        let (key, feed) = (&self.options.key, &mut self.feed);
        let written = self.db.write(|transaction| {
            let mut desk = Desk::new(transaction, key, feed, now, &mut learnt);
            let made = batch.iter_mut().try_for_each(|job| job.make(&mut desk)).and_then(|()| desk.close());
            made.map_err(|error| match error {
                StoreError::Sqlite(error) => error,
                other => {
                    failed = Some(other);
                    rusqlite::Error::ExecuteReturnedResults
                }
            })
        });
        if let Some(failed) = failed {
            return Err(failed);
        }
        written?;
        self.dictionary.learn(learnt);
        Ok(())
    }
}

/// The numbers go on where they may have ended.
fn resume(db: &Db, options: &Options) -> Result<Feed, StoreError> {
    let file = read_numbers(&options.feed_state)?;
    let stored = db.read(|look| {
        let row = |row: &rusqlite::Row| {
            Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64, UnixMillis(row.get::<_, i64>(2)? as u64)))
        };
        look.query_row("SELECT feed, seq, issued FROM feed", [], row).optional()
    })?;
    origins::claim(db, &options.key.public().to_peer_id(), &options.name)?;
    Ok(Feed::resumed(file, stored, UnixMillis::now()))
}

fn read_numbers(path: &Path) -> Result<Option<(u64, u64)>, StoreError> {
    let told = |error| StoreError::Numbers { path: path.to_owned(), error };
    let bytes = match read_bounded(path, MAX_FEED_STATE) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(told)?,
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut numbers = text.split_whitespace().map(str::parse::<u64>);
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(Ok(feed)), Some(Ok(reserved)), None) => Ok(Some((feed, reserved))),
        _ => Err(told(io::Error::new(io::ErrorKind::InvalidData, "this does not hold two numbers; move it away, and a new feed begins"))),
    }
}

/// The file is on the disk when this returns.
fn write_numbers(path: &Path, (feed, reserved): (u64, u64)) -> Result<(), StoreError> {
    let written = write_private_atomically(path, format!("{feed} {reserved}\n").as_bytes());
    written.map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull => StoreError::Full,
        _ => StoreError::Numbers { path: path.to_owned(), error },
    })
}
