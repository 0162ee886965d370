//! What machines ask: is it alive, can it serve, what has it counted.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};

use super::{App, Refusal, admin};
use crate::clock::Moment;
use crate::http::origin::is_of_this_machine;
use crate::http::{Client, Problem, metrics};
use axum::routing::{any, get};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/healthz", any(async || "ok")).route("/readyz", get(ready)).route("/metrics", get(numbers))
}

/// How long what the database said last counts: whoever asks often costs it nothing.
const PROBED: Duration = Duration::from_secs(1);

/// Whether it can serve: not while the operator has it stand by, nor while its database cannot be written, without which boards serve
/// on but nothing of them lasts.
async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    if app.standby.load(Ordering::Relaxed) {
        return Err(Refusal::Standby.into());
    }
    let mut probed = app.probed.lock().await;
    if probed.as_ref().is_none_or(|(at, _)| Moment::now().since(*at) >= PROBED) {
        let asked = app.clone();
        let trouble = tokio::task::spawn_blocking(move || asked.store.trouble()).await.map_err(|_| Problem::internal())?;
        *probed = Some((Moment::now(), trouble));
    }
    match &*probed {
        Some((_, Some(_))) => Err(Refusal::Database.into()),
        _ => Ok("ready"),
    }
}

/// For programs of this machine, and for the operator.
async fn numbers(State(app): State<Arc<App>>, request: Request) -> Result<Response, Response> {
    let (head, _) = request.into_parts();
    let Some(Client(socket)) = head.extensions.get::<Client>() else { return Err(Problem::internal().into_response()) };
    if !is_of_this_machine(&head, socket.ip()) {
        admin::admit(&app, socket.ip(), &head).await.map_err(IntoResponse::into_response)?;
    }
    Ok(metrics::page(app.all_metrics.text()))
}
