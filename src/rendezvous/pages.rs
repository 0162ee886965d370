//! What people see at `/`: who is here and how to join. Read without JavaScript; with it, live.

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

use super::{App, Visitor, trimmed};
use crate::http::{Problem, assets};
use crate::proto::board::{Board, Row};

/// Peers on the page; a larger community is read through its stream.
const MAX_SHOWN: usize = 500;

#[derive(Template)]
#[template(path = "rendezvous.html")]
struct Home {
    title: String,
    /// The path under which a proxy has put the server.
    root: String,
    base: String,
    url: String,
    goop2_url: String,
    count: usize,
    peers: Vec<Line>,
    more: bool,
    most: usize,
}

struct Line {
    id: String,
    short: String,
    label: String,
    signed: bool,
}

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new().route("/", get(home)).route("/static/{name}", get(asset))
}

async fn asset(Path(name): Path<String>, request: HeaderMap) -> Response {
    assets::respond(&name, &request)
}

async fn home(State(app): State<Arc<App>>, visitor: Visitor, headers: HeaderMap) -> Result<Response, Problem> {
    let (count, mut peers) = visitor.board.read(|board| (board.rows().len(), first(board)));
    peers.sort_by(|a, b| (&a.label, &a.id).cmp(&(&b.label, &b.id)));
    let settings = app.settings();
    let external = settings.http.external_url.as_ref();
    let origin = external.map_or_else(|| asked_for(&headers), trimmed);
    let base = visitor.base.strip_prefix("/via404").unwrap_or(&visitor.base);
    let page = Home {
        title: visitor.board.slug().map_or("A goop meeting place".into(), |slug| format!("The community {slug}")),
        root: external.map_or("", |url| url.url().path()).trim_end_matches('/').to_owned(),
        base: visitor.base.clone(),
        url: format!("{origin}{base}"),
        goop2_url: format!("{origin}{}{base}", via404(&origin)),
        more: count > peers.len(),
        count,
        peers,
        most: MAX_SHOWN,
    };
    let html = page.render().map_err(|cause| {
        tracing::error!(%cause, "the page could not be made");
        Problem::internal()
    })?;
    Ok(Html(html).into_response())
}

fn first(board: &Board) -> Vec<Line> {
    board.rows().take(MAX_SHOWN).map(|(_, row)| line(row)).collect()
}

fn line(row: &Row) -> Line {
    let presence = &row.message.presence;
    let id = presence.peer.to_string();
    let label = Some(presence.display_label()).filter(|label| !label.is_empty());
    Line { short: id[id.len().saturating_sub(8)..].to_owned(), label: label.unwrap_or("(no name)".into()), signed: row.signed, id }
}

/// The origin that the browser asked for; where a proxy adds TLS, `http.external_url` says so.
fn asked_for(headers: &HeaderMap) -> String {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    format!("http://{host}")
}

/// What newest goop2 peers need in a plain `http://` URL of another machine.
fn via404(origin: &str) -> &'static str {
    let Some(host) = origin.strip_prefix("http://") else { return "" };
    let own = ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| host.starts_with(own));
    if own { "" } else { "/via404" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_to_other_machines_needs_404_in_its_url() {
        assert_eq!(via404("https://rv.example.org"), "");
        assert_eq!(via404("http://127.0.0.1:8787"), "");
        assert_eq!(via404("http://localhost:8787"), "");
        assert_eq!(via404("http://192.168.1.5:8787"), "/via404");
    }
}
