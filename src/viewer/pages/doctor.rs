//! `/doctor`: what does not work, what works, and what to type for the one to become the other.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Frame;
use crate::doctor::Report;
use crate::http::Problem;
use crate::http::page;
use crate::viewer::App;

#[derive(Template)]
#[template(path = "doctor.html")]
struct Doctor<'a> {
    root: &'static str,
    frame: Frame<'a>,
    report: Report,
}

/// `GET /doctor`.
pub(super) async fn show(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let page = Doctor { root: "", report: app.examine().await?, frame: Frame::of(&app, "/doctor").await? };
    page::answer(&page)
}
