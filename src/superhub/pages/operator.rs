//! `/admin/directory`: what waits for the operator's word, what is listed, what is hidden, who changed what. Reading needs no script;
//! `admin.js` sends what changes something to the API, since no form sends JSON (THREATS 31).

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query as Params, Request, State};
use axum::http::HeaderMap;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::card::Card;
use super::refusal;
use crate::clock::{Moment, UnixMillis};
use crate::http::auth::login;
use crate::http::page::{self, ago};
use crate::http::{Client, Problem};
use crate::proto::directory::Endpoint;
use crate::superhub::App;
use crate::superhub::directory::api::{Asked, find, id_of};
use crate::superhub::directory::{Audited, MOST_OF_PAGE, Reported, StoreError, Waiting, audited, moderated};

/// Of each list that waits, so many are on the page.
const MOST: usize = 20;

#[derive(Template)]
#[template(path = "directory_admin.html")]
struct Page {
    root: String,
    hub: String,
    asked: Asked,
    reports: Vec<ReportView>,
    reports_waiting: usize,
    requests: Vec<RequestView>,
    requests_waiting: usize,
    cards: Vec<Card>,
    next: Option<String>,
    hidden: Vec<Card>,
    audit: Vec<Audited>,
    fields: Fields,
}

#[derive(Template)]
#[template(path = "directory_change.html")]
struct Change {
    root: String,
    id: String,
    hidden: bool,
    ours: bool,
    origin: String,
    fields: Fields,
}

/// A listing whose reports wait.
struct ReportView {
    card: Card,
    count: i64,
    last: String,
    /// The same as the API has it.
    last_ms: u64,
    said: Vec<SaidView>,
}

struct SaidView {
    reason: String,
    words: String,
    contact: String,
    when: String,
}

/// A server that wants to be listed.
struct RequestView {
    id: i64,
    name: String,
    description: String,
    tags: String,
    kind: String,
    rendezvous: String,
    peer: String,
    when: String,
}

/// What a form holds of a listing, or of none yet.
#[derive(Default)]
struct Fields {
    name: String,
    description: String,
    tags: String,
    lang: String,
    endpoints: String,
    server: String,
    kind: &'static str,
    paid: bool,
    members: u32,
}

pub(super) fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/admin/directory", get(show))
        .route("/admin/directory/{id}", get(change))
        .route_layer(from_fn_with_state(app.clone(), guard))
}

/// Lets the operator in; a person with a browser is shown how to come in.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let Some(Client(socket)) = head.extensions.get::<Client>().copied() else { return Problem::internal().into_response() };
    let operator = match app.door.admit(&head, app.client(socket.ip(), &head.headers), Moment::now()).await {
        Ok(operator) => operator,
        Err(denied) if login::is_visit(&head) => return login::page(app.root(), denied),
        Err(denied) => return denied.into_response(),
    };
    let mut response = next.run(Request::from_parts(head, body)).await;
    login::remember(&app.door, &operator, &mut response);
    response
}

async fn show(State(app): State<Arc<App>>, headers: HeaderMap, Params(asked): Params<Asked>) -> Response {
    let shown = async { page::answer(&Page::of(&app, asked).await?) };
    shown.await.unwrap_or_else(|problem| refusal(&app, problem, &headers))
}

async fn change(State(app): State<Arc<App>>, headers: HeaderMap, Path(id): Path<String>) -> Response {
    let shown = async {
        let entry = app.directory.get(id_of(&id)?).await?.ok_or(StoreError::Nothing)?;
        let listing = entry.record.listing().ok_or(StoreError::Gone)?;
        page::answer(&Change {
            root: app.root(),
            id,
            hidden: entry.hidden,
            ours: entry.is_ours(),
            origin: entry.origin_name.clone(),
            fields: Fields {
                name: listing.name.as_str().to_owned(),
                description: listing.summary.as_str().to_owned(),
                tags: joined(listing.tags.iter().map(|tag| tag.as_str())),
                lang: listing.lang.as_ref().map_or("", |lang| lang.as_str()).to_owned(),
                endpoints: joined(listing.endpoints.iter().map(Endpoint::as_str)),
                server: listing.rendezvous_id.map(|peer| peer.to_base58()).unwrap_or_default(),
                kind: listing.kind.word(),
                paid: listing.paid,
                members: listing.members,
            },
        })
    };
    shown.await.unwrap_or_else(|problem| refusal(&app, problem, &headers))
}

impl Page {
    async fn of(app: &App, asked: Asked) -> Result<Self, Problem> {
        let (root, now) = (app.root(), UnixMillis::now());
        let found = find(&app.directory, &asked).await?;
        let lists = app.directory.read(|look| moderated(look, MOST)).await?;
        let card = |entry| Card::of(entry, &root, now);
        Ok(Self {
            hub: app.name().to_owned(),
            reports: lists.reported.iter().filter_map(|one| ReportView::of(one, &root, now)).collect(),
            reports_waiting: usize::try_from(lists.reports).unwrap_or_default(),
            requests: lists.waiting.iter().map(|one| RequestView::of(one, now)).collect(),
            requests_waiting: usize::try_from(lists.requests).unwrap_or_default(),
            cards: found.entries.iter().filter_map(card).collect(),
            next: found.next.map(|next| format!("{root}/admin/directory?{}", after(&asked.q, &next.to_string()))),
            hidden: lists.hidden.iter().filter_map(card).collect(),
            audit: app.directory.read(|look| audited(look, i64::MAX, MOST_OF_PAGE)).await?,
            fields: Fields { kind: "open", ..Fields::default() },
            asked,
            root,
        })
    }
}

impl ReportView {
    fn of(one: &Reported, root: &str, now: UnixMillis) -> Option<Self> {
        let said = one.said.iter().map(|said| SaidView {
            reason: said.reason.clone(),
            words: said.words.clone(),
            contact: said.contact.clone(),
            when: ago(said.at, now),
        });
        Some(Self {
            card: Card::of(&one.entry, root, now)?,
            count: one.count,
            last: ago(one.last, now),
            last_ms: one.last.0,
            said: said.collect(),
        })
    }
}

impl RequestView {
    fn of(one: &Waiting, now: UnixMillis) -> Self {
        let text = |name: &str| one.draft[name].as_str().unwrap_or_default().to_owned();
        Self {
            id: one.id,
            name: text("community"),
            description: text("description"),
            tags: joined(one.draft["tags"].as_array().into_iter().flatten().filter_map(serde_json::Value::as_str)),
            kind: text("type"),
            rendezvous: one.rendezvous.clone(),
            peer: one.peer_id.clone(),
            when: ago(one.asked, now),
        }
    }
}

fn joined<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// The parameters of the next page of the listings.
fn after(q: &str, cursor: &str) -> String {
    let query = super::directory("", &[("q", q), ("cursor", cursor)]);
    query.split_once('?').map_or(String::new(), |(_, query)| query.to_owned())
}
