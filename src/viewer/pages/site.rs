//! `/site`: the files of one's own site, and what others see of them. Read without JavaScript; with it, files are put in, renamed, deleted.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

use super::{Frame, edit, framing, names};
use crate::clock::UnixMillis;
use crate::http::Problem;
use crate::http::page::span;
use crate::peer::site_root::{Entry, INDEX_FILES, encoded};
use crate::viewer::first_page::Look;
use crate::viewer::{App, MAX_TEXT, api};

/// Files on the page; the others are read through the API.
const MAX_SHOWN: usize = 1000;
/// What the picture of a look may do: nothing.
const LOOK: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'";

#[derive(Template)]
#[template(path = "site.html")]
struct Site<'a> {
    root: &'static str,
    frame: Frame<'a>,
    url: String,
    files: Vec<File>,
    count: usize,
    total: String,
    cut: bool,
    looks: &'static [Look],
    /// Whose name a first page is to carry, and what is wrong with it.
    name: String,
    name_wrong: String,
    told: String,
    /// What the owner is called where they have said no name.
    nameless: Option<String>,
}

/// One file of the list.
struct File {
    href: String,
    edit: Option<String>,
    size: String,
    age: String,
    path: String,
}

/// The form of a first page that came back.
#[derive(Debug, Default)]
pub(super) struct Back {
    /// What was typed.
    pub(super) name: Option<String>,
    /// What is wrong with it.
    pub(super) name_wrong: String,
    /// Why there is no first page, whatever the name.
    pub(super) told: String,
}

/// `GET /site`.
pub(super) async fn show(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    page(&app, Back::default()).await
}

/// The page, with the form as it is or as it came back.
pub(super) async fn page(app: &App, back: Back) -> Result<Response, Problem> {
    let listing = api::own_files(app).await?;
    let url = app.hosts.site_url(&app.peer.peer_id());
    let now = UnixMillis::now();
    let has_first = listing.entries.iter().any(|entry| INDEX_FILES.contains(&entry.path.as_str()));
    let me = app.peer.me().await?;
    let label = app.configuration.current().config.profile.label.as_str().trim().to_owned();
    let page = Site {
        root: "",
        frame: Frame::of(app, "/site").await?,
        count: listing.entries.len(),
        total: names::bytes(listing.entries.iter().map(|entry| entry.size).sum()),
        cut: listing.cut || listing.entries.len() > MAX_SHOWN,
        files: listing.entries.into_iter().take(MAX_SHOWN).map(|entry| file(entry, &url, now)).collect(),
        looks: if has_first { &[] } else { &Look::ALL },
        nameless: label.is_empty().then_some(me.label),
        name: back.name.unwrap_or(label),
        name_wrong: back.name_wrong,
        told: back.told,
        url,
    };
    framing(&page, &page.url, "'self'")
}

fn file(Entry { path, size, modified, .. }: Entry, url: &str, now: UnixMillis) -> File {
    let address = path_in_url(&path);
    File {
        href: format!("{url}{address}"),
        edit: (edit::is_text(&path) && size <= MAX_TEXT).then(|| format!("/site/edit?path={address}")),
        size: names::bytes(size),
        age: span(Duration::from_millis(now.0.saturating_sub(modified.0))),
        path,
    }
}

/// The path as a URL holds it.
pub(super) fn path_in_url(path: &str) -> String {
    path.split('/').map(encoded).collect::<Vec<_>>().join("/")
}

/// `GET /site/look/{look}`: how a first page would look; inert, and in a frame of ours.
pub(super) async fn look(State(app): State<Arc<App>>, Path(look): Path<Look>) -> Result<Response, Problem> {
    let html = look.page(&app.peer.me().await?.label)?;
    Ok(([(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(LOOK))], Html(html)).into_response())
}
