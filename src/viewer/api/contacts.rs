//! `contacts`: whom the owner keeps, mutes or blocks.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::peers::peer_id;
use crate::http::{self, Problem};
use crate::peer::memory::{Contact, ContactChange};
use crate::viewer::App;

/// `GET contacts`: everybody about whom something was decided, by name.
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    let contacts = app.peer.contacts();
    let mut contacts: Vec<&Contact> = contacts.values().collect();
    contacts.sort_by(|a, b| (&a.label, a.peer_id).cmp(&(&b.label, b.peer_id)));
    Json(json!({ "contacts": contacts }))
}

/// The body of `PUT contacts/{id}`; what is left out stays as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decision {
    favourite: Option<bool>,
    blocked: Option<bool>,
    muted: Option<bool>,
}

/// `PUT contacts/{id}`: answers what holds then.
pub(super) async fn decide(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    http::body::Json(Decision { favourite, blocked, muted }): http::body::Json<Decision>,
) -> Result<Json<Contact>, Problem> {
    let peer = peer_id(&id)?;
    if peer == app.peer.peer_id() {
        return Err(Problem::bad_request("that is this peer itself"));
    }
    if favourite == Some(true) && blocked == Some(true) {
        return Err(Problem::bad_request("a peer is kept or blocked, not both"));
    }
    Ok(Json(app.peer.decide(peer, ContactChange { favourite, blocked, muted }).await?))
}
