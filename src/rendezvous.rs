//! The rendezvous server: small JSON in, fan-out out. Peers publish that they are here, and everyone who reads a board hears of it.
//!
//! ```text
//! POST /publish ─▶ publish ─▶ admit (limits, signature, bindings, doors) ─▶ live_board (a lock for microseconds) ─▶ 204
//!                                                                            │ news
//! GET /events, /api/v1/events ─▶ subscribe ─▶ a stream of shared bytes ◀── fanout (adaptive batches, keep-alive, sweep)
//! ```
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
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::clock::Moment;
use crate::config::Secret;
use crate::config::base_url::BaseUrl;
use crate::config::http::HttpConfig;
use crate::db::DbError;
use crate::http::auth::AdminDoor;
use crate::http::auth::password::PasswordError;
use crate::http::client_ip::{UnnamedProxy, is_forwarded};
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
pub use boards::Boards;
pub use live_board::{LiveBoard, Seat};
pub use metrics::RendezvousMetrics;
pub use records::{Journal, PeerRecord};
use settings::Settings;
pub use settings::{Fresh, LIVE, ReloadAnswer, Reloaded};
use sharing::Sharing;
pub use store::{Application, Store, StoreError};
use store::{Entered, Entrant};
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
    pub reload: Option<mpsc::Sender<ReloadAnswer>>,
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
    /// What may change while it runs.
    settings: RwLock<Arc<Settings>>,
    /// Whether a proxy that nobody named stands before the server.
    pub(crate) unnamed_proxy: UnnamedProxy,
    /// Communities, members and bans.
    pub(crate) store: Store,
    /// What other instances over the same database are told.
    sharing: Sharing,
    /// When the database was last asked whether it works, and what it said.
    probed: tokio::sync::Mutex<Option<(Moment, Option<String>)>>,
    /// Who may operate; other public roles beside this one have the same door.
    pub(crate) door: Arc<AdminDoor>,
    /// The public roles of this server.
    pub(crate) roles: Vec<&'static str>,
    /// The relay that is named to peers.
    pub(crate) relay: OnceLock<RelayHandle>,
    /// Whether publishing rests until the operator resumes it.
    pub(crate) standby: AtomicBool,
    /// How the server behaves.
    pub(crate) options: Options,
    /// What happened last, for the operator.
    pub(crate) journal: Journal,
    /// How many were here over the last hour.
    pub(crate) hours: hours::Hours,
    /// What is counted.
    pub(crate) metrics: RendezvousMetrics,
    /// The text of `/metrics`.
    pub(crate) all_metrics: Metrics,
}

/// A lock whose holder cannot leave half a change behind.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A rendezvous server that listens and does not answer yet: another public role may join it at the same door.
pub struct Prepared {
    app: App,
    listeners: Vec<TcpListener>,
    addr: SocketAddr,
}

impl Prepared {
    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Who may operate.
    pub fn door(&self) -> Arc<AdminDoor> {
        self.app.door.clone()
    }

    /// Answers from now on, and ends with `stop`. What `beside` has a route for is its own; its role is told with the others.
    pub fn serve(
        mut self,
        beside: Option<(&'static str, Router)>,
        metrics: &Metrics,
        tasks: &mut Tasks,
        stop: CancellationToken,
    ) -> Rendezvous {
        self.app.roles.extend(beside.iter().map(|(role, _)| *role));
        let (app, addr) = (Arc::new(self.app), self.addr);
        app.let_doors_count(Moment::now());
        let exchange = sharing::begin(&app);
        let counters = HttpMetrics::default();
        metrics.register("rendezvous", |room| {
            app.metrics.register(room);
            room.register_collector(Box::new(census::Census::of(&app)));
        });
        metrics.register("rendezvous_http", |room| counters.register(room));
        let (limits, ours) = (connection_limits(&app.options.http), routes::answers(app.clone()));
        match beside {
            None => tasks.spawn("rendezvous listener", http::serve(self.listeners, ours, limits, counters, stop.clone())),
            Some((_, beside)) => {
                let all = beside.fallback_service(ours);
                tasks.spawn("public listener", http::serve(self.listeners, all, limits, counters, stop.clone()));
            }
        }
        tasks.spawn("rendezvous fan-out", fanout::run(app.clone(), stop.clone()));
        tasks.spawn("rendezvous hours", hours::keep(app.clone(), stop.clone()));
        tasks.spawn("rendezvous sharing", sharing::run(app.clone(), exchange, stop.clone()));
        tasks.spawn("rendezvous sweep", fanout::sweep(app.clone(), stop));
        Rendezvous { app, addr }
    }
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
        self.app.settings().http.external_url.as_ref().map_or_else(|| self.local_url(), trimmed)
    }

    /// The URL for programs of this machine: that of the address; a wildcard address is told as loopback.
    pub fn local_url(&self) -> String {
        http::local_url(self.addr)
    }
}

impl App {
    fn new(options: Options, all_metrics: &Metrics, addr: SocketAddr) -> Result<Self, RendezvousError> {
        let now = Moment::now();
        let store = Store::open(options.doors.database.as_deref(), options.doors.shared)?;
        let instance = (options.doors.shared && store.is_sound()).then(rand::random);
        let Entered { epoch, complete } = enter(&store, &options, instance, now)?;
        let door = admin::door(&options, addr, epoch)?;
        Ok(Self {
            server: options.server,
            boards: Boards::new(options.ttl, complete.here(), now),
            bindings: Mutex::new(Bindings::new(options.server, epoch, options.allow_unsigned)),
            epoch,
            publish_limit: Mutex::new(PublishLimit::new(PublishRates::of(&options.http))),
            streams: StreamGate::new(StreamLimits::of(&options.http)),
            unnamed_proxy: UnnamedProxy::default(),
            settings: RwLock::new(Arc::new(Settings::new(options.http.clone(), options.allow_unsigned))),
            store,
            sharing: Sharing::new(instance),
            probed: tokio::sync::Mutex::default(),
            door: Arc::new(door),
            roles: vec!["rendezvous"],
            relay: OnceLock::new(),
            standby: AtomicBool::new(false),
            options,
            journal: Journal::default(),
            hours: hours::Hours::default(),
            metrics: RendezvousMetrics::default(),
            all_metrics: all_metrics.clone(),
        })
    }

    /// Whom a request comes from, behind every trusted proxy (THREATS 15).
    fn client(&self, socket: IpAddr, headers: &HeaderMap) -> IpAddr {
        let settings = self.settings();
        if !settings.proxies.trusts(socket)
            && let Some(proxy) = self.unnamed_proxy.note(socket, is_forwarded(headers))
        {
            warn!(%proxy, "every request comes from this one address: if a proxy stands there, name it in http.trusted_proxies");
        }
        settings.proxies.client(socket, headers)
    }
}

/// Joins the server that the database belongs to; where the database does not work, a server that remembers nothing.
fn enter(store: &Store, options: &Options, instance: Option<u64>, now: Moment) -> Result<Entered, StoreError> {
    let (fresh, ttl) = (Epoch::new(rand::random()), options.ttl);
    let entrant = Entrant { server: options.server, fresh, instance, now: now.on_machine(), ttl };
    match store.enter(&entrant) {
        Err(StoreError::Db(_) | StoreError::Broken(_)) => Ok(Entered { epoch: fresh, complete: (now + ttl).on_machine() }),
        entered => entered,
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
    http::listen_or_move(wanted, explicit).map_err(|cause| match cause.kind() {
        io::ErrorKind::AddrInUse if explicit => RendezvousError::InUse(wanted),
        _ => RendezvousError::Listen { addr: wanted, cause },
    })
}
