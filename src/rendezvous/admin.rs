//! The operator's door: `/admin`, goop2's `/peers.json` and `/logs.json`, and `/api/v1/admin/…`. Who may come in is judged by the head of a
//! request, before its body; whoever came in by a password at `/admin` gets a session.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::HeaderName;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use libp2p::identity::Keypair;
use sha2::{Digest, Sha256};

use super::{App, Options, RendezvousError, settings};
use crate::clock::Moment;
use crate::config::Secret;
use crate::http::auth::password::Password;
use crate::http::auth::peer_id::PeerIdServer;
use crate::http::auth::{AdminDoor, Denied, Operator, login};
use crate::http::{Client, Problem};
use crate::proto::signed::Epoch;

mod api;
mod page;

/// The door of a server with these options that listens on `addr`, in this epoch.
pub(super) fn door(options: &Options, addr: SocketAddr, epoch: Epoch) -> Result<AdminDoor, RendezvousError> {
    let doors = &options.doors;
    let (password, http) = (password(&doors.password)?, &options.http);
    let key = doors.key.clone().unwrap_or_else(Keypair::generate_ed25519);
    let secret = doors.shared.then(|| secret_of(&key, epoch)).flatten().unwrap_or_else(rand::random);
    Ok(AdminDoor::new(password, doors.peers.clone(), http.origin(), PeerIdServer::new(key, http.hostname(addr), secret)))
}

/// The password that is meant; an empty one is none.
pub(super) fn password(secret: &Secret) -> Result<Option<Password>, RendezvousError> {
    Ok(if secret.is_empty() { None } else { Some(Password::new(secret)?) })
}

/// What only instances of one server know in this epoch, so that each takes what another has given: an Ed25519 signature is the same
/// whenever it is made.
fn secret_of(key: &Keypair, epoch: Epoch) -> Option<[u8; 32]> {
    let signature = key.sign(format!("goop: given to operators in the epoch {}", epoch.get()).as_bytes()).ok()?;
    Some(Sha256::digest(signature).into())
}

pub(super) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/admin", get(page::show))
        .route("/peers.json", get(page::peers))
        .route("/logs.json", get(page::logs))
        .route("/api/v1/admin/session", delete(api::leave))
        .route("/api/v1/admin/stats", get(api::stats))
        .route("/api/v1/admin/boards", get(api::boards).post(api::found))
        .route("/api/v1/admin/boards/{slug}", delete(api::end).patch(api::amend))
        .route("/api/v1/admin/boards/{slug}/move", post(api::move_board).delete(api::move_board_back))
        .route("/api/v1/admin/move", post(api::move_open).delete(api::move_open_back))
        .route("/api/v1/admin/boards/{slug}/invitations", post(api::invite_to))
        .route("/api/v1/admin/invitations", get(api::invitations).post(api::invite))
        .route("/api/v1/admin/invitations/{id}", delete(api::revoke_invitation))
        .route("/api/v1/admin/members", get(api::members))
        .route("/api/v1/admin/members/{id}", delete(api::revoke_member))
        .route("/api/v1/admin/applications", get(api::applications))
        .route("/api/v1/admin/applications/{id}/approve", post(api::approve))
        .route("/api/v1/admin/applications/{id}/decline", post(api::decline))
        .route("/api/v1/admin/bans", get(api::bans).post(api::ban))
        .route("/api/v1/admin/bans/{id}", delete(api::unban))
        .route("/api/v1/admin/standby", post(api::standby))
        .route("/api/v1/admin/resume", post(api::resume))
        .route("/api/v1/admin/reload", post(settings::reload))
        .route_layer(from_fn_with_state(app.clone(), guard))
        .merge(Router::new().route("/api/v1/admin/session", post(log_in)))
}

async fn log_in(State(app): State<Arc<App>>, request: Request) -> Result<Response, Response> {
    let Some(Client(socket)) = request.extensions().get::<Client>().copied() else { return Err(Problem::internal().into_response()) };
    let client = app.settings().proxies.client(socket.ip(), request.headers());
    login::begin(&app.door, client, request).await
}

/// Lets the operator in, whoever that is.
pub(super) async fn admit(app: &App, socket: IpAddr, head: &Parts) -> Result<Operator, Denied> {
    app.door.admit(head, app.settings().proxies.client(socket, &head.headers), Moment::now()).await
}

async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (head, sent) = request.into_parts();
    let Some(Client(socket)) = head.extensions.get::<Client>().copied() else { return Problem::internal().into_response() };
    let is_page = head.uri.path() == "/admin";
    let operator = match admit(&app, socket.ip(), &head).await {
        Ok(operator) => operator,
        Err(denied) if is_page && login::is_visit(&head) => return login::page(app.root(), denied),
        Err(denied) => return denied.into_response(),
    };
    let mut response = next.run(Request::from_parts(head, sent)).await;
    if is_page {
        login::remember(&app.door, &operator, &mut response);
    }
    if let Operator::Peer(_, Some(info)) = operator {
        response.headers_mut().insert(HeaderName::from_static("authentication-info"), info);
    }
    response
}
