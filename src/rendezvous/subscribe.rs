//! `GET /events` and `GET /api/v1/events`: streams of what happens on a board.
//!
//! A reader costs its connection and a few words here: what it has not been given yet lies in the board's log, shared by all. Signs of
//! life come through the same log, so no reader has a timer of its own; one that takes nothing is cut by the listener.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Response, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use hyper::body::Frame;
use rand::RngExt;
use serde::Deserialize;

use super::{App, LiveBoard, Visitor};
use crate::clock::Moment;
use crate::http::Problem;
use crate::http::limit::StreamSlot;
use crate::proto::board::{Reader, Stream};
use crate::proto::signed::EPOCH_HEADER;

/// How soon browsers come back after a stream ended, in milliseconds: spread, so that a restart does not bring all at once.
const RETRY_MILLIS: std::ops::Range<u32> = 500..4000;

#[derive(Debug, Deserialize)]
pub(super) struct Resume {
    last_event_id: Option<String>,
}

/// `GET /events`, as goop2 reads it.
pub(super) async fn lines(State(app): State<Arc<App>>, visitor: Visitor) -> Result<Response<Body>, Problem> {
    subscribe(&app, &visitor, Stream::Lines, None, Bytes::from_static(b": ok\n\n"))
}

/// `GET /api/v1/events`; resumes after `Last-Event-ID`, or `?last_event_id=` where a client cannot set the header.
pub(super) async fn changes(
    State(app): State<Arc<App>>,
    visitor: Visitor,
    Query(resume): Query<Resume>,
    headers: HeaderMap,
) -> Result<Response<Body>, Problem> {
    let header = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let retry = rand::rng().random_range(RETRY_MILLIS);
    subscribe(&app, &visitor, Stream::Changes, header.or(resume.last_event_id.as_deref()), format!("retry: {retry}\n\n").into())
}

fn subscribe(
    app: &Arc<App>,
    visitor: &Visitor,
    stream: Stream,
    last_event_id: Option<&str>,
    hello: Bytes,
) -> Result<Response<Body>, Problem> {
    app.admit_visitor(visitor, visitor.peer.as_ref())?;
    let now = Moment::now();
    let slot = app.streams.enter(visitor.address, now)?;
    let (seat, reader) = visitor.board.join(visitor.seat(), stream, last_event_id, now);
    let subscription = Subscription { board: visitor.board.clone(), seat, reader, hello: Some(hello), _slot: slot };
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    app.metrics.subscribed.inc();
    let epoch = [(EPOCH_HEADER, app.epoch.get().to_string())];
    Ok((headers, epoch, Body::new(subscription)).into_response())
}

/// A reader's stream, as the body of its answer.
struct Subscription {
    board: Arc<LiveBoard>,
    seat: usize,
    reader: Reader,
    hello: Option<Bytes>,
    _slot: StreamSlot,
}

impl HttpBody for Subscription {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if let Some(hello) = this.hello.take() {
            return Poll::Ready(Some(Ok(Frame::data(hello))));
        }
        this.board.poll(this.seat, &mut this.reader, cx).map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.board.leave(self.seat);
    }
}
