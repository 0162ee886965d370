//! Servers that list themselves, and the operator's word on them.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use libp2p::PeerId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::listings::changed;
use super::view::rfc3339;
use super::{Draft, Who, may_write};
use crate::clock::{Moment, UnixMillis};
use crate::config::superhub::Policy;
use crate::http::Problem;
use crate::proto::directory::ListingId;
use crate::superhub::App;
use crate::superhub::directory::crowd;
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
    app.registered.take(client, Moment::now()).map_err(|after| {
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate", "this address has too many servers looked at").retry_after(after)
    })
}

pub(super) async fn list(State(app): Shared, Query(after): Query<After>) -> Answer {
    let (requests, count) = app.directory.read(move |look| crowd::waiting(look, after.cursor, MOST)).await?;
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
    let rows = audited(&app, before).await?;
    let next = rows.last().filter(|_| rows.len() == MOST).map(|last| last.id);
    Ok(Json(json!({ "audit": rows, "next": next })).into_response())
}

/// A row of the audit log.
#[derive(Debug, Serialize)]
pub(in crate::superhub) struct Audited {
    id: i64,
    pub(in crate::superhub) at: String,
    pub(in crate::superhub) who: String,
    pub(in crate::superhub) what: String,
    pub(in crate::superhub) listing: Option<ListingId>,
    pub(in crate::superhub) detail: String,
}

/// The newest rows of the audit log below `before`.
pub(in crate::superhub) async fn audited(app: &App, before: i64) -> Result<Vec<Audited>, Problem> {
    let query = "SELECT id, at, who, what, listing, detail FROM audit WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    let row = |row: &rusqlite::Row| {
        let listing = row.get::<_, Option<[u8; 16]>>(4)?.map(ListingId::from_bytes);
        let at = rfc3339(UnixMillis(row.get::<_, i64>(1)?.unsigned_abs()));
        Ok(Audited { id: row.get(0)?, at, who: row.get(2)?, what: row.get(3)?, listing, detail: row.get(5)? })
    };
    let look = move |look: &rusqlite::Connection| {
        Ok(look.prepare_cached(query)?.query_map((before, MOST as i64), row)?.collect::<rusqlite::Result<Vec<_>>>()?)
    };
    Ok(app.directory.read(look).await?)
}
