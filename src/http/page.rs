//! What the pages of every role share: how one becomes an answer, and the pictures that are drawn here, not loaded: a [`Face`] for
//! each peer, the [`Qr`] code of a link, the [`Plot`] of an hour.
//!
//! The look stands in `assets/static/goop.css`, the frame in `assets/templates/base.html`. A page's struct has a field `root`: the path
//! under which a proxy has put the server, mostly empty. Everything that strangers wrote is escaped by the templates (THREATS 21); the
//! pictures alone are markup, and are made of numbers.

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, header};
use axum::response::{Html, IntoResponse};

use super::Problem;

mod face;
mod plot;
mod qr;
mod span;
mod state;

pub use face::Face;
pub use plot::Plot;
pub use qr::Qr;
pub use span::{ago, clock_time, span};
pub use state::state;

/// The page as an answer.
///
/// # Errors
/// 500 where it cannot be made; the cause is in the log.
pub fn answer(page: &impl Template) -> Result<Response<Body>, Problem> {
    let html = page.render().map_err(|cause| {
        tracing::error!(%cause, "the page could not be made");
        Problem::internal()
    })?;
    Ok(Html(html).into_response())
}

/// The same answer, status and headers, with a page for people as its body.
#[must_use]
pub fn instead(mut response: Response<Body>, page: &impl Template) -> Response<Body> {
    if let Ok(html) = page.render() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        *response.body_mut() = html.into();
    }
    response
}

/// Whether a browser asks for a page, not a program for whatever there is.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|types| types.to_str().ok()).is_some_and(|types| types.contains("text/html"))
}
