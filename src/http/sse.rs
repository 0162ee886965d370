//! Server-sent events: how a frame is written, and a stream that keeps itself alive and ends when the node stops.
//!
//! An open stream would keep a server from stopping for ever, so every stream ends on the stop token. Nothing is buffered
//! here: a frame is asked for when the one before it was taken, so how far a slow reader may fall behind is up to the source.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A comment is sent after this long without a frame; proxies and platforms cut streams that are silent for longer than 25 s.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a browser waits before it connects again, in milliseconds.
const RETRY_MILLIS: u32 = 2000;

/// One event as it goes over the wire; a cheap clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame(Bytes);

impl Frame {
    /// An event of this name. The data is JSON, which has no line breaks of its own, so that one `data:` line carries it.
    pub fn event(name: &'static str, data: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self::write(None, Some(name), &serde_json::to_string(data)?))
    }

    /// The same with an id that a client sends back as `Last-Event-ID`.
    pub fn with_id(id: u64, name: &'static str, data: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self::write(Some(id), Some(name), &serde_json::to_string(data)?))
    }

    /// A nameless event, which old clients of `/events` read.
    pub fn data(data: &impl Serialize) -> serde_json::Result<Self> {
        Ok(Self::write(None, None, &serde_json::to_string(data)?))
    }

    fn write(id: Option<u64>, event: Option<&'static str>, data: &str) -> Self {
        let mut text = String::with_capacity(data.len() + 64);
        if let Some(id) = id {
            text.push_str(&format!("id: {id}\n"));
        }
        if let Some(event) = event {
            text.push_str(&format!("event: {event}\n"));
        }
        text.push_str("data: ");
        text.push_str(data);
        text.push_str("\n\n");
        Self(text.into())
    }
}

impl From<Frame> for Bytes {
    fn from(frame: Frame) -> Bytes {
        frame.0
    }
}

/// An answer that streams `frames` until they end, the client leaves, or `stop` is cancelled.
pub fn respond(frames: impl Stream<Item = Frame> + Send + 'static, stop: CancellationToken) -> Response<Body> {
    let hello = Bytes::from(format!("retry: {RETRY_MILLIS}\n\n"));
    let bytes = stream::iter([hello]).chain(kept_alive(frames)).take_until(stop.cancelled_owned());
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    (headers, Body::from_stream(bytes.map(Ok::<_, std::convert::Infallible>))).into_response()
}

fn kept_alive(frames: impl Stream<Item = Frame> + Send + 'static) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(Box::pin(frames), |mut frames| async move {
        match timeout(KEEP_ALIVE, frames.next()).await {
            Ok(frame) => frame.map(|Frame(bytes)| (bytes, frames)),
            Err(_silent) => Some((Bytes::from_static(b": still here\n\n"), frames)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_one_data_line_whatever_the_text_holds() {
        let nasty = serde_json::json!({ "content": "a\nevent: forged\r\n\r\ndata: x" });
        let Frame(bytes) = Frame::with_id(7, "chat", &nasty).unwrap();
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.starts_with("id: 7\nevent: chat\ndata: {"));
        assert_eq!(text.lines().count(), 4, "id, event, data, and the empty line: {text:?}");
        assert!(!text.contains('\r'));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_stream_sends_a_comment_at_least_every_25_seconds() {
        let mut body = respond(stream::pending(), CancellationToken::new()).into_body().into_data_stream();
        assert_eq!(body.next().await.unwrap().unwrap(), "retry: 2000\n\n");
        let before = tokio::time::Instant::now();
        assert!(body.next().await.unwrap().unwrap().starts_with(b":"));
        assert!(before.elapsed() <= Duration::from_secs(25));
    }

    #[tokio::test]
    async fn a_stream_ends_on_the_stop_token_though_its_source_does_not() {
        let stop = CancellationToken::new();
        let body = respond(stream::pending(), stop.clone()).into_body();
        stop.cancel();
        let rest = timeout(Duration::from_secs(20), axum::body::to_bytes(body, 1024)).await.expect("it goes on for ever").unwrap();
        assert!(rest.is_empty() || rest.starts_with(b"retry"));
    }
}
