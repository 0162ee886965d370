//! `GET /.well-known/goop`: who this server is, and what a client has to know before it signs or publishes.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::{App, Visitor};

/// The versions of what is spoken here.
const PROTOCOLS: [&str; 2] = ["goop-presence/1", "goop-events/1"];

/// Describes the server; the same at every base. `you` is the address under which whoever asks is counted, so that an operator sees whether
/// `http.trusted_proxies` is right.
pub(super) async fn describe(State(app): State<Arc<App>>, visitor: Visitor) -> Json<Value> {
    let settings = app.settings();
    let http = &settings.http;
    Json(json!({
        "peer_id": app.server.to_string(),
        "roles": app.roles,
        "version": env!("CARGO_PKG_VERSION"),
        "epoch": app.epoch.get(),
        "protocols": PROTOCOLS,
        "ttl_seconds": app.options.ttl.as_secs(),
        "allow_unsigned": settings.allow_unsigned,
        "limits": {
            "max_body": http.max_body.bytes(),
            "publish_per_minute_per_peer": http.publish_per_minute_per_peer,
            "publish_per_minute_per_ip": http.publish_per_minute_per_ip,
            "publish_burst": http.publish_burst,
            "max_streams_per_ip": http.max_streams_per_ip,
        },
        "communities": app.open_communities(),
        "community": visitor.board.slug(),
        "peers": visitor.board.read(|board| board.rows().len()),
        "you": visitor.address.to_canonical().to_string(),
    }))
}
