//! Reports from anybody, and what the operator makes of them.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Value, json};

use super::listings::id_of;
use super::requests::After;
use super::view::View;
use super::{Who, of_foreign_page};
use crate::clock::{Moment, UnixMillis};
use crate::http::{Client, Problem, body, origin};
use crate::proto::directory::ListingId;
use crate::superhub::App;
use crate::superhub::directory::moderation::{self, Report};
use crate::superhub::directory::search::MOST;

type Shared = State<Arc<App>>;
type Answer = Result<Response, Problem>;

/// `POST /api/v1/communities/{id}/report`.
pub(super) async fn report(
    State(app): Shared,
    Extension(Client(socket)): Extension<Client>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body::Json(report): body::Json<Report>,
) -> Answer {
    take_report(&app, socket.ip(), &headers, &id, report).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "detail": "the operator of this hub will look at it" }))).into_response())
}

/// Notes a report of whoever may send one: not for a page of somebody else, which would have all its visitors report, and seldom.
pub(in crate::superhub) async fn take_report(
    app: &App,
    socket: IpAddr,
    headers: &HeaderMap,
    id: &str,
    report: Report,
) -> Result<ListingId, Problem> {
    let id = id_of(id)?;
    if !of_our_page(app, headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "foreign-origin", "pages of other origins may not report anything here"));
    }
    may_report(app, app.client(socket, headers))?;
    app.directory.change(0, move |desk| desk.report(&id, &report)).await?;
    app.metrics.reported.inc();
    Ok(id)
}

/// Whether a program asks, or a page of this hub under the name that is configured or the one that was asked.
pub(super) fn of_our_page(app: &App, headers: &HeaderMap) -> bool {
    app.options.http.origin().is_some_and(|own| !origin::is_foreign(headers, &own))
        || !of_foreign_page(headers, origin::only(headers, &header::HOST).unwrap_or_default())
}

fn may_report(app: &App, client: IpAddr) -> Result<(), Problem> {
    app.reported.take(client, Moment::now()).map_err(|after| Problem::too_often("this address reports too often", after))
}

/// Listings whose reports wait.
pub(super) async fn reports(State(app): Shared, Query(after): Query<After>) -> Answer {
    let (found, count) = app.directory.read(move |look| moderation::reported(look, after.cursor, MOST)).await?;
    let next = found.last().filter(|_| found.len() == MOST).map(|last| last.entry.number);
    let told = |one: &moderation::Reported| {
        let listing = View::of(&one.entry)?;
        Some(json!({ "listing": listing, "count": one.count, "first": one.first, "last": one.last, "said": one.said }))
    };
    let told: Vec<Value> = found.iter().filter_map(told).collect();
    Ok(Json(json!({ "reports": told, "waiting": count, "next": next })).into_response())
}

/// Listings that are hidden.
pub(super) async fn hidden(State(app): Shared, Query(after): Query<After>) -> Answer {
    let found = app.directory.read(move |look| moderation::hidden(look, after.cursor, MOST)).await?;
    let next = found.last().filter(|_| found.len() == MOST).map(|last| last.number);
    let told: Vec<View<'_>> = found.iter().filter_map(View::of).collect();
    Ok(Json(json!({ "communities": told, "next": next })).into_response())
}

/// Which reports somebody has seen.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Seen {
    /// When the last of them came, in milliseconds since 1970; `None`: whatever there is.
    last: Option<u64>,
}

pub(super) async fn dismiss(
    State(app): Shared,
    Extension(who): Extension<Who>,
    Path(id): Path<String>,
    Query(seen): Query<Seen>,
) -> Answer {
    let (id, last) = (id_of(&id)?, seen.last.map(UnixMillis));
    app.directory.change(0, move |desk| desk.dismiss(&id, last, &who.name())).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) async fn hide(State(app): Shared, Extension(who): Extension<Who>, Path(id): Path<String>) -> Answer {
    set_hidden(&app, &who, &id, true).await
}

pub(super) async fn unhide(State(app): Shared, Extension(who): Extension<Who>, Path(id): Path<String>) -> Answer {
    set_hidden(&app, &who, &id, false).await
}

async fn set_hidden(app: &App, who: &Who, id: &str, hidden: bool) -> Answer {
    let (id, name) = (id_of(id)?, who.name());
    app.directory.change(0, move |desk| desk.hide(&id, hidden, &name)).await?;
    app.metrics.changed.inc();
    Ok(StatusCode::NO_CONTENT.into_response())
}
