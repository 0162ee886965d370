//! Anybody may say that a community is worth a look now, such as a peer that saw it move. The hub looks itself, and believes nobody (THREATS 38).

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;

use super::listings::shown;
use super::moderation::of_our_page;
use super::requests::may_have_looked_at;
use crate::clock::UnixMillis;
use crate::http::{Client, Problem};
use crate::superhub::App;

/// A server that was looked at so short a time ago is left alone.
const FRESH: Duration = Duration::from_secs(60);

/// `POST /api/v1/communities/{id}/check`.
pub(super) async fn check(
    State(app): State<Arc<App>>,
    Extension(Client(socket)): Extension<Client>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    if !of_our_page(&app, &headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "foreign-origin", "pages of other origins have nothing looked at here"));
    }
    may_have_looked_at(&app, app.client(socket.ip(), &headers))?;
    let (entry, now) = (shown(&app.directory, &id).await?, UnixMillis::now());
    let looked = entry.checked.is_some_and(|checked| now.0.saturating_sub(checked.0) < FRESH.as_millis() as u64);
    if !looked {
        app.directory.change(0, move |desk| desk.look_now(entry.number)).await?;
    }
    Ok((StatusCode::ACCEPTED, Json(json!({ "detail": "its server is looked at within a minute" }))).into_response())
}
