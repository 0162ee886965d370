//! Servers that list themselves, and the operator's word on them.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use libp2p::PeerId;
use serde::Deserialize;
use serde_json::json;

use super::listings::changed;
use super::{Draft, Who, may_write};
use crate::clock::Moment;
use crate::config::superhub::Policy;
use crate::http::Problem;
use crate::proto::directory::ListingId;
use crate::superhub::App;
use crate::superhub::directory::audited;
use crate::superhub::directory::registration::{self, RegistrationState, Request};
use crate::superhub::directory::search::MOST;

type Shared = State<Arc<App>>;
type Answer = Result<Response, Problem>;

/// Where a page of a list begins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct After {
    pub(super) cursor: i64,
}

/// Lists what a server says of itself, where the server at that address is the one that says so.
pub(super) async fn register(app: &App, peer: PeerId, client: IpAddr, draft: Draft) -> Answer {
    let (policy, lease) = (app.options.registration, app.options.lease.as_secs());
    if policy == Policy::Closed {
        return Err(Problem::forbidden("this hub lists only what its operator lists"));
    }
    let mut listing = draft.listing()?;
    if listing.rendezvous_id.is_some_and(|named| named != peer) {
        return Err(Problem::forbidden("this would list somebody else's server"));
    }
    listing.rendezvous_id = Some(peer);
    let [endpoint] = listing.endpoints.as_slice() else { return Err(Problem::bad_request("a server lists itself at one address")) };
    let (endpoint, address) = (endpoint.clone(), endpoint.as_str().to_owned());
    let known = app.directory.read(move |look| registration::listed(look, &peer, &address)).await?;
    if known.is_none() {
        may_have_looked_at(app, client)?;
        app.prober.proves(&endpoint, &peer, app.trust(), client).await?;
    } else {
        may_write(app, &Who::Owner(peer), client)?;
    }
    let request = Request { peer, host: endpoint.host(), listing, trust: app.trust() };
    let state = app.directory.change(1, move |desk| desk.register(request, policy, lease)).await?;
    match state {
        RegistrationState::Listed(id) => leased(app, StatusCode::CREATED, id).await,
        RegistrationState::Renewed(id) => leased(app, StatusCode::OK, id).await,
        RegistrationState::Waiting => {
            let answer = json!({ "state": "waiting", "detail": "the operator of this hub decides; ask again to see what became of it" });
            Ok((StatusCode::ACCEPTED, [(header::RETRY_AFTER, "300")], Json(answer)).into_response())
        }
    }
}

/// The listing, and for how long it stands.
async fn leased(app: &App, status: StatusCode, id: ListingId) -> Answer {
    let mut response = changed(app, status, id).await?;
    response.headers_mut().insert("goop-lease-seconds", HeaderValue::from(app.options.lease.as_secs()));
    Ok(response)
}

/// Whether this address may have the hub look at another server.
pub(super) fn may_have_looked_at(app: &App, client: IpAddr) -> Result<(), Problem> {
    app.registered.take(client, Moment::now()).map_err(|after| Problem::too_often("this address has too many servers looked at", after))
}

pub(super) async fn list(State(app): Shared, Query(after): Query<After>) -> Answer {
    let (requests, count) = app.directory.read(move |look| registration::waiting(look, after.cursor, MOST)).await?;
    let next = requests.last().filter(|_| requests.len() == MOST).map(|last| last.id);
    Ok(Json(json!({ "requests": requests, "waiting": count, "next": next })).into_response())
}

pub(super) async fn approve(State(app): Shared, Extension(who): Extension<Who>, Path(id): Path<i64>) -> Answer {
    let (lease, trust) = (app.options.lease.as_secs(), app.trust());
    match app.directory.change(1, move |desk| desk.decide(id, true, trust, lease, &who.name())).await? {
        Some(id) => leased(&app, StatusCode::CREATED, id).await,
        None => Err(Problem::internal()),
    }
}

pub(super) async fn refuse(State(app): Shared, Extension(who): Extension<Who>, Path(id): Path<i64>) -> Answer {
    let trust = app.trust();
    app.directory.change(0, move |desk| desk.decide(id, false, trust, 0, &who.name())).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Who changed what, the newest first.
pub(super) async fn audit(State(app): Shared, Query(after): Query<After>) -> Answer {
    let before = if after.cursor > 0 { after.cursor } else { i64::MAX };
    let rows = app.directory.read(move |look| audited(look, before, MOST)).await?;
    let next = rows.last().filter(|_| rows.len() == MOST).map(|last| last.id);
    Ok(Json(json!({ "audit": rows, "next": next })).into_response())
}
