//! The pages and what else stands outside the API: static files, health, metrics.
//!
//! - `home`: who I am, and what is reachable (`reach`); `peers`: who is here; `chat`: what was said;
//!   `communities`: where one meets others; `settings`: everything that one may change;
//!   `doctor`: what does not work, and what to do about it.
//! - `names`: how peers, ways and sizes are called on all of them.
//!
//! Each is whole without JavaScript; the scripts keep it live (`assets/static/live.js`: one event stream per browser).

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::get;
use tokio::time::timeout;

use super::App;
use crate::config::viewer::Theme;
use crate::http::{Problem, assets, metrics};

mod chat;
mod communities;
mod doctor;
mod home;
mod names;
mod peers;
mod reach;
mod settings;

/// How long the peer's actor may take to answer before this node is not ready.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// The pages there are: where, and what they are called.
const PARTS: [(&str, &str); 5] =
    [("/", "Home"), ("/peers", "Peers"), ("/chat", "Chat"), ("/communities", "Communities"), ("/settings", "Settings")];

/// What every page of the viewer begins with.
struct Frame<'a> {
    token: &'a str,
    start: &'a str,
    /// The path of the page, as in [`PARTS`].
    here: &'static str,
    /// Messages that were not read yet.
    unread: u64,
    theme: Theme,
}

impl<'a> Frame<'a> {
    async fn of(app: &'a App, here: &'static str) -> Result<Self, Problem> {
        let unread = app.peer.conversations().await?.iter().map(|conversation| conversation.unread).sum();
        Ok(Self { token: app.token.as_str(), start: &app.start, here, unread, theme: app.configuration.last().await.config.viewer.theme })
    }
}

/// What stands outside the API.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home::show))
        .route("/peers", get(peers::show))
        .route("/chat", get(chat::show))
        .route("/communities", get(communities::show))
        .route("/settings", get(settings::show))
        .route("/doctor", get(doctor::show))
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
