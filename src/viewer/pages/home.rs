//! `/`: who I am, what runs here, and what is reachable from where.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Frame;
use super::reach;
use crate::doctor::{Finding, Look};
use crate::http::Problem;
use crate::http::page::{self, Face, Qr};
use crate::peer::Path;
use crate::viewer::App;

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    root: &'static str,
    frame: Frame<'a>,
    face: Face,
    label: String,
    avatar: Option<String>,
    peer_id: String,
    qr: Option<Qr>,
    roles: &'a [&'static str],
    version: &'static str,
    here: usize,
    findings: Vec<Finding>,
    /// Whether there is nothing to do about any of them.
    well: bool,
    listen: Vec<String>,
    external: Vec<String>,
}

/// `GET /`.
pub(super) async fn show(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let (me, peers) = (app.peer.me().await?, app.peer.peers().await);
    let near = peers.iter().filter(|row| row.online && (row.path == Path::Lan || row.is_on_the_lan())).count();
    let id = me.peer_id.to_string();
    let findings = reach::findings(&me, near);
    let page = Home {
        root: "",
        frame: Frame::of(&app, "/").await?,
        face: Face::of(&id),
        qr: Qr::of(&id),
        well: findings.iter().all(|one| !matches!(one.look, Look::Bad | Look::Warn)),
        findings,
        label: me.label,
        avatar: me.avatar_hash,
        peer_id: id,
        roles: &app.options.roles,
        version: me.version,
        here: peers.iter().filter(|row| row.online).count(),
        listen: me.listen.iter().map(ToString::to_string).collect(),
        external: me.external.iter().map(ToString::to_string).collect(),
    };
    page::answer(&page)
}
