//! `GET /c/{slug}/join`: where a link of invitation leads, and where somebody asks to come in. The page is the same whether there is such
//! a community or not; what the invitation is worth is said by `POST` to the same place.
//!
//! The invitation stands behind the `#` of the link, so no server and no log is told of it before somebody presses the button.

use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use crate::http::page;
use crate::proto::community::Slug;
use crate::rendezvous::base::Base;
use crate::rendezvous::{App, Refusal};

#[derive(Template)]
#[template(path = "join.html")]
struct Join {
    root: String,
    slug: Slug,
    url: String,
}

pub(in crate::rendezvous) async fn show(State(app): State<Arc<App>>, Extension(base): Extension<Base>, headers: HeaderMap) -> Response {
    let shown = match base.slug.as_deref().map(Slug::parse) {
        Some(Ok(slug)) => page::answer(&Join { root: app.root(), url: format!("{}{}/join", app.origin(&headers), base.path), slug }),
        _ => Err(Refusal::NoSuchBoard.into()),
    };
    shown.unwrap_or_else(|problem| super::refusal(&app, problem, &headers))
}
