//! `/admin` for people, and goop2's two JSON lists. Everything that strangers wrote is escaped (THREATS 21).
//!
//! Reading needs no script. Whatever changes something is sent by `admin.js` to the API, since no form sends JSON (THREATS 31).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use axum::{Extension, Json};

use self::view::{BanView, BoardView, Lists};
use crate::clock::{Moment, UnixMillis};
use crate::http::Problem;
use crate::http::page::{self, span};
use crate::rendezvous::base::Base;
use crate::rendezvous::{App, PeerRecord, Refusal};

mod view;

/// Lines of the journal on the page, the newest; `/logs.json` has them all.
const MAX_LINES: usize = 100;

#[derive(Template)]
#[template(path = "admin.html")]
struct Page {
    root: String,
    server: String,
    version: &'static str,
    uptime: String,
    standby: bool,
    /// Whether a directory of communities is operated at this door too.
    has_directory: bool,
    peers: usize,
    readers: usize,
    streams: usize,
    boards: Vec<BoardView>,
    bans: Vec<BanView>,
    /// Why the lists of the database are missing, where they are.
    broken: Option<String>,
    lines: Vec<String>,
}

/// `GET /admin`.
pub(super) async fn show(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let page = tokio::task::spawn_blocking(move || Page::of(&app)).await.map_err(|_| Problem::internal())?;
    page::answer(&page)
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

impl Page {
    fn of(app: &App) -> Self {
        let now = UnixMillis::now();
        let (mut lists, broken) = match Lists::read(&app.store) {
            Ok(lists) => (lists, None),
            Err(broken) => (Lists::default(), Some(broken.to_string())),
        };
        let bans = std::mem::take(&mut lists.bans).into_iter().map(|ban| BanView::of(ban, now)).collect();
        let boards = view::boards(app, &lists, now);
        let mut lines = app.journal.lines();
        lines.reverse();
        lines.truncate(MAX_LINES);
        Self {
            root: app.root(),
            server: app.server.to_string(),
            version: env!("CARGO_PKG_VERSION"),
            uptime: span(Moment::now().since(Moment::START)),
            standby: app.standby.load(Ordering::Relaxed),
            has_directory: app.has_directory(),
            peers: boards.iter().map(|board| board.count).sum(),
            readers: boards.iter().map(|board| board.readers).sum(),
            streams: app.streams.taken(),
            boards,
            bans,
            broken,
            lines,
        }
    }
}

#[cfg(test)]
mod tests;
