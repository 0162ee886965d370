//! A super hub where no rendezvous server stands: it opens the listener itself, and answers what every public server does.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{any, get, post};
use axum::{Json, Router};
use libp2p::PeerId;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Options, ROLE, SuperHub, SuperHubError};
use crate::clock::Moment;
use crate::config::Secret;
use crate::http::auth::password::Password;
use crate::http::auth::peer_id::PeerIdServer;
use crate::http::auth::{AdminDoor, login};
use crate::http::client_ip::TrustedProxies;
use crate::http::origin::is_of_this_machine;
use crate::http::{self, Client, HttpMetrics, Limits, Problem};
use crate::proto::search::MAX_QUERY;
use crate::shutdown::Tasks;
use crate::telemetry::Metrics;

/// Open connections; a page and what it asks need a few each.
const CONNECTIONS: usize = 4096;

/// Keys whose change a hub that is alone at its listener applies at once.
pub const LIVE: [&str; 2] = ["presence.admin_password", "superhub.admin_peers"];

/// Where a super hub listens, and who may operate it.
#[derive(Debug, Clone)]
pub struct DoorOptions {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Whether somebody chose the port: then one in use is an error; otherwise the hub moves to a free one and says so.
    pub explicit: bool,
    /// The operator's password, plain or as an argon2 string; empty: none.
    pub password: Secret,
}

/// A super hub that has a listener to itself.
pub struct Alone {
    addr: SocketAddr,
    external: Option<String>,
    door: Arc<AdminDoor>,
}

impl Alone {
    /// Listens on these sockets, or, where there are none, as `door` says, and answers until `stop`.
    ///
    /// # Errors
    /// See [`SuperHubError`].
    pub fn start(
        door: DoorOptions,
        mut listeners: Vec<TcpListener>,
        options: Options,
        metrics: &Metrics,
        tasks: &mut Tasks,
        stop: CancellationToken,
    ) -> Result<Self, SuperHubError> {
        let refused = |cause| SuperHubError::Listen { addr: door.addr, cause };
        if listeners.is_empty() {
            listeners.push(http::listen_or_move(door.addr, door.explicit).map_err(refused)?);
        }
        let addr = listeners[0].local_addr().map_err(refused)?;
        let admin = Arc::new(admin_door(&door, &options, addr)?);
        let external = options.http.external_url.as_ref().map(|url| url.bare().to_owned());
        let common = common(&options, admin.clone(), metrics.clone());
        let per_address = if options.http.trusted_proxies.is_empty() { CONNECTIONS / 4 } else { CONNECTIONS };
        let hub = SuperHub::open(options, admin.clone(), addr, metrics, tasks, stop.clone())?;
        let counters = HttpMetrics::default();
        metrics.register("superhub_http", |room| counters.register(room));
        let limits = Limits { connections: CONNECTIONS, per_address, ..Limits::default() };
        tasks.spawn("super hub listener", http::serve(listeners, hub.router().merge(common), limits, counters, stop));
        Ok(Self { addr, external, door: admin })
    }

    /// Lets a configuration that was read anew count: [`LIVE`] of it. Whoever came in by an older password is out; `None`: it stays.
    ///
    /// # Errors
    /// Where the password cannot be used; nothing changed then.
    pub fn reload(&self, password: Option<&Secret>, peers: &[PeerId]) -> Result<(), SuperHubError> {
        match password {
            Some(password) => self.door.change(usable(password)?, peers.to_vec()),
            None => self.door.list(peers.to_vec()),
        }
        Ok(())
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The URL for others: the configured one, or that of the address; a wildcard address is told as this machine's own.
    pub fn url(&self) -> String {
        self.external.clone().unwrap_or_else(|| http::outward_url(self.addr))
    }

    /// The URL for programs of this machine: that of the address; a wildcard address is told as loopback.
    pub fn local_url(&self) -> String {
        http::local_url(self.addr)
    }
}

fn usable(password: &Secret) -> Result<Option<Password>, SuperHubError> {
    if password.is_empty() { Ok(None) } else { Ok(Some(Password::new(password)?)) }
}

fn admin_door(door: &DoorOptions, options: &Options, addr: SocketAddr) -> Result<AdminDoor, SuperHubError> {
    let password = usable(&door.password)?;
    let peer_id = PeerIdServer::new(options.directory.key.clone(), options.http.hostname(addr), rand::random());
    Ok(AdminDoor::new(password, options.peers.clone(), options.http.origin(), peer_id))
}

/// What every public server answers.
fn common(options: &Options, door: Arc<AdminDoor>, metrics: Metrics) -> Router {
    let described = described(options.directory.key.public().to_peer_id(), &options.directory.name);
    let proxies = TrustedProxies::new(options.http.trusted_proxies.clone());
    let session = Arc::new(Session { door: door.clone(), proxies: proxies.clone() });
    let metrics = async move |request: Request| {
        let (head, _) = request.into_parts();
        let Some(Client(socket)) = head.extensions.get::<Client>() else { return Problem::internal().into_response() };
        if !is_of_this_machine(&head, socket.ip()) {
            let client = proxies.client(socket.ip(), &head.headers);
            if let Err(denied) = door.admit(&head, client, Moment::now()).await {
                return denied.into_response();
            }
        }
        http::metrics::page(metrics.text())
    };
    let metrics = Arc::new(metrics);
    let root = options.http.root();
    let (directory, operating) = (format!("{root}/directory"), format!("{root}/admin/directory"));
    Router::new()
        .route("/.well-known/goop", get(async move || Json(described)))
        .route("/healthz", any(async || "ok"))
        .route("/readyz", get(async || "ready"))
        .route(
            "/metrics",
            get(move |request: Request| {
                let metrics = metrics.clone();
                async move { metrics(request).await }
            }),
        )
        .route("/static/{name}", get(super::directory::api::asset))
        .route("/", get(async move || Redirect::temporary(&directory)))
        .route("/admin", get(async move || Redirect::temporary(&operating)))
        .route("/api/v1/admin/session", post(log_in).delete(log_out).with_state(session))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "not-found", "there is nothing here"))
        .layer(axum::middleware::map_response(super::directory::api::finish))
}

/// Who may operate, and who it is that asks.
struct Session {
    door: Arc<AdminDoor>,
    proxies: TrustedProxies,
}

async fn log_in(State(session): State<Arc<Session>>, request: Request) -> Result<Response, Response> {
    let Some(Client(socket)) = request.extensions().get::<Client>().copied() else { return Err(Problem::internal().into_response()) };
    let client = session.proxies.client(socket.ip(), request.headers());
    login::begin(&session.door, client, request).await
}

async fn log_out(State(session): State<Arc<Session>>, request: Request) -> Response {
    let (head, _) = request.into_parts();
    let Some(Client(socket)) = head.extensions.get::<Client>().copied() else { return Problem::internal().into_response() };
    match session.door.admit(&head, session.proxies.client(socket.ip(), &head.headers), Moment::now()).await {
        Ok(_) => (StatusCode::NO_CONTENT, [(header::SET_COOKIE, session.door.end_session(&head.headers))]).into_response(),
        Err(denied) => denied.into_response(),
    }
}

fn described(peer: PeerId, name: &str) -> Value {
    json!({
        "peer_id": peer.to_base58(),
        "roles": [ROLE],
        "name": name,
        "version": env!("CARGO_PKG_VERSION"),
        "protocols": ["goop-dir-record/1"],
        "limits": { "page": super::directory::MOST_OF_PAGE, "query": MAX_QUERY },
    })
}
