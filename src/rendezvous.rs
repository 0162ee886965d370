//! The rendezvous server: small JSON in, fan-out out. Peers publish that they are here, and everyone who reads a board hears of it.
//!
//! ```text
//! POST /publish ─▶ publish ─▶ admit (limits, signature, bindings, doors) ─▶ live_board (a lock for microseconds) ─▶ 204
//!                                                                            │ news
//! GET /events, /api/v1/events ─▶ subscribe ─▶ a stream of shared bytes ◀── fanout (adaptive batches, keep-alive, sweep)
//! ```
//! - `boards`: one board per community; the open one at `/` has no name. `base`: which one a URL means.
//! - `live_board`: a board ([`crate::proto::board`]) with those who read it. `fanout`: when they are given what was gathered.
//! - `admit`: the one place that decides whether a message counts, and what a refusal is called in HTTP.
//! - `routes`: the URL table. `pages`, `wellknown`, `health`: what people, peers and machines ask besides.
//! - `communities`, `store`: who comes in where, and what is remembered of it. `admin`: the operator's pages and API.
//! - `records`: goop2's `/peers.json` and `/logs.json` as data. `metrics`: what is counted.
//!
//! What is read or verified is done outside every lock; no reader ever holds up another.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::http::HeaderMap;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::clock::Moment;
use crate::config::Secret;
use crate::config::base_url::BaseUrl;
use crate::config::http::HttpConfig;
use crate::db::DbError;
use crate::http::auth::AdminDoor;
use crate::http::auth::password::PasswordError;
use crate::http::client_ip::{TrustedProxies, UnnamedProxy, is_forwarded};
use crate::http::limit::{PublishLimit, PublishRates, StreamGate, StreamLimits};
use crate::http::{self, HttpMetrics, Limits};
use crate::p2p::relay::{Guests, RelayHandle};
use crate::proto::binding::Bindings;
use crate::proto::signed::Epoch;
use crate::shutdown::Tasks;
use crate::telemetry::Metrics;

mod admin;
mod admit;
mod base;
mod boards;
mod communities;
mod fanout;
mod health;
mod live_board;
mod metrics;
mod pages;
mod publish;
mod records;
mod relay;
mod routes;
mod store;
mod subscribe;
mod visitor;
mod wellknown;

pub use admit::Refusal;
pub use boards::Boards;
pub use live_board::{LiveBoard, Seat};
pub use metrics::RendezvousMetrics;
pub use records::{Journal, PeerRecord};
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
}

/// What all handlers share.
pub(crate) struct App {
    /// Who the server is.
    pub(crate) server: PeerId,
    /// The boards of all communities.
    pub(crate) boards: Boards,
    /// Who may change whose presence; all communities share it.
    pub(crate) bindings: Mutex<Bindings>,
    /// The random number of this start that signed messages carry.
    pub(crate) epoch: Epoch,
    /// How often anybody may publish.
    pub(crate) publish_limit: Mutex<PublishLimit>,
    /// Who gets an event stream.
    pub(crate) streams: Arc<StreamGate>,
    /// Whose word on a client's address counts.
    pub(crate) proxies: TrustedProxies,
    /// Whether a proxy that nobody named stands before the server.
    pub(crate) unnamed_proxy: UnnamedProxy,
    /// Communities, members and bans.
    pub(crate) store: Store,
    /// Who may operate.
    pub(crate) door: AdminDoor,
    /// The relay that is named to peers.
    pub(crate) relay: OnceLock<RelayHandle>,
    /// Whether publishing rests until the operator resumes it.
    pub(crate) standby: AtomicBool,
    /// How the server behaves.
    pub(crate) options: Options,
    /// What happened last, for the operator.
    pub(crate) journal: Journal,
    /// What is counted.
    pub(crate) metrics: RendezvousMetrics,
    /// The text of `/metrics`.
    pub(crate) all_metrics: Metrics,
}

/// A lock whose holder cannot leave half a change behind.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A running rendezvous server. It ends with the tasks it was started with.
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
        let listener = listen(options.addr, options.explicit)?;
        let addr = listener.local_addr().map_err(|cause| RendezvousError::Listen { addr: options.addr, cause })?;
        let app = Arc::new(App::new(options, metrics, addr)?);
        app.let_doors_count(Moment::now());
        let counters = HttpMetrics::default();
        metrics.register("rendezvous", |room| app.metrics.register(room));
        metrics.register("rendezvous_http", |room| counters.register(room));
        let limits = connection_limits(&app.options.http);
        let serving = http::serve(vec![listener], routes::router(app.clone()), limits, counters, stop.clone());
        tasks.spawn("rendezvous listener", serving);
        tasks.spawn("rendezvous fan-out", fanout::run(app.clone(), stop.clone()));
        tasks.spawn("rendezvous doors", communities::follow(app.clone(), stop.clone()));
        tasks.spawn("rendezvous sweep", fanout::sweep(app.clone(), stop));
        Ok(Self { app, addr })
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

    /// From now on `GET /relay` names this relay; the first one stays.
    pub fn name_relay(&self, relay: RelayHandle) {
        let _ = self.app.relay.set(relay);
    }

    /// The URL for others: the configured one, or that of the address; a wildcard address is told as this machine's.
    pub fn url(&self) -> String {
        self.app.url(self.addr)
    }
}

impl App {
    fn new(options: Options, all_metrics: &Metrics, addr: SocketAddr) -> Result<Self, RendezvousError> {
        let now = Moment::now();
        let epoch = Epoch::new(rand::random());
        let (door, store) = (admin::door(&options, addr)?, Store::open(options.doors.database.as_deref())?);
        Ok(Self {
            server: options.server,
            boards: Boards::new(options.ttl, now),
            bindings: Mutex::new(Bindings::new(options.server, epoch, options.allow_unsigned)),
            epoch,
            publish_limit: Mutex::new(PublishLimit::new(PublishRates::of(&options.http))),
            streams: StreamGate::new(StreamLimits::of(&options.http)),
            unnamed_proxy: UnnamedProxy::default(),
            proxies: TrustedProxies::new(options.http.trusted_proxies.clone()),
            store,
            door,
            relay: OnceLock::new(),
            standby: AtomicBool::new(false),
            options,
            journal: Journal::default(),
            metrics: RendezvousMetrics::default(),
            all_metrics: all_metrics.clone(),
        })
    }

    /// Whom a request comes from, behind every trusted proxy (THREATS 15).
    fn client(&self, socket: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.proxies.trusts(socket)
            && let Some(proxy) = self.unnamed_proxy.note(socket, is_forwarded(headers))
        {
            warn!(%proxy, "every request comes from this one address: if a proxy stands there, name it in http.trusted_proxies");
        }
        self.proxies.client(socket, headers)
    }

    fn url(&self, addr: SocketAddr) -> String {
        match &self.options.http.external_url {
            Some(url) => trimmed(url),
            None if addr.ip().is_unspecified() => format!("http://127.0.0.1:{}", addr.port()),
            None => format!("http://{addr}"),
        }
    }
}

/// A base URL without the slash at its end.
pub(crate) fn trimmed(url: &BaseUrl) -> String {
    url.url().as_str().trim_end_matches('/').to_owned()
}

/// Connections beside the streams when those are all taken; half of the files that are kept for other things.
const OTHER_CONNECTIONS: usize = 256;

/// Every stream needs a connection, and its peer another one to publish. Behind a trusted proxy everyone has the same address.
fn connection_limits(config: &HttpConfig) -> Limits {
    let streams = StreamLimits::of(config);
    let connections = http::limit::streams_by_file_limit().max(streams.total) + OTHER_CONNECTIONS;
    let per_address = if config.trusted_proxies.is_empty() { 2 * streams.per_address + 64 } else { connections };
    Limits { connections, per_address, ..Limits::default() }
}

fn listen(wanted: SocketAddr, explicit: bool) -> Result<TcpListener, RendezvousError> {
    match http::listen(wanted) {
        Err(cause) if cause.kind() == io::ErrorKind::AddrInUse && explicit => Err(RendezvousError::InUse(wanted)),
        Err(cause) if cause.kind() == io::ErrorKind::AddrInUse => {
            let free = SocketAddr::new(wanted.ip(), 0);
            let listener = http::listen(free).map_err(|cause| RendezvousError::Listen { addr: free, cause })?;
            tracing::warn!(taken = %wanted, moved_to = ?listener.local_addr().ok(), "the usual port is in use; moved to a free one");
            Ok(listener)
        }
        listening => listening.map_err(|cause| RendezvousError::Listen { addr: wanted, cause }),
    }
}
