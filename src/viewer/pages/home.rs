//! `/`: who is here, their sites, and one conversation: with everyone, or, as `/?with=<peer id>`, with one peer. Read without
//! JavaScript; with it, live.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use libp2p::PeerId;
use serde::Deserialize;

use crate::clock::UnixMillis;
use crate::http::Problem;
use crate::http::page::{self, Face};
use crate::peer::{Path, PeerRow};
use crate::proto::chat::{ChatMessage, MAX_CONTENT};
use crate::proto::presence::label::cut_bytes;
use crate::viewer::{App, api};

/// Peers on the page; a larger community is read through the API.
const MAX_SHOWN: usize = 1000;
/// Messages on the page, the newest; the others are read through the API.
const MAX_MESSAGES: u32 = 50;
/// Bytes of one message on the page; the rest is read through the API.
const MAX_SAID: usize = 4 * 1024;

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    root: &'static str,
    face: Face,
    token: &'a str,
    start: &'a str,
    label: String,
    peer_id: String,
    site: String,
    peers: Vec<Line>,
    with: Option<With>,
    messages: Vec<Said>,
    max_content: usize,
}

struct Line {
    face: Face,
    peer_id: String,
    short: String,
    label: String,
    site: String,
    online: bool,
    path: &'static str,
}

/// The peer of the open conversation.
struct With {
    peer_id: String,
    short: String,
    name: String,
}

struct Said {
    at: String,
    name: String,
    short: String,
    content: String,
}

/// The query of `GET /`.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    with: Option<String>,
}

/// `GET /`.
pub(super) async fn show(State(app): State<Arc<App>>, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let with = asked.with.as_deref().map(api::peer_id).transpose()?;
    let me = app.peer.me().await?;
    let peers = app.peer.peers().await;
    let said = |message| said(message, me.peer_id, &peers);
    let messages = app.peer.history(with, None, MAX_MESSAGES).await?.into_iter().map(|kept| said(kept.message)).collect();
    let id = me.peer_id.to_string();
    let page = Home {
        root: "",
        face: Face::of(&id),
        token: app.token.as_str(),
        start: &app.start,
        label: me.label,
        peer_id: id,
        site: app.hosts.site_url(&me.peer_id),
        with: with.map(|peer| With { peer_id: peer.to_string(), short: short(&peer), name: name_of(peer, me.peer_id, &peers).into() }),
        peers: connected_first(peers).into_iter().take(MAX_SHOWN).map(|row| line(row, &app)).collect(),
        messages,
        max_content: MAX_CONTENT,
    };
    page::answer(&page)
}

fn line(row: PeerRow, app: &App) -> Line {
    let peer_id = row.peer_id.to_string();
    Line {
        face: Face::of(&peer_id),
        peer_id,
        short: short(&row.peer_id),
        site: app.hosts.site_url(&row.peer_id),
        label: named(&row.label).into(),
        online: row.online,
        path: word(row.path),
    }
}

fn said(message: ChatMessage, me: PeerId, peers: &[PeerRow]) -> Said {
    let name = name_of(message.from, me, peers).into();
    Said { at: hour_and_minute(message.at), name, short: short(&message.from), content: cut(message.content) }
}

fn name_of(peer: PeerId, me: PeerId, peers: &[PeerRow]) -> &str {
    let row = peers.iter().find(|row| row.peer_id == peer);
    row.map_or(if peer == me { "You" } else { "Somebody" }, |row| named(&row.label))
}

/// Made-up peers without a connection cannot push real ones off the page.
fn connected_first(mut peers: Vec<PeerRow>) -> Vec<PeerRow> {
    peers.sort_by_key(|row| !matches!(row.path, Path::Lan | Path::Direct | Path::Relayed));
    peers
}

/// At most [`MAX_SAID`] bytes, and a sign where something is missing.
fn cut(content: String) -> String {
    if content.len() > MAX_SAID { format!("{}…", cut_bytes(&content, MAX_SAID)) } else { content }
}

/// The script writes the reader's own time over it.
fn hour_and_minute(at: UnixMillis) -> String {
    let minutes = at.0 / 60_000;
    format!("{:02}:{:02} UTC", minutes / 60 % 24, minutes % 60)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::UnixMillis;

    fn row(label: &str, path: Path) -> PeerRow {
        PeerRow {
            peer_id: PeerId::random(),
            label: label.into(),
            email: None,
            avatar_hash: None,
            online: true,
            last_seen: UnixMillis(0),
            path,
            reason: None,
            signed: true,
            sources: Vec::new(),
            addrs: Vec::new(),
        }
    }

    #[test]
    fn a_thousand_made_up_peers_do_not_hide_a_connected_one() {
        let mut rows: Vec<_> = (0..MAX_SHOWN).map(|n| row(&format!("a{n}"), Path::NotTried)).collect();
        rows.push(row("zoe", Path::Lan));
        assert_eq!(connected_first(rows)[0].label, "zoe");
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        assert_eq!(cut("short".into()), "short");
        let shown = cut("ü€".repeat(MAX_SAID));
        assert!(shown.len() <= MAX_SAID + 3 && shown.ends_with('…'));
    }
}
