//! `site`: the owner lists, reads, writes and removes files of their own site.

use std::sync::Arc;

use axum::Json;
use axum::body::HttpBody;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::peers;
use crate::http::{Problem, body, origin};
use crate::peer::site_root::{Precondition, SiteError};
use crate::viewer::{App, range};

/// `GET site`: every file that the site serves; `cut` says whether there are more than are listed.
pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let listing = match app.peer.site().list().await {
        Err(SiteError::NoSite) => return Ok(Json(json!({ "entries": [], "cut": false }))),
        listing => listing?,
    };
    Ok(Json(json!(listing)))
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
    if request.body().size_hint().lower() > limit {
        return Err(Problem::too_large(limit));
    }
    let only_if = precondition(request.headers())?;
    let etag = app.peer.site().write(&path, body::reader(request.into_body()), only_if, limit).await?;
    Ok((StatusCode::NO_CONTENT, [(header::ETAG, format!("\"{etag}\""))]).into_response())
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
