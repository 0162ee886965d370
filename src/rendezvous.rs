//! The rendezvous server: small JSON in, fan-out out. Peers publish that they are here, and everyone who reads a board hears of it.
//!
//! ```text
//! POST /publish ─▶ publish ─▶ admit (limits, signature, bindings, doors) ─▶ live_board (a lock for microseconds) ─▶ 204
//!                                                                            │ news
//! GET /events, /api/v1/events ─▶ subscribe ─▶ a stream of shared bytes ◀── fanout (adaptive batches, keep-alive, sweep)
//! ```
//! - `app`: what all handlers share; `prepared`: how it begins to answer, and who may join it at its listener.
//! - `boards`: one board per community; the open one at `/` has no name. `base`: which one a URL means.
//! - `live_board`: a board ([`crate::proto::board`]) with those who read it. `fanout`: when they are given what was gathered.
//! - `admit`: the one place that decides whether a message counts, and what a refusal is called in HTTP. `names`: whom it is for.
//! - `hours`: how many were here, minute by minute.
//! - `routes`: the URL table. `pages`, `wellknown`, `health`: what people, peers and machines ask besides.
//! - `communities`, `store`: who comes in where, and what is remembered of it. `moves`: what has gone elsewhere. `admin`: the operator's pages and API.
//! - `sharing`: what several instances over one database tell each other.
//! - `settings`: what of the configuration counts at once when it is read anew.
//! - `records`: goop2's `/peers.json` and `/logs.json` as data. `metrics`, `census`: what is counted.
//!
//! What is read or verified is done outside every lock; no reader ever holds up another.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use libp2p::PeerId;
use libp2p::identity::Keypair;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Secret;
use crate::config::http::HttpConfig;
use crate::config::reload::ReloadHandle;
use crate::db::DbError;
use crate::http;
use crate::http::auth::password::PasswordError;
use crate::p2p::relay::{Guests, RelayHandle};
use crate::shutdown::Tasks;
use crate::telemetry::Metrics;

mod admin;
mod admit;
mod app;
mod base;
mod boards;
mod census;
mod communities;
mod fanout;
mod health;
mod hours;
mod live_board;
mod metrics;
mod moves;
mod names;
mod pages;
mod prepared;
mod publish;
mod records;
mod relay;
mod routes;
mod settings;
mod sharing;
mod store;
mod subscribe;
mod visitor;
mod wellknown;

pub use admit::Refusal;
pub(crate) use app::App;
pub use boards::Boards;
pub use live_board::{LiveBoard, Seat};
pub use metrics::RendezvousMetrics;
pub use prepared::Prepared;
use prepared::listen;
pub use records::{Journal, PeerRecord};
pub use settings::{Fresh, LIVE};
pub use store::{Application, Store, StoreError};
pub use visitor::Visitor;

/// How a rendezvous server is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Whether somebody chose the port: then one in use is an error; otherwise the server moves to a free one and says so.
    pub explicit: bool,
    /// Who the server is.
    pub server: PeerId,
    /// How long a peer is here after its last heartbeat.
    pub ttl: Duration,
    /// Whether presence that is not signed counts.
    pub allow_unsigned: bool,
    /// Limits, proxies, and the URL under which others reach it.
    pub http: HttpConfig,
    /// Who may operate it, and where it remembers what it must.
    pub doors: DoorOptions,
}

/// Who may operate a rendezvous server, and where it remembers communities, members and bans.
#[derive(Debug, Clone, Default)]
pub struct DoorOptions {
    /// The key of the server, with which it proves itself to operators who prove themselves (Peer ID auth). `None`: one of the moment.
    pub key: Option<Keypair>,
    /// The operator's password, plain or as an argon2 string; empty: none.
    pub password: Secret,
    /// Peers that may operate.
    pub peers: Vec<PeerId>,
    /// The database; `None`: memory, until the server stops.
    pub database: Option<PathBuf>,
    /// Whether other instances of this server may use the same database at the same time.
    pub shared: bool,
    /// Who reads the configuration anew when an operator asks for it.
    pub reload: Option<ReloadHandle>,
}

/// Why a rendezvous server did not start.
#[derive(Debug, Error)]
pub enum RendezvousError {
    /// Somebody else has the port.
    #[error("presence.rendezvous_port: {0} is in use by another program; stop it, or choose another port")]
    InUse(SocketAddr),
    /// The system refused for another reason.
    #[error("the rendezvous server could not listen on {addr}: {cause}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// The operator's password cannot be used.
    #[error("presence.admin_password: {0}")]
    Password(#[from] PasswordError),
    /// The database is at a wrong place.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The database is another server's.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A lock whose holder cannot leave half a change behind.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running rendezvous server; a cheap clone is the same one. It ends with the tasks it was started with.
#[derive(Clone)]
pub struct Rendezvous {
    app: Arc<App>,
    addr: SocketAddr,
}

impl Rendezvous {
    /// Listens and starts to answer; ends with `stop`.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub fn start(options: Options, metrics: &Metrics, tasks: &mut Tasks, stop: CancellationToken) -> Result<Self, RendezvousError> {
        Ok(Self::prepare(Vec::new(), options, metrics)?.serve(None, metrics, tasks, stop))
    }

    /// Listens on these sockets; where they do counts then, and not what `options` say, which counts where there are none.
    ///
    /// # Errors
    /// When the address cannot be listened on, or the options cannot be used.
    pub fn prepare(mut listeners: Vec<TcpListener>, options: Options, metrics: &Metrics) -> Result<Prepared, RendezvousError> {
        if listeners.is_empty() {
            listeners.push(listen(options.addr, options.explicit)?);
        }
        let addr = listeners[0].local_addr().map_err(|cause| RendezvousError::Listen { addr: options.addr, cause })?;
        Ok(Prepared { app: App::new(options, metrics, addr)?, listeners, addr })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Who is on one of the boards, for a relay that keeps its places for them.
    pub fn guests(&self) -> Guests {
        let app = self.app.clone();
        Guests::new(move |peer| app.boards.all().iter().any(|board| board.read(|board| board.row(peer).is_some())))
    }

    /// How many peers are here and how many event streams are read, on all boards together. Whoever gets an answer knows that no
    /// board is stuck.
    pub fn census(&self) -> (usize, usize) {
        let boards = self.app.boards.all();
        let count = |(peers, readers), board: &Arc<LiveBoard>| (peers + board.read(|board| board.rows().len()), readers + board.readers());
        boards.iter().fold((0, 0), count)
    }

    /// From now on `GET /relay` names this relay; the first one stays.
    pub fn name_relay(&self, relay: RelayHandle) {
        let _ = self.app.relay.set(relay);
    }

    /// The URL for others: the configured one, or that for this machine.
    pub fn url(&self) -> String {
        self.app.settings().http.external_url.as_ref().map_or_else(|| http::outward_url(self.addr), |url| url.bare().to_owned())
    }

    /// The URL for programs of this machine: that of the address; a wildcard address is told as loopback.
    pub fn local_url(&self) -> String {
        http::local_url(self.addr)
    }
}
