//! `site`: the owner lists, reads, writes, renames and removes files of their own site, or has a first page made.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, HttpBody};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::peers;
use crate::http::{self, Problem, body, origin};
use crate::peer::site_root::{Listing, Precondition, SiteError, SitePath, encoded};
use crate::viewer::first_page::Look;
use crate::viewer::{App, MAX_TEXT, range};

/// A body up to this length is tried whatever room there is, in bytes: a saved page is worth what the node keeps for itself.
const ALWAYS: u64 = 256 * 1024;

/// `GET site`: every file that the site serves; `cut` says whether there are more than are listed. `room` is how long the next one may be.
pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let Listing { entries, cut, .. } = listing(&app).await?;
    Ok(Json(json!({ "entries": entries, "cut": cut, "room": room(&app).await? })))
}

/// The files of the site; none where there is no folder yet.
pub(in crate::viewer) async fn listing(app: &App) -> Result<Listing, SiteError> {
    match app.peer.site().list().await {
        Err(SiteError::NoSite) => Ok(Listing::default()),
        listing => listing,
    }
}

/// How long a file may be that is put into the site now, in bytes.
async fn room(app: &App) -> Result<u64, SiteError> {
    Ok(app.peer.site().room().await?.min(app.options.max_file))
}

/// The body of `POST site`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct First {
    look: Look,
}

/// `POST site`: a first page with one's own name on it, in one of three looks; 204, or 412 where there is an `index.html`.
pub(super) async fn begin(
    State(app): State<Arc<App>>,
    http::body::Json(First { look }): http::body::Json<First>,
) -> Result<Response, Problem> {
    Ok(written(&make_first(&app, look, &app.peer.me().await?.label).await?))
}

/// Makes the first page of somebody called `name`, where there is none; answers its ETag.
pub(in crate::viewer) async fn make_first(app: &App, look: Look, name: &str) -> Result<String, Problem> {
    let html = look.page(name)?;
    Ok(app.peer.site().write("index.html", html.as_bytes(), Precondition::Absent, html.len() as u64).await?)
}

/// `GET site/{path}`: a download, with the ETag that a later write names.
pub(super) async fn read(State(app): State<Arc<App>>, Path(path): Path<String>, request: HeaderMap) -> Result<Response, Problem> {
    download(&app, &path, &request).await
}

/// One file of the own site, or a part of it, as a download.
pub(super) async fn download(app: &App, path: &str, request: &HeaderMap) -> Result<Response, Problem> {
    let file = app.peer.site().open(path).await?;
    range::answer(file, request, |size, body| peers::download(path, size, body))
}

/// `PUT site/{path}`: 204 with the new ETag. `If-Match` names the version that is replaced, `If-None-Match: *` none; else 412.
pub(super) async fn write(State(app): State<Arc<App>>, Path(path): Path<String>, request: Request) -> Result<Response, Problem> {
    let limit = app.options.max_file;
    let at_least = request.body().size_hint().lower();
    if at_least > limit {
        return Err(Problem::too_large(limit));
    }
    let only_if = precondition(request.headers())?;
    if at_least > ALWAYS && at_least > app.peer.site().room().await? {
        return Err(SiteError::Full.into());
    }
    let etag = app.peer.site().write(&path, body::reader(request.into_body()), only_if, limit).await?;
    Ok(written(&etag))
}

/// The body of `POST site/{path}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rename {
    to: String,
}

/// `POST site/{path}`: it is called `to` from now on; 204 with its new ETag, 409 where something has that name. With `If-Match` only that
/// version.
pub(super) async fn rename(
    State(app): State<Arc<App>>,
    Path(path): Path<String>,
    headers: HeaderMap,
    http::body::Json(Rename { to }): http::body::Json<Rename>,
) -> Result<Response, Problem> {
    let etag = app.peer.site().rename(&path, &to, precondition(&headers)?).await?;
    Ok(written(&etag))
}

fn written(etag: &str) -> Response {
    (StatusCode::NO_CONTENT, [(header::ETAG, format!("\"{etag}\""))]).into_response()
}

/// `PUT site-draft/{path}`: keeps a text without saving it; answers the URL that shows it in the site, until the next draft.
pub(super) async fn draft(State(app): State<Arc<App>>, Path(path): Path<String>, body: Body) -> Result<Json<Value>, Problem> {
    let path = SitePath::parse(&path)?.relative().to_owned();
    let text = body::read(body, MAX_TEXT).await?;
    let address = path.split('/').map(encoded).collect::<Vec<_>>().join("/");
    let query = app.drafts.keep(path, text);
    Ok(Json(json!({ "url": format!("{}{address}?{query}", app.hosts.site_url(&app.peer.peer_id())) })))
}

/// `DELETE site/{path}`: 204; with `If-Match` only that version.
pub(super) async fn remove(State(app): State<Arc<App>>, Path(path): Path<String>, headers: HeaderMap) -> Result<StatusCode, Problem> {
    app.peer.site().remove(&path, precondition(&headers)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `If-Match` with one strong tag in quotes, or `If-None-Match: *`; not both.
fn precondition(headers: &HeaderMap) -> Result<Precondition, Problem> {
    match (headers.contains_key(header::IF_MATCH), headers.contains_key(header::IF_NONE_MATCH)) {
        (false, false) => Ok(Precondition::None),
        (true, false) => {
            let tag = origin::only(headers, &header::IF_MATCH).and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"'));
            let tag =
                tag.filter(|tag| !tag.contains('"')).ok_or_else(|| Problem::bad_request("If-Match takes one strong ETag in quotes"))?;
            Ok(Precondition::Is(tag.to_owned()))
        }
        (false, true) if origin::only(headers, &header::IF_NONE_MATCH) == Some("*") => Ok(Precondition::Absent),
        _ => Err(Problem::bad_request("a write takes If-Match, or If-None-Match with *, and not both")),
    }
}
