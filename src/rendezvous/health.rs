//! What machines ask: is it alive, can it serve, what has it counted.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};

use super::App;
use crate::http::client_ip::is_forwarded;
use crate::http::{Client, Problem};
use axum::routing::{any, get};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/healthz", any(async || "ok")).route("/readyz", get(async || "ready")).route("/metrics", get(metrics))
}

/// For this machine alone, and not for whom a proxy of this machine speaks.
async fn metrics(
    State(app): State<Arc<App>>,
    Extension(Client(socket)): Extension<Client>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !socket.ip().to_canonical().is_loopback() || is_forwarded(&headers) {
        return Err(Problem::forbidden("the counters are for the operator"));
    }
    let mime = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, mime)], app.all_metrics.text()).into_response())
}
