//! The page and what else stands outside the API: static files, health, metrics.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use tokio::time::timeout;

use super::App;
use crate::http::{Problem, assets, metrics};

mod home;

/// How long the peer's actor may take to answer before this node is not ready.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// What stands outside the API.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home::show))
        .route("/static/{name}", get(asset))
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(numbers))
}

async fn asset(Path(name): Path<String>, request: HeaderMap) -> Response {
    assets::respond(&name, &request)
}

/// 200 when the peer's actor answers.
async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    match timeout(READY_WITHIN, app.peer.me()).await {
        Ok(Ok(_)) => Ok("ready"),
        _ => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", "the peer does not answer")),
    }
}

async fn numbers(State(app): State<Arc<App>>) -> Response {
    metrics::page((app.metrics_text)())
}
