//! `/admin` for people, and goop2's two JSON lists. Everything that strangers wrote is escaped (THREATS 21).

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::Value;

use super::api;
use crate::http::Problem;
use crate::proto::presence::label;
use crate::rendezvous::base::Base;
use crate::rendezvous::{App, PeerRecord, Refusal};

/// Peers of one board on the page; `/peers.json` has them all.
const MAX_SHOWN: usize = 500;

#[derive(Template)]
#[template(path = "admin.html")]
struct Page {
    server: String,
    standby: bool,
    boards: Vec<BoardView>,
    lines: Vec<String>,
}

struct BoardView {
    name: String,
    kind: String,
    peers: u64,
    readers: u64,
    members: u64,
    rows: Vec<RowView>,
}

struct RowView {
    peer: String,
    label: String,
    email: String,
    signed: bool,
}

/// `GET /admin`.
pub(super) async fn show(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let boards = api::all_boards(&app).iter().map(|board| view(&app, board)).collect();
    let standby = app.standby.load(std::sync::atomic::Ordering::Relaxed);
    let page = Page { server: app.server.to_string(), standby, boards, lines: app.journal.lines() };
    let html = page.render().map_err(|cause| {
        tracing::error!(%cause, "the page could not be made");
        Problem::internal()
    })?;
    Ok(Html(html).into_response())
}

/// `GET /peers.json`, of the board that the URL means.
pub(super) async fn peers(State(app): State<Arc<App>>, Extension(base): Extension<Base>) -> Result<Json<Vec<PeerRecord>>, Problem> {
    let board = app.boards.get(base.slug.as_deref()).ok_or(Refusal::NoSuchBoard)?;
    Ok(Json(PeerRecord::all(&board)))
}

/// `GET /logs.json`.
pub(super) async fn logs(State(app): State<Arc<App>>) -> Json<Vec<String>> {
    Json(app.journal.lines())
}

fn view(app: &App, board: &Value) -> BoardView {
    let slug = board["slug"].as_str();
    let count = |key: &str| board[key].as_u64().unwrap_or(0);
    let rows = app.boards.get(slug).map(|board| {
        board.read(|board| {
            board
                .rows()
                .take(MAX_SHOWN)
                .map(|(_, row)| {
                    let presence = &row.message.presence;
                    let email = label::clean(presence.email.as_deref().unwrap_or_default(), 128);
                    RowView { peer: presence.peer.to_string(), label: presence.display_label(), email, signed: row.signed }
                })
                .collect::<Vec<_>>()
        })
    });
    BoardView {
        name: board["name"].as_str().unwrap_or("Everyone").to_owned(),
        kind: board["type"].as_str().unwrap_or_default().to_owned(),
        peers: count("peers"),
        readers: count("readers"),
        members: count("members"),
        rows: rows.unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAYLOADS: [&str; 10] = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'><svg/onload=alert(1)>",
        "</td><script src=//evil.example></script>",
        "<iframe srcdoc='<script>alert(1)</script>'>",
        "<a href=javascript:alert(1)>x</a>",
        "{{7*7}}<b>",
        "<!--<script>alert(1)//-->",
        "<math><mi xlink:href=data:x,<script>alert(1)</script>>",
        "\u{0}<scr\u{0}ipt>alert(1)</scr\u{0}ipt>",
    ];

    fn rendered(text: &str) -> String {
        let row = RowView { peer: text.into(), label: text.into(), email: text.into(), signed: false };
        let board = BoardView { name: text.into(), kind: text.into(), peers: 1, readers: 1, members: 1, rows: vec![row] };
        Page { server: text.into(), standby: false, boards: vec![board], lines: vec![text.into()] }.render().unwrap()
    }

    #[test]
    fn attack_no_payload_in_a_label_an_email_or_a_log_line_makes_a_tag() {
        let tags = rendered("").matches('<').count();
        let quotes = rendered("").matches('"').count();
        for payload in PAYLOADS {
            for (before, after) in (0..20).map(|n| ("x".repeat(n), " ".repeat(n % 3))) {
                let page = rendered(&format!("{before}{payload}{after}"));
                assert_eq!((page.matches('<').count(), page.matches('"').count()), (tags, quotes), "{payload}");
            }
        }
    }
}
