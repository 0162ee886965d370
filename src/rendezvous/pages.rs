//! What people see at `/`.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;

use super::App;
use crate::http::assets;

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/static/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, request: HeaderMap) -> Response {
    assets::respond(&name, &request)
}
