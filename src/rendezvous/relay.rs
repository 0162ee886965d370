//! `GET /relay`: which relay to use, as goop2's newest peers ask before they start, and ours when they reach the server.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::{App, Visitor};
use crate::http::Problem;
use crate::p2p::relay::{Announcement, RelayHandle};

/// The relay of this server or the one it names; the same at every base that the visitor may enter.
pub(super) async fn show(State(app): State<Arc<App>>, _: Visitor) -> Result<Json<Announcement>, Problem> {
    let said = app.relay.get().and_then(RelayHandle::announcement);
    said.map(Json).ok_or_else(|| Problem::not_found("this server names no relay"))
}
