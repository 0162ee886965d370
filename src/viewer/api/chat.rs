//! `chat`: send to one peer, to everyone on the LAN or to a community, and what was said lately.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::peers::peer_id;
use crate::http::{self, Problem};
use crate::peer::audience::{Audience, Sent};
use crate::proto::chat::MAX_CONTENT;
use crate::viewer::App;

/// Largest body: every byte of the text may be escaped in six, and there is a little around it.
const MAX_BODY: u64 = 6 * MAX_CONTENT as u64 + 1024;

/// The query of `GET chat`.
#[derive(Debug, Deserialize)]
pub(super) struct With {
    peer: Option<String>,
}

/// `GET chat?peer=`: the kept messages with one peer, or, without it, to everyone; oldest first.
pub(super) async fn history(State(app): State<Arc<App>>, Query(With { peer }): Query<With>) -> Result<Json<Value>, Problem> {
    let with = peer.as_deref().map(peer_id).transpose()?;
    Ok(Json(json!({ "messages": app.peer.history(with).await })))
}

/// The body of `POST chat`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    to: Option<String>,
    community: Option<String>,
    content: String,
}

/// `POST chat`: 202 with the message once it was taken, or, to many, once all were tried; then it says also who did not take it.
pub(super) async fn send(
    State(app): State<Arc<App>>,
    http::body::Json(Send { to, community, content }): http::body::Json<Send, MAX_BODY>,
) -> Result<(StatusCode, Json<Sent>), Problem> {
    let audience = match (to.as_deref().map(peer_id).transpose()?, community) {
        (Some(_), Some(_)) => return Err(Problem::bad_request("a message goes \"to\" a peer or to a \"community\", not both")),
        (Some(peer), None) => Audience::Peer(peer),
        (None, Some(community)) => Audience::Community(community),
        (None, None) => Audience::Lan,
    };
    Ok((StatusCode::ACCEPTED, Json(app.peer.say(audience, content).await?)))
}
