//! `/join`: where a link into a community leads (`/join#at=…&invite=…`). Everything stands behind the `#`, so the hub is told nothing of it, the
//! page is the same for everybody, and the link works in goop when the hub is gone.
//!
//! A link can say whatever whoever made it liked. So the page leads nowhere by itself, makes no link out of an address, and
//! names the places as text. The links that it makes lead to goop, by `goop:join?` and to the page of the goop that runs on this machine, and hold
//! what was understood, written anew and there again where no server hears it.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::refusal;
use crate::http::page;
use crate::superhub::App;

#[derive(Template)]
#[template(path = "directory_join.html")]
struct Join {
    root: String,
}

pub(super) async fn show(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    page::answer(&Join { root: app.root() }).unwrap_or_else(|problem| refusal(&app, problem, &headers))
}
