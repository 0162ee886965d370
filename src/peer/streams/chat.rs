//! `/goop/chat/1.0.0`: one chat message, as goop2 sent it until February 2026. One JSON object and LF, then the sender closes; there
//! is no answer.
//!
//! Who sent a message is who the connection proved: one that names somebody else is dropped.

use libp2p::PeerId;
use serde::Serialize;
use uuid::Uuid;

use super::StreamError;
use super::json::{read_object, text};
use super::line::{finish, write_all};
use crate::clock::UnixMillis;
use crate::peer::Duplex;
use crate::proto::chat::{ChatMessage, MAX_CONTENT};

mod seed_id;

/// Longest message id that is kept, in bytes.
pub const MAX_ID: usize = 128;

/// A message as goop2 writes it: all keys, in this order.
#[derive(Serialize)]
struct Wire<'a> {
    id: &'a str,
    from: String,
    to: String,
    r#type: &'a str,
    content: &'a str,
    timestamp: u64,
    site_id: &'a str,
}

/// Send `message`. Done means that its bytes went out, not that anybody took them.
pub async fn send(mut io: impl Duplex, message: &ChatMessage) -> Result<(), StreamError> {
    let wire = Wire {
        id: &seed_id::of(message),
        from: message.from.to_string(),
        to: message.to.map(|to| to.to_string()).unwrap_or_default(),
        r#type: if message.to.is_some() { "direct" } else { "broadcast" },
        content: &message.content,
        timestamp: message.at.0,
        site_id: "",
    };
    let mut line = serde_json::to_vec(&wire).map_err(|error| StreamError::Malformed(error.to_string()))?;
    line.push(b'\n');
    write_all(&mut io, &line).await?;
    finish(&mut io).await
}

/// Read the message that `remote` sends to `me`; its time is now. `Malformed` if it names another sender, or another receiver than
/// `me` and everyone; `TooLong` with more than [`MAX_CONTENT`] bytes of text.
pub async fn receive(mut io: impl Duplex, remote: PeerId, me: PeerId) -> Result<ChatMessage, StreamError> {
    let mut fields = read_object(&mut io).await?;
    if text(&mut fields, "from")? != remote.to_string() {
        return Err(StreamError::Malformed("the message names another sender than the connection".into()));
    }
    let to = match text(&mut fields, "to")? {
        everyone if everyone.is_empty() => None,
        to if to == me.to_string() => Some(me),
        _ => return Err(StreamError::Malformed("the message is for somebody else".into())),
    };
    let (id, content) = (text(&mut fields, "id")?, text(&mut fields, "content")?);
    received(id, remote, to, content)
}

/// A message that came now; one without an id gets one, so that it is not taken for another one without.
pub(super) fn received(mut id: String, from: PeerId, to: Option<PeerId>, content: String) -> Result<ChatMessage, StreamError> {
    if content.len() > MAX_CONTENT {
        return Err(StreamError::TooLong { limit: MAX_CONTENT });
    }
    if id.len() > MAX_ID {
        return Err(StreamError::Malformed(format!("an id of more than {MAX_ID} bytes")));
    }
    if id.is_empty() {
        id = Uuid::new_v4().to_string();
    }
    Ok(ChatMessage { id, from, to, community: None, content, at: UnixMillis::now(), delivered: 0 })
}
