//! `files`: offer one to a peer, decide about what others offer, follow them on their way, and open what arrived.

use std::sync::Arc;

use axum::Json;
use axum::body::{Body, HttpBody};
use axum::extract::{Path, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::io::ReaderStream;

use super::peers::{self, peer_id};
use crate::http::{Problem, body};
use crate::peer::files::Listed;
use crate::proto::transfer::{MAX_FILE, Step};
use crate::viewer::App;
use crate::viewer::site_origin::CHUNK;

/// `GET files`: the newest first.
pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "files": app.peer.transfers().await? })))
}

/// The query of `POST files`.
#[derive(Debug, Deserialize)]
pub(super) struct Send {
    to: String,
    name: Option<String>,
    site: Option<String>,
}

/// `POST files?to=&name=` with the file as the body, or `POST files?to=&site=` for a file of one's own site: 202 once the other side has
/// the offer, or it waits.
pub(super) async fn send(
    State(app): State<Arc<App>>,
    Query(Send { to, name, site }): Query<Send>,
    request: Request,
) -> Result<(StatusCode, Json<Listed>), Problem> {
    let to = peer_id(&to)?;
    let sent = match (name, site) {
        (Some(name), None) => {
            if request.body().size_hint().lower() > MAX_FILE {
                return Err(Problem::too_large(MAX_FILE));
            }
            let mime = request.headers().get(header::CONTENT_TYPE).and_then(|mime| mime.to_str().ok()).unwrap_or_default().to_owned();
            app.peer.send_file(to, &name, &mime, body::reader(request.into_body())).await?
        }
        (None, Some(path)) => app.peer.send_site_file(to, &path).await?,
        _ => return Err(Problem::bad_request("a file has a name and is the body, or is named by site; not both")),
    };
    Ok((StatusCode::ACCEPTED, Json(sent)))
}

/// `POST files/{number}/accept`, `decline`, `pause`, `resume`, `cancel`: answers how it stands then.
pub(super) async fn decide(State(app): State<Arc<App>>, Path((number, what)): Path<(i64, String)>) -> Result<Json<Listed>, Problem> {
    let step = match what.as_str() {
        "accept" => Step::Accept,
        "decline" => Step::Decline,
        "pause" => Step::Pause,
        "resume" => Step::Resume,
        "cancel" => Step::Cancel,
        _ => return Err(Problem::not_found("a file is accepted, declined, paused, resumed or cancelled")),
    };
    Ok(Json(app.peer.decide_file(number, step).await?))
}

/// `GET files/{number}`: a file that arrived, as a download; a browser never shows it here.
pub(super) async fn read(State(app): State<Arc<App>>, Path(number): Path<i64>) -> Result<Response, Problem> {
    let (name, size, file) = app.peer.received_file(number).await?;
    Ok(peers::download(&name, size, Body::from_stream(ReaderStream::with_capacity(file, CHUNK))))
}

/// `DELETE files/{number}`: forgets a transfer that ended; a file that was received stays where it is.
pub(super) async fn forget(State(app): State<Arc<App>>, Path(number): Path<i64>) -> Result<StatusCode, Problem> {
    app.peer.forget_file(number).await?;
    Ok(StatusCode::NO_CONTENT)
}
