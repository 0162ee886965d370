//! The pages and what else stands outside the API: static files, health, metrics.
//!
//! - `home`: who I am, and what is reachable (`reach`); `peers`: who is here; `peer_site`: a site, and whose it is; `chat`: what was said;
//!   `communities`: where one meets others; `settings`: everything that one may change;
//!   `doctor`: what does not work, and what to do about it.
//! - `site`: the files of one's own site; `first`: a first page for who has none; `edit`: one of its texts.
//! - `names`: how peers, ways and sizes are called on all of them.
//!
//! Each is whole without JavaScript; the scripts keep it live (`assets/static/live.js`: one event stream per browser).

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Redirect, Response};
use axum::routing::get;
use tokio::time::timeout;

use super::{App, guard};
use crate::config::viewer::Theme;
use crate::http::{Problem, assets, headers, metrics, page};

mod chat;
mod communities;
mod doctor;
mod edit;
mod first;
mod home;
mod names;
mod peer_site;
mod peers;
mod reach;
mod settings;
mod site;

/// How long the peer's actor may take to answer before this node is not ready.
const READY_WITHIN: Duration = Duration::from_secs(1);

/// The pages there are: where, and what they are called.
const PARTS: [(&str, &str); 6] = [
    ("/", "Home"),
    ("/peers", "Peers"),
    ("/chat", "Chat"),
    ("/communities", "Communities"),
    ("/site", "My site"),
    ("/settings", "Settings"),
];

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
        Ok(Self { token: app.token.as_str(), start: &app.start, here, unread, theme: app.configuration.current().config.viewer.theme })
    }
}

/// A page of ours with a frame for the site at `url`, and, where `more` says so, others.
fn framing(page: &impl Template, url: &str, more: &str) -> Result<Response, Problem> {
    let mut response = page::answer(page)?;
    let policy = format!("{}; frame-src {url} {more}", headers::OWN_PAGE);
    let policy = HeaderValue::try_from(policy.trim_end()).map_err(|_| Problem::internal())?;
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

/// What stands outside the API.
pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home::show))
        .route("/peers", get(peers::show))
        .route("/peers/{id}/site", get(peer_site::show))
        .route("/chat", get(chat::show))
        .route("/communities", get(communities::show))
        .route("/settings", get(settings::show))
        .route("/site", get(site::show))
        .route(guard::FORM, get(async || Redirect::to("/site")).post(first::make))
        .route("/site/edit", get(edit::show))
        .route("/site/look/{look}", get(site::look))
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
