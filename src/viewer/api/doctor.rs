//! `GET doctor`: what works on this machine and what does not, for `goop doctor`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use crate::doctor::Report;
use crate::http::Problem;
use crate::viewer::App;

/// `GET doctor`.
pub(super) async fn show(State(app): State<Arc<App>>) -> Result<Json<Report>, Problem> {
    Ok(Json(app.examine().await?))
}
