//! The directory over HTTP: anyone reads; the operator changes anything of this hub, and a rendezvous server's owner what is his.
//!
//! Who asks is judged by the head of a request, before its body (CONTRACT): the operator by password, session or Peer ID auth; anybody else by Peer ID
//! auth as the server whose board he lists. Strangers hear 401, and how to be known.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use libp2p::PeerId;

use crate::clock::Moment;
use crate::http::auth::peer_id::{PeerIdAnswer, is_ours};
use crate::http::auth::{Denied, Operator};
use crate::http::headers::dressed;
use crate::http::{Client, Problem, error, origin};
use crate::superhub::App;

mod check;
mod docs;
mod draft;
mod import;
mod listings;
mod moderation;
mod requests;
mod view;

pub(in crate::superhub) use docs::asset;
pub use draft::Draft;
pub(in crate::superhub) use listings::{Asked, find, id_of, shown};
pub(in crate::superhub) use moderation::take_report;
pub use view::rfc3339;

/// How long one search may take a reader; a longer one counts as several.
const ONE: Duration = Duration::from_millis(5);

/// Who asks for a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// The operator; as what he is noted.
    Operator(String),
    /// The owner of the server with this peer id.
    Owner(PeerId),
}

impl Who {
    /// As what it is noted in the audit log.
    pub fn name(&self) -> String {
        match self {
            Self::Operator(name) => name.clone(),
            Self::Owner(peer) => peer.to_base58(),
        }
    }
}

/// Everything that the directory answers.
pub(in crate::superhub) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let owners = |methods: MethodRouter<Arc<App>>| methods.layer(from_fn_with_state(app.clone(), owner_or_operator));
    let operators = Router::new()
        .route("/api/v1/communities/import", post(import::import))
        .route("/api/v1/admin/requests", get(requests::list))
        .route("/api/v1/admin/requests/{id}/approve", post(requests::approve))
        .route("/api/v1/admin/requests/{id}/refuse", post(requests::refuse))
        .route("/api/v1/admin/audit", get(requests::audit))
        .route("/api/v1/admin/reports", get(moderation::reports))
        .route("/api/v1/admin/hidden", get(moderation::hidden))
        .route("/api/v1/admin/communities/{id}/dismiss", post(moderation::dismiss))
        .route("/api/v1/admin/communities/{id}/hide", post(moderation::hide))
        .route("/api/v1/admin/communities/{id}/unhide", post(moderation::unhide))
        .route_layer(from_fn_with_state(app.clone(), operator));
    Router::new()
        .route("/api/v1/communities", get(listings::search).merge(owners(post(listings::create))))
        .route("/api/v1/communities/{id}", get(listings::show).merge(owners(delete(listings::remove).patch(listings::change))))
        .route("/api/v1/communities/{id}/check", post(check::check))
        .route("/api/v1/communities/{id}/report", post(moderation::report))
        .route("/api/v1/openapi.json", get(docs::openapi))
        .route("/api/docs", get(docs::page))
        .merge(operators)
}

/// What every answer has: the one format of errors, and its headers.
pub(in crate::superhub) async fn finish(response: Response) -> Response {
    dressed(error::as_problem(response).await)
}

async fn owner_or_operator(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    guard(&app, request, next, true).await
}

async fn operator(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    guard(&app, request, next, false).await
}

async fn guard(app: &App, request: Request, next: Next, owners: bool) -> Response {
    let (mut head, body) = request.into_parts();
    let Some(Client(socket)) = head.extensions.get::<Client>().copied() else { return Problem::internal().into_response() };
    let (who, info) = match identify(app, &head, app.client(socket.ip(), &head.headers), owners).await {
        Ok(known) => known,
        Err(denied) => return denied.into_response(),
    };
    head.extensions.insert(who);
    let mut response = next.run(Request::from_parts(head, body)).await;
    if let Some(info) = info {
        response.headers_mut().insert(HeaderName::from_static("authentication-info"), info);
    }
    response
}

async fn identify(app: &App, head: &Parts, client: IpAddr, owners: bool) -> Result<(Who, Option<HeaderValue>), Denied> {
    let authorization = origin::only(&head.headers, &header::AUTHORIZATION);
    if authorization.is_some_and(is_ours) {
        return by_peer_id(app, head, authorization, owners);
    }
    match app.door.admit(head, client, Moment::now()).await {
        Ok(Operator::Peer(peer, info)) => Ok((Who::Operator(peer.to_base58()), info)),
        Ok(Operator::Password | Operator::Session) => Ok((Who::Operator("admin".into()), None)),
        Err(Denied::Shut) if owners => Err(unauthorized(app, Vec::new())),
        Err(Denied::Unknown { mut challenges }) => {
            challenges.retain(|line| !line.to_str().is_ok_and(is_ours));
            Err(unauthorized(app, challenges))
        }
        Err(denied) => Err(denied),
    }
}

fn by_peer_id(app: &App, head: &Parts, authorization: Option<&str>, owners: bool) -> Result<(Who, Option<HeaderValue>), Denied> {
    let (peer, info) = match app.peer_id.answer(authorization, rand::random(), Moment::now()) {
        PeerIdAnswer::Peer(peer, info) => (peer, info),
        PeerIdAnswer::Challenge(challenge) => return Err(Denied::Unknown { challenges: vec![challenge] }),
    };
    if !matches!(head.method, Method::GET | Method::HEAD) && of_foreign_page(&head.headers, origin::host(head).unwrap_or_default()) {
        let detail = "pages of other origins may not change anything here";
        return Err(Denied::Refused(Problem::new(StatusCode::FORBIDDEN, "foreign-origin", detail)));
    }
    match () {
        () if app.door.lists(&peer) => Ok((Who::Operator(peer.to_base58()), info)),
        () if owners => Ok((Who::Owner(peer), info)),
        () => Err(Denied::NotListed(peer)),
    }
}

fn of_foreign_page(headers: &HeaderMap, host: &str) -> bool {
    ["http", "https"].iter().all(|scheme| origin::is_foreign(headers, &format!("{scheme}://{host}")))
}

/// 401, and every way to be known.
fn unauthorized(app: &App, mut challenges: Vec<HeaderValue>) -> Denied {
    if let PeerIdAnswer::Challenge(challenge) = app.peer_id.answer(None, rand::random(), Moment::now()) {
        challenges.push(challenge);
    }
    Denied::Unknown { challenges }
}

/// Whether this address may ask at all, now.
pub(in crate::superhub) fn may_ask(app: &App, socket: IpAddr, headers: &HeaderMap) -> Result<(), Problem> {
    app.asked.take(app.client(socket, headers), Moment::now()).map_err(|after| Problem::too_often("this address asks too often", after))
}

/// What this address asked took a reader of the directory so long: it may ask as much less.
pub(in crate::superhub) fn has_taken(app: &App, socket: IpAddr, headers: &HeaderMap, took: Duration) {
    let more = took.as_secs_f64() / ONE.as_secs_f64() - 1.0;
    if more >= 1.0 {
        app.asked.owe(app.client(socket, headers), more, Moment::now());
    }
}

/// Whether this server, and this address, may change now what it has listed itself: each change is a transaction, a statement and a row of the audit
/// log. The operator always may.
fn may_write(app: &App, who: &Who, client: IpAddr) -> Result<(), Problem> {
    let Who::Owner(peer) = who else { return Ok(()) };
    let now = Moment::now();
    let by_peer = app.written_by.lock().unwrap_or_else(PoisonError::into_inner).take(*peer, now);
    by_peer.and_then(|()| app.written.take(client, now)).map_err(|after| Problem::too_often("this server changes too much", after))
}
