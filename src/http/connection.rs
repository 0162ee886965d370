//! One connection: its requests, its answers, and how it ends. What may take how long is in `pulse`.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::http::{HeaderMap, Request, Response, Version, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::FutureExt;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tower::Service;

use super::body::Timed;
use super::pulse::Pulse;
use super::socket::Watched;
use super::{HttpMetrics, Problem};

/// Largest request head, in bytes, request line included.
const MAX_HEAD: usize = 16 * 1024;
/// Most header lines of a request.
const MAX_HEADERS: usize = 64;
/// What hyper may gather before it writes, in bytes; also bounds what a stuck reader costs.
const MAX_BUFFER: usize = 64 * 1024;

/// Who is at the other end of the socket; handlers find it among the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client(pub SocketAddr);

/// What answers requests: a router, or whatever stands before one. It is always ready, and cheap to clone: every request gets its own.
pub trait Answers:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S> Answers for S where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send + Sync + 'static
{
}
/// Our end of the socket: where the client reached us; among the request's extensions where the system told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Local(pub SocketAddr);

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Closed by either side, or broken.
    Closed,
    /// Cut by one of its deadlines.
    TimedOut,
}

/// Serves `socket` until it ends; on `stop` an idle connection ends at once, a running request gets the drain deadline, and a client
/// that has only just come gets a moment to say what it wants: it came before the stop, and whoever starts next never sees it.
pub(super) async fn serve<S: Answers>(
    socket: TcpStream,
    client: SocketAddr,
    service: S,
    pulse: Arc<Pulse>,
    metrics: HttpMetrics,
    stop: CancellationToken,
) -> Ending {
    let ends = (Client(client), socket.local_addr().map(Local).ok());
    let io = TokioIo::new(Watched::new(socket, pulse.clone()));
    let answering = service_fn({
        let pulse = pulse.clone();
        move |request| answer(request, ends, service.clone(), pulse.clone(), metrics.clone())
    });
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_BUFFER)
        .serve_connection(io, answering);
    let mut connection = pin!(connection);
    let mut stopping = pin!(stop.cancelled());
    let mut timer = pin!(sleep_until(Instant::now()));
    let (mut draining, mut told) = (false, false);
    poll_fn(|cx| {
        if !draining && stopping.as_mut().poll(cx).is_ready() {
            draining = true;
            pulse.drain();
        }
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ending::Closed);
        }
        // hyper closes a connection that has said nothing yet as soon as it is told.
        if draining && !told && !pulse.is_fresh() {
            told = true;
            connection.as_mut().graceful_shutdown();
            if connection.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ending::Closed);
            }
        }
        let Some(due) = pulse.due() else { return Poll::Pending };
        if due < timer.deadline() {
            timer.as_mut().reset(due);
        }
        // Every request moves its deadline, so the timer is left alone until it fires.
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= due {
                return Poll::Ready(if pulse.leaving() { Ending::Closed } else { Ending::TimedOut });
            }
            timer.as_mut().reset(due);
        }
        Poll::Pending
    })
    .await
}

async fn answer<S: Answers>(
    request: Request<Incoming>,
    (client, local): (Client, Option<Local>),
    mut service: S,
    pulse: Arc<Pulse>,
    metrics: HttpMetrics,
) -> Result<Response<Answer>, Infallible> {
    pulse.busy();
    metrics.requests.inc();
    let wrong = if is_ambiguous(request.headers(), &pulse) {
        Some("Content-Length and Transfer-Encoding contradict each other")
    } else if is_for_nobody(&request) {
        Some("a request names one Host")
    } else {
        None
    };
    if let Some(wrong) = wrong {
        let refused = Problem::bad_request(wrong);
        let refused = ([(header::CONNECTION, "close")], refused).into_response();
        return Ok(refused.map(|body| Answer { body, pulse }));
    }
    let mut request = request.map(|body| Body::new(Timed::new(body, pulse.clone())));
    request.extensions_mut().insert(client);
    local.map(|local| request.extensions_mut().insert(local));
    let response = match AssertUnwindSafe(service.call(request)).catch_unwind().await {
        Ok(Ok(response)) => response,
        Err(_panic) => {
            metrics.panics.inc();
            tracing::error!("a request's handler panicked");
            Problem::internal().into_response()
        }
    };
    Ok(response.map(|body| Answer { body, pulse }))
}

/// Whether a request says by two ways how long it is (see `lengths`).
fn is_ambiguous(headers: &HeaderMap, pulse: &Pulse) -> bool {
    if headers.contains_key(header::CONTENT_LENGTH) {
        pulse.length_seen();
    }
    headers.contains_key(header::TRANSFER_ENCODING) && pulse.misses_a_length()
}

/// Whether an HTTP/1.1 request names no host, or several, of which two ends of a proxy may choose different ones (RFC 9112 §3.2).
fn is_for_nobody(request: &Request<Incoming>) -> bool {
    request.version() == Version::HTTP_11 && request.headers().get_all(header::HOST).iter().count() != 1
}

/// A response's body that tells the pulse when hyper is done with it.
struct Answer {
    body: Body,
    pulse: Arc<Pulse>,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.pulse.answered();
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
