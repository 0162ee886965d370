//! `/peers/{id}/site`: another's site in a frame, and around it whose it is. The site stands on an origin of its own and in a sandbox: it
//! moves nothing of ours, opens no dialog, and what it draws ends at the frame's edge (THREATS 24).

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::peers::{Line, line};
use super::{Frame, framing};
use crate::http::Problem;
use crate::peer::PeerRow;
use crate::viewer::rows::{self, Row};
use crate::viewer::{App, apart, api};

#[derive(Template)]
#[template(path = "peer_site.html")]
struct PeerSite<'a> {
    root: &'static str,
    frame: Frame<'a>,
    peer: Line,
    is_me: bool,
    /// Where the site stands without an origin of its own, if that is asked for.
    apart: Option<String>,
}

/// The query of `GET /peers/{id}/site`.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    apart: Option<String>,
}

/// `GET /peers/{id}/site`, for whoever has an id, known or not; with `?apart=1` for browsers that find no names under `localhost`.
pub(super) async fn show(State(app): State<Arc<App>>, Path(id): Path<String>, Query(asked): Query<Asked>) -> Result<Response, Problem> {
    let peer = api::peer_id(&id)?;
    let me = app.peer.me().await?;
    let is_me = peer == me.peer_id;
    let listed = rows::listed(&app, true).await.into_iter().find(|row| row.row.peer_id == peer);
    let unknown = || {
        let contact = app.peer.memory().contact(&peer);
        let label = if is_me { me.label.clone() } else { contact.label.clone() };
        Row::new(PeerRow { label, ..rows::away(&contact) }, &contact, &app.hosts)
    };
    let line = line(listed.unwrap_or_else(unknown));
    let apart = asked.apart.map(|_| apart::url(&app, &peer));
    let page = PeerSite { root: "", frame: Frame::of(&app, "/peers").await?, peer: line, is_me, apart };
    framing(&page, &page.peer.site, if page.apart.is_some() { "'self'" } else { "" })
}
