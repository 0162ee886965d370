//! `chat` and `conversations`: send to one peer, to everyone on the LAN or to a community; what was said, what is unread, and how it is
//! forgotten.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::peers::peer_id;
use crate::http::{self, Problem};
use crate::peer::audience::{Audience, Sent};
use crate::peer::memory::Conversation;
use crate::proto::chat::{MAX_CONTENT, Party, community_name};
use crate::viewer::App;

/// Largest body: every byte of the text may be escaped in six, and there is a little around it.
const MAX_BODY: u64 = 6 * MAX_CONTENT as u64 + 1024;
/// Messages of one page unless it says otherwise.
const PAGE: u32 = 200;

/// A conversation: with one peer, in a community, or without either with everyone on the LAN.
#[derive(Debug, Deserialize)]
pub(super) struct With {
    peer: Option<String>,
    community: Option<String>,
}

/// The query of `GET chat`.
#[derive(Debug, Deserialize)]
pub(super) struct Page {
    peer: Option<String>,
    community: Option<String>,
    before: Option<i64>,
    limit: Option<u32>,
}

/// `GET chat?peer=&community=&before=&limit=`: the newest messages of a conversation, older than the number `before`; oldest first. `before` of the
/// answer asks for the page before this one; null where there is none.
pub(super) async fn history(State(app): State<Arc<App>>, Query(asked): Query<Page>) -> Result<Json<Value>, Problem> {
    let Page { peer, community, before, limit } = asked;
    let with = party(peer.as_deref(), community)?;
    let messages = app.peer.history(with.clone(), before, limit.unwrap_or(PAGE).max(1)).await?;
    let first = messages.first().map(|message| message.number);
    let older = match first {
        Some(first) => !app.peer.history(with, Some(first), 1).await?.is_empty(),
        None => false,
    };
    Ok(Json(json!({ "messages": messages, "before": first.filter(|_| older) })))
}

/// The body of `POST chat`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    to: Option<String>,
    community: Option<String>,
    content: String,
}

/// `POST chat`: 202 with the message once it is on the disk and was taken, or, to many, once all were tried; then it says also who did not
/// take it. One to a favourite that is away waits.
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

/// The body of `POST chat/read`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    peer: Option<String>,
    community: Option<String>,
    number: i64,
}

/// `POST chat/read`: a conversation was read up to a message.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    http::body::Json(Read { peer, community, number }): http::body::Json<Read>,
) -> Result<Json<Value>, Problem> {
    let unread = app.peer.mark_read(party(peer.as_deref(), community)?, number).await?;
    Ok(Json(json!({ "unread": unread })))
}

/// `DELETE chat/{number}`: forgets a message; one that waits is not sent.
pub(super) async fn forget(State(app): State<Arc<App>>, Path(number): Path<i64>) -> Result<StatusCode, Problem> {
    app.peer.forget_message(number).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE chat?peer=&community=`: forgets a conversation.
pub(super) async fn forget_conversation(
    State(app): State<Arc<App>>,
    Query(With { peer, community }): Query<With>,
) -> Result<StatusCode, Problem> {
    app.peer.forget_conversation(Some(party(peer.as_deref(), community)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE conversations`: forgets everything that was said.
pub(super) async fn forget_all(State(app): State<Arc<App>>) -> Result<StatusCode, Problem> {
    app.peer.forget_conversation(None).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET conversations`: the newest first.
pub(super) async fn conversations(State(app): State<Arc<App>>) -> Result<Json<Value>, Problem> {
    let conversations: Vec<Conversation> = app.peer.conversations().await?;
    let unread: u64 = conversations.iter().map(|conversation| conversation.unread).sum();
    Ok(Json(json!({ "conversations": conversations, "unread": unread })))
}

/// Who a conversation is with that is asked for so.
pub(in crate::viewer) fn party(peer: Option<&str>, community: Option<String>) -> Result<Party, Problem> {
    match (peer.map(peer_id).transpose()?, community) {
        (Some(_), Some(_)) => Err(Problem::bad_request("a conversation is with a peer or in a community, not both")),
        (peer, None) => Ok(peer.into()),
        (None, Some(community)) => Ok(Party::Community(community_name(&community).to_owned())),
    }
}
