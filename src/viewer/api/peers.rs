//! `self`, `peers` and what belongs to one peer: its files as downloads, its avatar as a bitmap.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

use crate::http::{self, Problem, headers, media};
use crate::identity::peer_id_from_text;
use crate::peer::SelfInfo;
use crate::viewer::App;
use crate::viewer::rows;
use crate::viewer::site_origin::{self, CHUNK};

/// What this node says about itself, and where its own site opens.
#[derive(Serialize)]
pub(super) struct Me {
    #[serde(flatten)]
    me: SelfInfo,
    site: String,
}

/// `GET self`.
pub(super) async fn me(State(app): State<Arc<App>>) -> Result<Json<Me>, Problem> {
    let me = app.peer.me().await?;
    Ok(Json(Me { site: app.hosts.site_url(&me.peer_id), me }))
}

/// The query of `GET peers`.
#[derive(Debug, Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    blocked: bool,
}

/// `GET peers?blocked=`: blocked ones only with `true`.
pub(super) async fn list(State(app): State<Arc<App>>, Query(Which { blocked }): Query<Which>) -> Json<Value> {
    Json(json!({ "peers": rows::listed(&app, blocked).await }))
}

/// The body of `POST peers`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dial {
    addr: String,
}

/// `POST peers`: remember where a peer can be dialled, and dial it.
pub(super) async fn dial(
    State(app): State<Arc<App>>,
    http::body::Json(Dial { addr }): http::body::Json<Dial>,
) -> Result<Json<Value>, Problem> {
    let addr: Multiaddr = addr.parse().map_err(|wrong| Problem::bad_request(format!("addr is no multiaddr: {wrong}")))?;
    if !matches!(addr.iter().last(), Some(Protocol::P2p(_))) {
        return Err(Problem::bad_request("addr must end in /p2p/ and the peer's id"));
    }
    let peer = app.peer.dial(addr).await?;
    Ok(Json(json!({ "peer_id": peer.to_string() })))
}

/// `GET peers/{id}/site`: the index file.
pub(super) async fn index(state: State<Arc<App>>, Path(id): Path<String>, request: HeaderMap) -> Result<Response, Problem> {
    file(state, Path((id, String::new())), request).await
}

/// `GET peers/{id}/site/{path}`: a download in constant memory; one's own site too.
pub(super) async fn file(
    State(app): State<Arc<App>>,
    Path((id, path)): Path<(String, String)>,
    request: HeaderMap,
) -> Result<Response, Problem> {
    let (peer, path) = (peer_id(&id)?, format!("/{path}"));
    if peer == app.peer.peer_id() {
        return super::site::download(&app, &path, &request).await;
    }
    let file = site_origin::fetch(&app, peer, &path).await?;
    Ok(download(&path, file.size, Body::from_stream(ReaderStream::with_capacity(file.body, CHUNK))))
}

/// `GET peers/{id}/avatar`: PNG, JPEG, GIF or WebP by its first bytes; anything else is 415, none 404. Of a favourite that is away, the
/// last one.
pub(super) async fn avatar(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Response, Problem> {
    let peer = peer_id(&id)?;
    if peer == app.peer.peer_id() {
        return super::avatar::read(State(app)).await;
    }
    let avatar = match app.peer.fetch_avatar(peer).await {
        Ok(avatar) => avatar,
        Err(away) => Some(app.peer.kept_avatar(peer).await?.ok_or(away)?),
    };
    picture(avatar.ok_or_else(|| Problem::not_found("this peer has no avatar"))?)
}

/// An answer that a browser may show in an `img` and nowhere else.
pub(super) fn picture(bytes: bytes::Bytes) -> Result<Response, Problem> {
    let mime = media::bitmap(&bytes).ok_or_else(|| Problem::unsupported_media("the avatar is no PNG, JPEG, GIF or WebP"))?;
    let headers = [(header::CONTENT_TYPE, mime), (header::CONTENT_SECURITY_POLICY, headers::ATTACHMENT)];
    Ok((headers, bytes).into_response())
}

/// An answer that a browser saves and never shows.
pub(super) fn download(path: &str, size: u64, body: Body) -> Response {
    let fixed = [(header::CONTENT_TYPE, media::by_extension(path).0), (header::CONTENT_SECURITY_POLICY, headers::ATTACHMENT)];
    let mut response = (fixed, body).into_response();
    response.headers_mut().insert(header::CONTENT_DISPOSITION, headers::attachment(path));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    response
}

/// A peer's id in any spelling.
pub(in crate::viewer) fn peer_id(text: &str) -> Result<PeerId, Problem> {
    peer_id_from_text(text).map_err(|wrong| Problem::bad_request(wrong.to_string()))
}
