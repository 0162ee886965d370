//! Reads the body of a request: never more than a limit, never slower than a minimum.
//!
//! Every request's body is wrapped in `Timed` by the listener. A body has `Limits::body`, and one more second for every
//! [`MIN_RATE`] bytes that arrived: what trickles is cut, what flows may be of any length (THREATS 11).

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Query, Request};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use bytes::{Bytes, BytesMut};
use futures::TryStreamExt;
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use serde::de::DeserializeOwned;
use thiserror::Error;
use tokio::io::AsyncRead;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::io::StreamReader;

use super::Problem;
use super::pulse::Pulse;

/// Least average speed beyond the first seconds, in bytes a second.
pub const MIN_RATE: u64 = 16 * 1024;
/// Largest JSON body unless a handler says otherwise, in bytes.
pub const MAX_JSON: u64 = 16 * 1024;

/// The body came more slowly than `Limits::body` and [`MIN_RATE`] allow.
#[derive(Debug, Error)]
#[error("the body came too slowly")]
pub struct TooSlow;

/// A request's body that fails with [`TooSlow`] instead of keeping a handler waiting.
pub(super) struct Timed {
    inner: Incoming,
    pulse: Arc<Pulse>,
    ended: bool,
    started: Option<Instant>,
    received: u64,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Timed {
    /// Watches over `inner`; its time starts when it is first read.
    pub(super) fn new(inner: Incoming, pulse: Arc<Pulse>) -> Self {
        Self { inner, pulse, ended: false, started: None, received: 0, deadline: None }
    }

    fn too_slow(&mut self, cx: &mut Context<'_>) -> bool {
        let started = *self.started.get_or_insert_with(Instant::now);
        let until = started + self.pulse.body_patience() + Duration::from_secs(self.received / MIN_RATE);
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if deadline.deadline() != until {
            deadline.as_mut().reset(until);
        }
        deadline.as_mut().poll(cx).is_ready()
    }
}

impl Drop for Timed {
    fn drop(&mut self) {
        if !self.ended && !self.inner.is_end_stream() {
            self.pulse.left_unread();
        }
    }
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) {
            let received = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
            self.received += received as u64;
            self.ended = frame.is_none();
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if self.too_slow(cx) { Poll::Ready(Some(Err(TooSlow.into()))) } else { Poll::Pending }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// The whole body, at most `limit` bytes; a longer one is 413 (without reading it, where its length is declared), a slow one 408.
pub async fn read(mut body: Body, limit: u64) -> Result<Bytes, Problem> {
    if body.size_hint().lower() > limit {
        return Err(Problem::too_large(limit));
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|cause| failed(&cause))?.into_data() else { continue };
        if (whole.len() + data.len()) as u64 > limit {
            return Err(Problem::too_large(limit));
        }
        if whole.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// The body as a byte stream, for what is written straight to disk; a slow one fails with `TimedOut`.
pub fn reader(body: Body) -> impl AsyncRead + Send + Unpin + 'static {
    StreamReader::new(TryStreamExt::map_err(body.into_data_stream(), |cause| {
        let kind = if is_too_slow(&cause) { io::ErrorKind::TimedOut } else { io::ErrorKind::UnexpectedEof };
        io::Error::new(kind, cause)
    }))
}

fn failed(cause: &axum::Error) -> Problem {
    if is_too_slow(cause) {
        return Problem::new(StatusCode::REQUEST_TIMEOUT, "too-slow", TooSlow.to_string());
    }
    Problem::bad_request("the body ended early")
}

fn is_too_slow(cause: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(cause);
    while let Some(here) = cause {
        if here.is::<TooSlow>() {
            return true;
        }
        cause = here.source();
    }
    false
}

/// Whether the body is declared to be JSON in UTF-8.
pub fn is_json(headers: &HeaderMap) -> bool {
    is_of_type(headers, "application/json")
}

/// Whether the body is declared to be one JSON value a line; like JSON, no page of another origin can send it unasked.
pub fn is_ndjson(headers: &HeaderMap) -> bool {
    is_of_type(headers, "application/x-ndjson")
}

fn is_of_type(headers: &HeaderMap, wanted: &str) -> bool {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(Ok(mime)), None) = (types.next().map(|mime| mime.to_str()), types.next()) else { return false };
    let (essence, parameters) = mime.split_once(';').unwrap_or((mime, ""));
    let charset = parameters.trim().to_ascii_lowercase();
    essence.trim().eq_ignore_ascii_case(wanted) && (charset.is_empty() || charset == "charset=utf-8")
}

/// A JSON body of at most `MAX` bytes: one value of exactly this shape, with no key twice and nothing behind it (THREATS 12, 13).
#[derive(Debug)]
pub struct Json<T, const MAX: u64 = MAX_JSON>(pub T);

impl<T: DeserializeOwned, S: Send + Sync, const MAX: u64> FromRequest<S> for Json<T, MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::unsupported_media("the body must be application/json"));
        }
        let bytes = read(request.into_body(), MAX).await?;
        serde_json::from_slice(&bytes).map(Self).map_err(|wrong| Problem::bad_request(format!("not the JSON expected: {wrong}")))
    }
}

/// A form of at most `MAX` bytes, as a browser sends it without a script: exactly these fields, each once.
#[derive(Debug)]
pub struct Form<T, const MAX: u64 = MAX_JSON>(pub T);

impl<T: DeserializeOwned, S: Send + Sync, const MAX: u64> FromRequest<S> for Form<T, MAX> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        const FORM: &str = "application/x-www-form-urlencoded";
        if !is_of_type(request.headers(), FORM) {
            return Err(Problem::unsupported_media(format!("the body must be {FORM}")));
        }
        let bytes = read(request.into_body(), MAX).await?;
        fields(&bytes).map(Self).ok_or_else(|| Problem::bad_request("not the fields expected"))
    }
}

fn fields<T: DeserializeOwned>(form: &[u8]) -> Option<T> {
    let uri: Uri = format!("/?{}", std::str::from_utf8(form).ok()?).parse().ok()?;
    Query::try_from_uri(&uri).ok().map(|Query(fields)| fields)
}
