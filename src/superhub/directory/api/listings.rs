//! `/api/v1/communities`.

use std::sync::Arc;

use axum::extract::{Path, Query as Params, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::json;

use super::view::View;
use super::{Draft, Who, has_taken, may_ask, may_write};
use crate::http::{Client, Problem, body, origin};
use crate::identity::peer_id_from_text;
use crate::proto::community::Kind;
use crate::proto::directory::ListingId;
use crate::proto::directory::target::Trust;
use crate::proto::health::Health;
use crate::proto::names::{Lang, Tag};
use crate::proto::search::Query;
use crate::superhub::App;
use crate::superhub::directory::search::MOST;
use crate::superhub::directory::store::origin_called;
use crate::superhub::directory::{Cursor, Desk, Directory, Entry, Filter, Found, Least, Sort, StoreError, Version};

type Shared = State<Arc<App>>;
type Answer = Result<Response, Problem>;

/// Listings of a page unless somebody wants more or less.
const USUAL: usize = 20;

/// The parameters of a search; an empty one is as good as none.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(in crate::superhub) struct Asked {
    pub(in crate::superhub) q: String,
    pub(in crate::superhub) r#type: String,
    pub(in crate::superhub) tag: String,
    pub(in crate::superhub) lang: String,
    paid: String,
    origin: String,
    pub(in crate::superhub) health: String,
    sort: String,
    limit: String,
    pub(in crate::superhub) cursor: String,
}

/// What a parameter says: nothing where it is empty, 400 where it is not understood.
fn said<T>(name: &str, text: &str, read: impl FnOnce(&str) -> Option<T>, wanted: &str) -> Result<Option<T>, Problem> {
    match text.trim() {
        "" => Ok(None),
        text => read(text).map(Some).ok_or_else(|| Problem::bad_request(format!("`{name}` is {wanted}"))),
    }
}

impl Asked {
    fn filter(&self, origin: Option<i64>) -> Result<Filter, Problem> {
        let health =
            |word: &str| if word == "online" { Some(Least::AtLeast(Health::Degraded)) } else { Health::of_word(word).map(Least::Is) };
        Ok(Filter {
            kind: said("type", &self.r#type, Kind::of_word, "open, invite-only or application")?,
            tag: said("tag", &self.tag, |tag| Tag::parse(tag).ok(), "one tag")?,
            lang: said("lang", &self.lang, |lang| Lang::parse(lang).ok(), "a language such as en or pt-BR")?,
            paid: said("paid", &self.paid, |word| word.parse().ok(), "true or false")?,
            health: said("health", &self.health, health, "healthy, degraded, unknown, standby, down, or online for the first two")?,
            origin,
        })
    }

    fn sort(&self, has_query: bool) -> Result<Sort, Problem> {
        let usual = if has_query { Sort::Best } else { Sort::Newest };
        Ok(said("sort", &self.sort, Sort::of_word, "best, newest or oldest")?.unwrap_or(usual))
    }

    fn limit(&self) -> Result<usize, Problem> {
        let fits = |text: &str| text.parse().ok().filter(|limit| (1..=MOST).contains(limit));
        Ok(said("limit", &self.limit, fits, &format!("from 1 to {MOST}"))?.unwrap_or(USUAL))
    }

    fn cursor(&self) -> Result<Option<Cursor>, Problem> {
        said("cursor", &self.cursor, |text| text.parse().ok(), "the `next` of an earlier page")
    }
}

/// One page of what fits.
pub(in crate::superhub) async fn find(directory: &Directory, asked: &Asked) -> Result<Found, Problem> {
    let query = Query::parse(&asked.q).map_err(|wrong| Problem::bad_request(wrong.to_string()))?;
    let origin = match asked.origin.trim() {
        "" => None,
        // An origin that is not known here lists nothing here.
        origin => Some(number_of(directory, origin).await?.unwrap_or(0)),
    };
    let (filter, sort, cursor, limit) = (asked.filter(origin)?, asked.sort(query.is_some())?, asked.cursor()?, asked.limit()?);
    Ok(directory.search(query, filter, sort, cursor, limit).await?)
}

async fn number_of(directory: &Directory, origin: &str) -> Result<Option<i64>, Problem> {
    let (name, peer) = (origin.to_owned(), peer_id_from_text(origin).ok());
    Ok(directory.read(move |look| origin_called(look, &name, peer.as_ref())).await?)
}

pub(super) async fn search(
    State(app): Shared,
    Extension(Client(socket)): Extension<Client>,
    headers: HeaderMap,
    params: Result<Params<Asked>, axum::extract::rejection::QueryRejection>,
) -> Answer {
    may_ask(&app, socket.ip(), &headers)?;
    let Params(asked) = params.map_err(|wrong| Problem::bad_request(wrong.body_text()))?;
    let found = find(&app.directory, &asked).await?;
    has_taken(&app, socket.ip(), &headers, found.took);
    app.metrics.searched.inc();
    let communities: Vec<View<'_>> = found.entries.iter().filter_map(View::of).collect();
    let next = found.next.map(|next| next.to_string());
    Ok(Json(json!({ "communities": communities, "next": next, "complete": found.complete })).into_response())
}

pub(super) async fn show(
    State(app): Shared,
    Extension(Client(socket)): Extension<Client>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Answer {
    may_ask(&app, socket.ip(), &headers)?;
    answer(StatusCode::OK, &shown(&app.directory, &id).await?)
}

/// The listing of this id, where everybody may see it.
pub(in crate::superhub) async fn shown(directory: &Directory, id: &str) -> Result<Entry, Problem> {
    let entry = directory.get(id_of(id)?).await?.ok_or(StoreError::Nothing)?;
    if entry.hidden || entry.record.listing().is_none() { Err(StoreError::Gone.into()) } else { Ok(entry) }
}

/// The operator lists anything, whatever its address; anybody else what his own server answers for.
pub(super) async fn create(
    State(app): Shared,
    Extension(who): Extension<Who>,
    Extension(Client(socket)): Extension<Client>,
    headers: HeaderMap,
    body::Json(draft): body::Json<Draft>,
) -> Answer {
    ours(&app, &draft)?;
    match who {
        Who::Owner(peer) => {
            let registered = super::requests::register(&app, peer, app.client(socket.ip(), &headers), draft).await;
            let counter = if registered.is_ok() { &app.metrics.registered } else { &app.metrics.refused };
            counter.inc();
            registered
        }
        Who::Operator(name) => {
            let listing = draft.listing()?;
            let listed = app.directory.change(1, move |desk| desk.list(listing, Trust::Operator, &name)).await?;
            app.metrics.changed.inc();
            changed(&app, StatusCode::CREATED, listed.id).await
        }
    }
}

pub(super) async fn change(
    State(app): Shared,
    Extension(who): Extension<Who>,
    Extension(Client(socket)): Extension<Client>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body::Json(draft): body::Json<Draft>,
) -> Answer {
    may_write(&app, &who, app.client(socket.ip(), &headers))?;
    ours(&app, &draft)?;
    let (id, version) = (id_of(&id)?, version(&headers)?);
    let change = move |desk: &mut Desk<'_>| {
        let entry = desk.of(&id, version, &who)?;
        let Some(before) = entry.record.listing() else { return Ok(()) };
        let mut listing = draft.over(before)?;
        let trust = match &who {
            Who::Operator(_) if listing.endpoints != before.endpoints => Trust::Operator,
            // Whoever corrects a word does not vouch for where a stranger's name leads from now on.
            Who::Operator(_) => Trust::Stranger,
            // Where it is, and who answers there, an owner proves by registering anew.
            Who::Owner(_) => {
                (listing.endpoints, listing.rendezvous_id) = (before.endpoints.clone(), before.rendezvous_id);
                Trust::Stranger
            }
        };
        desk.edit(&entry, listing, trust, &who.name()).map(drop)
    };
    app.directory.change(1, change).await?;
    app.metrics.changed.inc();
    changed(&app, StatusCode::OK, id).await
}

pub(super) async fn remove(
    State(app): Shared,
    Extension(who): Extension<Who>,
    Extension(Client(socket)): Extension<Client>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer {
    may_write(&app, &who, app.client(socket.ip(), &headers))?;
    let (id, version) = (id_of(&id)?, version(&headers)?);
    let change = move |desk: &mut Desk<'_>| {
        let entry = desk.of(&id, version, &who)?;
        desk.withdraw(&entry, &who)
    };
    app.directory.change(1, change).await?;
    app.metrics.changed.inc();
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The listing as it is now.
pub(super) async fn changed(app: &App, status: StatusCode, id: ListingId) -> Answer {
    let entry = app.directory.get(id).await?.ok_or(StoreError::Nothing)?;
    let mut response = answer(status, &entry)?;
    let location = HeaderValue::try_from(format!("/api/v1/communities/{id}")).map_err(|_| Problem::internal())?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

fn answer(status: StatusCode, entry: &Entry) -> Answer {
    let view = View::of(entry).ok_or(StoreError::Gone)?;
    let tag = format!("\"{}\"", entry.record.order.seq);
    Ok((status, [(header::ETAG, tag)], Json(view)).into_response())
}

pub(in crate::superhub) fn id_of(text: &str) -> Result<ListingId, Problem> {
    ListingId::parse(text).ok_or_else(|| Problem::not_found("there is no such community here"))
}

/// The version that `If-Match` names.
fn version(headers: &HeaderMap) -> Result<Version, Problem> {
    match origin::only(headers, &header::IF_MATCH) {
        None if headers.contains_key(header::IF_MATCH) => Err(Problem::bad_request("If-Match names one version")),
        None | Some("*") => Ok(None),
        Some(tag) => {
            let version = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).and_then(|tag| tag.parse().ok());
            version.map(Some).ok_or_else(|| Problem::bad_request("If-Match is the ETag of a community, such as \"7\""))
        }
    }
}

/// 403 for somebody else's origin (CONTRACT).
pub(super) fn ours(app: &App, draft: &Draft) -> Result<(), Problem> {
    let fine = draft.is_of(&app.options.directory.name, &app.directory.origin());
    if fine { Ok(()) } else { Err(Problem::forbidden("another origin's listings are not written here")) }
}
