//! `/goop/mq/1.0.0`: one message on a topic, as goop2 sends chat since February 2026.
//!
//! The opener sends `{"type":"msg","id","seq","topic","payload"}` and LF; the other side answers `{"type":"ack","id","seq"}` and LF.
//! goop2 does so before it looks at the payload: there an acknowledgement says that the bytes came, nothing more. Ours says that the
//! message is kept, or that it is none that would be. goop2 gives up after two seconds, and dies of an `id` of less than eight bytes, so that
//! none is ever sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libp2p::PeerId;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::json::{read_object, text};
use super::line::{finish, soon, write_all};
use super::{StreamError, chat};
use crate::peer::Duplex;
use crate::proto::chat::ChatMessage;

/// A message to one peer, payload `{"content": text}`.
pub const TOPIC_CHAT: &str = "chat";
/// A message to everyone, payload `{"content": text}`.
pub const TOPIC_CHAT_ALL: &str = "chat.broadcast";
/// How long an acknowledgement may take.
pub const ACK_WITHIN: Duration = Duration::from_secs(2);
/// Shortest id that goop2 survives, in bytes.
pub const MIN_ID: usize = 8;

/// Counts the messages of this process, to whomever and on whatever topic, from 1.
static SEQ: AtomicU64 = AtomicU64::new(1);

/// A message that came.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Chosen by the sender; may be empty.
    pub id: String,
    /// The sender's counter; 0 where there was none.
    pub seq: i64,
    /// What it is about; may be empty.
    pub topic: String,
    /// The rest; null where there was none.
    pub payload: Value,
}

/// Send a message and wait for its acknowledgement, [`ACK_WITHIN`] at most, else `Idle`.
///
/// Sending it again with the same `id` after an error is safe: receivers know it by that.
pub async fn send(mut io: impl Duplex, id: &str, topic: &str, payload: &Value) -> Result<(), StreamError> {
    if id.len() < MIN_ID {
        return Err(StreamError::Malformed(format!("an id has at least {MIN_ID} bytes")));
    }
    let seq = SEQ.fetch_add(1, Ordering::Relaxed);
    let line = format!(r#"{{"type":"msg","id":{},"seq":{seq},"topic":{},"payload":{payload}}}"#, json!(id), json!(topic)) + "\n";
    write_all(&mut io, line.as_bytes()).await?;
    soon(tokio::io::AsyncWriteExt::flush(&mut io)).await?;
    let mut ack = timeout(ACK_WITHIN, read_object(&mut io)).await.map_err(|_| StreamError::Idle)??;
    if text(&mut ack, "type")? != "ack" || text(&mut ack, "id")? != id {
        return Err(StreamError::Malformed("the acknowledgement is for another message".into()));
    }
    let _ = finish(&mut io).await;
    Ok(())
}

impl Delivery {
    /// The acknowledgement, with the `id` and `seq` it came with, whatever they are.
    pub fn ack(&self) -> String {
        format!(r#"{{"type":"ack","id":{},"seq":{}}}"#, json!(self.id), self.seq) + "\n"
    }
}

/// Read a message and acknowledge it at once.
pub async fn receive(mut io: impl Duplex) -> Result<Delivery, StreamError> {
    let delivery = read(&mut io).await?;
    acknowledge(io, &delivery.ack()).await?;
    Ok(delivery)
}

/// Read a message, which is then to be acknowledged.
pub async fn read(io: &mut impl Duplex) -> Result<Delivery, StreamError> {
    let mut fields = read_object(io).await?;
    Ok(Delivery {
        id: text(&mut fields, "id")?,
        seq: seq(fields.remove("seq"))?,
        topic: text(&mut fields, "topic")?,
        payload: fields.remove("payload").unwrap_or(Value::Null),
    })
}

/// Write an acknowledgement.
pub async fn acknowledge(mut io: impl Duplex, ack: &str) -> Result<(), StreamError> {
    write_all(&mut io, ack.as_bytes()).await?;
    finish(&mut io).await
}

fn seq(seq: Option<Value>) -> Result<i64, StreamError> {
    match seq {
        None | Some(Value::Null) => Ok(0),
        Some(seq) => seq.as_i64().ok_or_else(|| StreamError::Malformed("\"seq\" is not a whole number".into())),
    }
}

/// Longest name of a community that is looked at, in bytes.
const MAX_NAME: usize = 512;

/// The chat message in a delivery that `remote` sent to `me`; `None` for other topics, which
/// are ignored. `TooLong` and `Malformed` as [`chat::receive`]. The community that it names is a claim.
pub fn chat_message(delivery: Delivery, remote: PeerId, me: PeerId) -> Result<Option<ChatMessage>, StreamError> {
    let to = match delivery.topic.as_str() {
        TOPIC_CHAT => Some(me),
        TOPIC_CHAT_ALL => None,
        _ => return Ok(None),
    };
    let Value::Object(mut payload) = delivery.payload else { return Err(no_content()) };
    let Some(Value::String(content)) = payload.remove("content") else { return Err(no_content()) };
    let community = payload.remove("community").and_then(|name| name.as_str().map(str::to_owned)).filter(|_| to.is_none());
    let message = chat::received(delivery.id, remote, to, content)?;
    Ok(Some(ChatMessage { community: community.filter(|name| name.len() <= MAX_NAME), ..message }))
}

fn no_content() -> StreamError {
    StreamError::Malformed("a chat message without content".into())
}
