//! `/`: who is here, their sites, and what is said to everyone. Read without JavaScript; with it, live.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use libp2p::PeerId;

use crate::http::Problem;
use crate::peer::{Path, PeerRow};
use crate::proto::chat::{ChatMessage, MAX_CONTENT};
use crate::viewer::App;

/// Peers on the page; a larger community is read through the API.
const MAX_SHOWN: usize = 1000;

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    token: &'a str,
    label: String,
    peer_id: String,
    site: String,
    peers: Vec<Line>,
    messages: Vec<Said>,
    max_content: usize,
}

struct Line {
    peer_id: String,
    short: String,
    label: String,
    site: String,
    online: bool,
    path: &'static str,
}

struct Said {
    name: String,
    short: String,
    content: String,
}

/// `GET /`.
pub(super) async fn show(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let me = app.peer.me().await?;
    let peers = app.peer.peers().await;
    let said = |message| said(message, me.peer_id, &peers);
    let messages = app.peer.history(None).await.into_iter().map(said).collect();
    let page = Home {
        token: app.token.as_str(),
        label: me.label,
        peer_id: me.peer_id.to_string(),
        site: app.hosts.site_url(&me.peer_id),
        peers: peers.into_iter().take(MAX_SHOWN).map(|row| line(row, &app)).collect(),
        messages,
        max_content: MAX_CONTENT,
    };
    let html = page.render().map_err(|cause| {
        tracing::error!(%cause, "the page could not be made");
        Problem::internal()
    })?;
    Ok(Html(html).into_response())
}

fn line(row: PeerRow, app: &App) -> Line {
    Line {
        peer_id: row.peer_id.to_string(),
        short: short(&row.peer_id),
        site: app.hosts.site_url(&row.peer_id),
        label: named(&row.label).into(),
        online: row.online,
        path: word(row.path),
    }
}

fn said(message: ChatMessage, me: PeerId, peers: &[PeerRow]) -> Said {
    let row = peers.iter().find(|row| row.peer_id == message.from);
    let name = row.map_or(if message.from == me { "You" } else { "Somebody" }, |row| named(&row.label));
    Said { name: name.into(), short: short(&message.from), content: message.content }
}

fn named(label: &str) -> &str {
    if label.is_empty() { "(no name)" } else { label }
}

/// The end of an id, which differs between peers; all begin alike.
fn short(peer: &PeerId) -> String {
    let id = peer.to_string();
    id[id.len().saturating_sub(8)..].to_owned()
}

fn word(path: Path) -> &'static str {
    match path {
        Path::Lan => "same network",
        Path::Direct => "direct",
        Path::Relayed => "relayed",
        Path::Unreachable => "unreachable",
        Path::NotTried => "not tried yet",
    }
}
