//! What people see at `/` of every board: who is here, how many were over the last hour, which communities are open to all, and how to
//! join. Read without JavaScript; with it, live.
//!
//! Nobody is shown a community that they are not in: closed ones stand on no list, and their own page is behind the personal URL.

use std::cmp::Reverse;
use std::sync::Arc;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};

use super::base::Base;
use super::{App, Visitor};
use crate::clock::{Moment, UnixMillis};
use crate::http::page::{self, Face, Plot};
use crate::http::{Problem, assets};
use crate::proto::board::{Board, Row};
use crate::proto::community::Kind;
use joining::Joining;

pub(super) mod join;
mod joining;

/// Peers on the page; a larger community is read through its stream.
const MAX_SHOWN: usize = 500;
/// Communities on the page, the largest ones.
const MAX_COMMUNITIES: usize = 100;
/// Faces beside the name of a community.
const MAX_FACES: usize = 6;

#[derive(Template)]
#[template(path = "rendezvous.html")]
struct Home {
    root: String,
    /// Where this page is, without the slash at its end.
    here: String,
    title: String,
    /// How somebody comes into this community; `None` is the open board.
    kind: Option<Kind>,
    /// Whether the visitor came by a personal URL.
    personal: bool,
    standby: bool,
    /// Whether a directory of communities is at this door too.
    has_directory: bool,
    joining: Joining,
    count: usize,
    peers: Vec<Line>,
    most: usize,
    at: String,
    pulse: Pulse,
}

struct Line {
    id: String,
    short: String,
    face: Face,
    label: String,
    signed: bool,
}

#[derive(Template)]
#[template(path = "problem.html")]
struct Refused {
    root: String,
    title: &'static str,
    detail: String,
}

/// What a page that stays open asks for again each minute.
#[derive(Template)]
#[template(source = "<div id=\"hour\">{{ plot }}</div><div id=\"communities\">{{ communities }}</div>", ext = "html")]
struct Pulse {
    plot: Plot,
    communities: Communities,
}

/// Communities that everybody may know of.
#[derive(Template)]
#[template(path = "rendezvous_communities.html")]
struct Communities {
    root: String,
    cards: Vec<Card>,
}

impl HtmlSafe for Communities {}

struct Card {
    slug: String,
    name: String,
    count: usize,
    faces: Vec<Face>,
}

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/", get(home)).route("/pulse", get(pulse)).route("/static/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, request: HeaderMap) -> Response {
    assets::respond(&name, &request)
}

async fn home(
    State(app): State<Arc<App>>,
    Extension(base): Extension<Base>,
    visitor: Result<Visitor, Problem>,
    headers: HeaderMap,
) -> Response {
    let shown = visitor.and_then(|visitor| show(&app, &base, &visitor, &headers));
    shown.unwrap_or_else(|problem| refusal(&app, problem, &headers))
}

/// A refusal as a page for people, and as it is for programs.
fn refusal(app: &App, problem: Problem, headers: &HeaderMap) -> Response {
    let title = problem.status().canonical_reason().unwrap_or("Refused");
    let page = Refused { root: app.root(), title, detail: problem.detail().to_owned() };
    let answer = problem.into_response();
    if page::is_wanted(headers) { page::instead(answer, &page) } else { answer }
}

fn show(app: &App, base: &Base, visitor: &Visitor, headers: &HeaderMap) -> Result<Response, Problem> {
    app.admit_visitor(visitor, visitor.peer.as_ref())?;
    let (count, mut peers) = visitor.board.read(|board| (board.rows().len(), first(board)));
    peers.sort_by(|a, b| (&a.label, &a.id).cmp(&(&b.label, &b.id)));
    let register = app.store.register();
    let community = visitor.board.slug().and_then(|slug| register.community(slug));
    let (root, door) = (app.root(), base.door());
    let page = Home {
        title: community.map_or("A goop meeting place".into(), |community| community.name.clone()),
        kind: community.map(|community| community.kind),
        personal: base.token.is_some(),
        standby: app.standby.load(std::sync::atomic::Ordering::Relaxed),
        has_directory: app.has_directory(),
        joining: Joining::new(&app.origin(headers), door.strip_prefix("/via404").unwrap_or(&door)),
        here: format!("{root}{door}"),
        pulse: app.pulse(visitor, &root),
        root,
        count,
        peers,
        most: MAX_SHOWN,
        at: page::clock_time(UnixMillis::now()),
    };
    page::answer(&page)
}

async fn pulse(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response, Problem> {
    app.admit_visitor(&visitor, visitor.peer.as_ref())?;
    page::answer(&app.pulse(&visitor, &app.root()))
}

impl App {
    /// The path under which a proxy has put the server; mostly empty.
    pub(super) fn root(&self) -> String {
        self.settings().http.root().to_owned()
    }

    /// Whether a super hub stands beside this server, at the same door.
    pub(super) fn has_directory(&self) -> bool {
        self.roles.contains(&"superhub")
    }

    fn pulse(&self, visitor: &Visitor, root: &str) -> Pulse {
        let plot = Plot::of(&self.hours.of(&visitor.board, Moment::now()));
        let cards = if visitor.board.slug().is_none() { self.cards() } else { Vec::new() };
        Pulse { plot, communities: Communities { root: root.to_owned(), cards } }
    }

    /// The communities that are open to all, the largest first.
    fn cards(&self) -> Vec<Card> {
        let register = self.store.register();
        let open = register.communities().filter(|community| community.kind == Kind::Open);
        let mut cards: Vec<Card> = open
            .filter_map(|community| {
                let board = self.boards.get(Some(&community.slug))?;
                let (count, faces) = board.read(|board| (board.rows().len(), faces(board)));
                Some(Card { slug: community.slug.clone(), name: community.name.clone(), count, faces })
            })
            .collect();
        cards.sort_by_key(|card| (Reverse(card.count), card.slug.clone()));
        cards.truncate(MAX_COMMUNITIES);
        cards
    }
}

fn first(board: &Board) -> Vec<Line> {
    board.rows().take(MAX_SHOWN).map(|(_, row)| line(row)).collect()
}

fn faces(board: &Board) -> Vec<Face> {
    board.rows().take(MAX_FACES).map(|(peer, _)| Face::of(&peer.to_string())).collect()
}

fn line(row: &Row) -> Line {
    let presence = &row.message.presence;
    let id = presence.peer.to_string();
    let short = id[id.len().saturating_sub(8)..].to_owned();
    Line { face: Face::of(&id), short, label: presence.display_label(), signed: row.signed, id }
}
