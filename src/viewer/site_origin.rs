//! A peer's site as a browser origin of its own: `http://<peer id in base36>.localhost:PORT/`.
//!
//! What runs there reaches its own files and nothing else: not the viewer, not another site, not the network (THREATS 24–28).
//! Inline scripts and styles are allowed. They let a site do nothing that a file of its own could not, since the origin holds
//! nobody else's data, and hand-written pages are full of them.
//!
//! Our own page alone may frame it, and leads it out of its sandbox nowhere (`pages/peer_site.rs`).
//!
//! Two ways out are left that no header closes: a page may send its visitor elsewhere, and WebRTC in browsers that do not know the
//! `webrtc` directive yet (Chromium 156). Neither reaches the viewer or another site.
//!
//! Types come from our own table; what is unknown is a download. Answers are GET and HEAD only, and service workers, which would
//! outlive the visit, are refused.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Path, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use libp2p::PeerId;
use tokio_util::io::ReaderStream;

use super::{App, range};
use crate::http::{Problem, assets, headers, media, origin};
use crate::peer::site_root::{OpenFile, encoded};
use crate::peer::streams::site::RemoteFile;

/// Whose site a request is for; the door puts it among the request's extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct SiteOf(pub(super) PeerId);

/// What a foreign body is read in, in bytes; with the socket's buffer this is what one download costs.
pub(super) const CHUNK: usize = 64 * 1024;

/// The one thing a site has: files. The viewer's API does not exist here.
pub(super) fn routes(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/{*path}", get(file))
        .route("/api/v1/{*path}", get(nothing))
        .layer(from_fn_with_state(app.clone(), isolate))
        .with_state(app)
}

async fn nothing(State(app): State<Arc<App>>, request: HeaderMap) -> Response {
    page(&app, &Problem::not_found("the viewer's API is not here"), &request)
}

async fn index(state: State<Arc<App>>, whose: Extension<SiteOf>, query: RawQuery, request: HeaderMap) -> Response {
    file(state, whose, Path(String::new()), query, request).await
}

async fn file(
    State(app): State<Arc<App>>,
    Extension(SiteOf(peer)): Extension<SiteOf>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
    request: HeaderMap,
) -> Response {
    if let Some(draft) = app.drafts.find(&path, query.as_deref()).filter(|_| peer == app.peer.peer_id()) {
        return shown(&path, draft.len() as u64, draft.into());
    }
    match answer(&app, peer, &format!("/{path}"), &request).await {
        Err(problem) if is_nothing_yet(&path, &problem) => nothing_yet(&app, peer, &request).await,
        answer => answer.unwrap_or_else(|problem| page(&app, &problem, &request)),
    }
}

/// A file of a site, one's own or another's.
pub(super) async fn answer(app: &App, peer: PeerId, path: &str, request: &HeaderMap) -> Result<Response, Problem> {
    if peer == app.peer.peer_id() { own(app, path, request).await } else { foreign(app, peer, path).await }
}

async fn own(app: &App, path: &str, request: &HeaderMap) -> Result<Response, Problem> {
    let file = app.peer.site().open(path).await?;
    let tag = etag(&file);
    if assets::has_already(request, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    if is_folder_without_slash(path, &file.mime) {
        return Ok(with_slash(path));
    }
    range::answer(file, request, |size, body| shown(path, size, body))
}

async fn foreign(app: &App, peer: PeerId, path: &str) -> Result<Response, Problem> {
    let file = fetch(app, peer, path).await?;
    if is_folder_without_slash(path, &file.mime) {
        return Ok(with_slash(path));
    }
    Ok(shown(path, file.size, Body::from_stream(ReaderStream::with_capacity(file.body, CHUNK))))
}

/// One file of another peer; a path that would not fit on the protocol's line is 400 before anybody is dialled.
pub(super) async fn fetch(app: &App, peer: PeerId, path: &str) -> Result<RemoteFile, Problem> {
    if path.contains(char::is_control) {
        return Err(Problem::bad_request("the path holds a control character"));
    }
    Ok(app.peer.fetch_site(peer, path).await?)
}

/// Whether a folder's index file came for a path without its slash, from where the page's relative links would miss.
fn is_folder_without_slash(path: &str, mime: &str) -> bool {
    !path.ends_with('/') && !path.rsplit('/').next().unwrap_or_default().contains('.') && mime.starts_with("text/html")
}

fn with_slash(path: &str) -> Response {
    let name = path.rsplit('/').next().unwrap_or_default();
    let relative = format!("./{}/", encoded(name));
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, relative)]).into_response()
}

/// An open file's strong validator, quoted.
pub(super) fn etag(file: &OpenFile) -> HeaderValue {
    HeaderValue::try_from(format!("\"{}\"", file.etag)).unwrap_or(HeaderValue::from_static("\"\""))
}

fn shown(path: &str, size: u64, body: Body) -> Response {
    // A path without a file name is answered by an index file or a list.
    let (mime, known) = if path.ends_with('/') { media::by_extension("index.html") } else { media::by_extension(path) };
    let mut response = ([(header::CONTENT_TYPE, HeaderValue::from_static(mime))], body).into_response();
    response.headers_mut().insert(header::CONTENT_LENGTH, size.into());
    if !known {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, headers::attachment(path));
    }
    response
}

#[derive(Template)]
#[template(path = "site_error.html")]
struct ErrorPage<'a> {
    title: &'a str,
    detail: &'a str,
    /// Where the viewer begins; `None` in a frame, whose sandbox leads nowhere else, and which has the viewer around it.
    viewer: Option<String>,
}

impl ErrorPage<'_> {
    fn answer(&self, status: StatusCode) -> Response {
        self.render().map_or_else(|_| status.into_response(), |html| (status, Html(html)).into_response())
    }
}

/// What a visitor is told instead of a file.
pub(super) fn page(app: &App, problem: &Problem, request: &HeaderMap) -> Response {
    let title = problem.status().canonical_reason().unwrap_or("Error");
    ErrorPage { title, detail: problem.detail(), viewer: way_back(app, request) }.answer(problem.status())
}

/// Whether a whole site is missing, and not a file of it.
pub(super) fn is_nothing_yet(path: &str, problem: &Problem) -> bool {
    path.is_empty() && problem.status() == StatusCode::NOT_FOUND
}

/// What a visitor is told of a peer who has put nothing online.
pub(super) async fn nothing_yet(app: &App, peer: PeerId, request: &HeaderMap) -> Response {
    let here = app.peer.peers().await.into_iter().find(|row| row.peer_id == peer);
    let label = here.map_or_else(|| app.peer.memory().contact(&peer).label, |row| row.label);
    let title = match label.as_str() {
        _ if peer == app.peer.peer_id() => "You have put nothing online yet".to_owned(),
        "" => "This peer has put nothing online yet".to_owned(),
        name => format!("{name} has put nothing online yet"),
    };
    ErrorPage { title: &title, detail: "Whatever is put there is shown here.", viewer: way_back(app, request) }
        .answer(StatusCode::NOT_FOUND)
}

fn way_back(app: &App, request: &HeaderMap) -> Option<String> {
    let is_framed = origin::only(request, &HeaderName::from_static("sec-fetch-dest")) == Some("iframe");
    (!is_framed).then(|| format!("{}/", app.hosts.viewer_origin()))
}

/// Turns away what no visitor of the site would ask, and tells the browser to keep the site to itself.
async fn isolate(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let mut response = match turned_away(request.headers()) {
        Some(problem) => page(&app, &problem, request.headers()),
        None => next.run(request).await,
    };
    let csp = policy(&app.hosts.frames());
    let headers = response.headers_mut();
    headers::secure(headers, csp);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn turned_away(request: &HeaderMap) -> Option<Problem> {
    if request.contains_key(HeaderName::from_static("service-worker")) {
        return Some(Problem::forbidden("sites of peers have no service workers"));
    }
    let visit = origin::only(request, &HeaderName::from_static("sec-fetch-mode")) == Some("navigate");
    (origin::comes_from_another_site(request) && !visit).then(|| Problem::forbidden("another site may link here, and nothing else"))
}

fn policy(frames: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
         font-src 'self' data:; media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; webrtc 'block'; \
         frame-ancestors {frames}"
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}
