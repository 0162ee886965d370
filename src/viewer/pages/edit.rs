//! `/site/edit?path=`: a text of one's own site, to be written on. It is saved by its version: who saves over what somebody else changed
//! is told so, and has both to compare (`assets/static/edit.js`).

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use futures::TryStreamExt;
use serde::Deserialize;

use super::site::path_in_url;
use super::{Frame, framing};
use crate::http::{Problem, media};
use crate::peer::site_root::{OpenFile, SiteError, SitePath};
use crate::viewer::{App, MAX_TEXT};

/// Types that are text and do not say so.
const TEXTS: [&str; 4] = ["application/json", "application/manifest+json", "application/xml", "image/svg+xml"];

#[derive(Template)]
#[template(path = "edit.html")]
struct Edit<'a> {
    root: &'static str,
    frame: Frame<'a>,
    path: String,
    site: String,
    /// What of the site shows the text: itself, or the first page, which may use it.
    shown: String,
    /// Whether it is shown itself, and so before it is saved too.
    alone: bool,
    /// `None` where it is new.
    etag: Option<String>,
    text: Result<String, &'static str>,
    /// Whether its lines end as on Windows; a browser's text field knows one kind only.
    crlf: bool,
}

/// The query of `GET /site/edit`.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    path: String,
}

/// `GET /site/edit?path=`: a name without an ending is that of a page.
pub(super) async fn show(State(app): State<Arc<App>>, Query(Asked { path }): Query<Asked>) -> Result<Response, Problem> {
    let path = SitePath::parse(path.trim())?.relative().to_owned();
    let has_ending = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    let path = if has_ending { path } else { format!("{path}.html") };
    let site = app.hosts.site_url(&app.peer.peer_id());
    let (etag, text) = match app.peer.site().open(&path).await {
        _ if !is_text(&path) => (None, Err("Texts are edited here: pages, styles, scripts and the like.")),
        Ok(file) => (Some(file.etag.clone()), text(file).await?),
        Err(SiteError::NotFound | SiteError::NoSite) => (None, Ok(String::new())),
        Err(error) => return Err(error.into()),
    };
    let page = Edit {
        root: "",
        frame: Frame::of(&app, "/site").await?,
        alone: is_seen_alone(&path),
        shown: if is_seen_alone(&path) { format!("{site}{}", path_in_url(&path)) } else { site.clone() },
        crlf: text.as_ref().is_ok_and(|text| text.contains('\n') && text.matches('\n').count() == text.matches("\r\n").count()),
        path,
        site,
        etag,
        text,
    };
    framing(&page, &page.site, "")
}

/// Whether a file is a text, by its name.
pub(super) fn is_text(path: &str) -> bool {
    let (mime, _) = media::by_extension(path);
    mime.starts_with("text/") || TEXTS.contains(&mime)
}

fn is_seen_alone(path: &str) -> bool {
    ["text/html; charset=utf-8", "text/plain; charset=utf-8", "image/svg+xml"].contains(&media::by_extension(path).0)
}

/// Or why it is not edited here.
async fn text(file: OpenFile) -> Result<Result<String, &'static str>, Problem> {
    if file.size > MAX_TEXT {
        return Ok(Err("It is too long to be edited here."));
    }
    let pieces: Vec<_> = file.body.into_stream().try_collect().await.map_err(SiteError::Io)?;
    let text = String::from_utf8(pieces.concat()).ok().filter(|text| !text.contains('\0'));
    Ok(text.ok_or("It is no text in UTF-8."))
}
