//! What a listener counts. Open connections are accepted minus closed; no label ever names a client.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// The answer of a `/metrics` that may tell: `text` as OpenMetrics.
pub fn page(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text).into_response()
}

/// Counters of one or several listeners; clones count together.
#[derive(Debug, Clone, Default)]
pub struct HttpMetrics {
    /// Connections taken.
    pub accepted: Counter,
    /// Connections that ended, for whatever reason.
    pub closed: Counter,
    /// Connections turned away because the listener or their address had its fill.
    pub refused: Counter,
    /// Connections that had not sent a whole request yet and made room for newer ones.
    pub evicted: Counter,
    /// Connections cut by a deadline: no first byte, slow head, idle, or a client that does not read.
    pub timed_out: Counter,
    /// Failed accepts, such as an exhausted file limit.
    pub accept_errors: Counter,
    /// Requests answered.
    pub requests: Counter,
    /// Handlers that panicked; each was answered with 500.
    pub panics: Counter,
}

impl HttpMetrics {
    /// Makes the counters part of `room`.
    pub fn register(&self, room: &mut Registry) {
        room.register("connections_accepted", "Connections taken", self.accepted.clone());
        room.register("connections_closed", "Connections that ended", self.closed.clone());
        room.register("connections_refused", "Connections turned away because there were too many", self.refused.clone());
        room.register("connections_evicted", "Silent connections that made room for newer ones", self.evicted.clone());
        room.register("connections_timed_out", "Connections cut by a deadline", self.timed_out.clone());
        room.register("accept_errors", "Failed accepts", self.accept_errors.clone());
        room.register("requests", "Requests answered", self.requests.clone());
        room.register("panics", "Handlers that panicked", self.panics.clone());
    }
}
