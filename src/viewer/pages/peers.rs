//! `/peers`: who is here, whom one keeps, and whom one blocked. Read and searched without JavaScript (`?q=`); with it, live.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::{Frame, names};
use crate::http::Problem;
use crate::http::page::{self, Face};
use crate::peer::{Path, PeerRow};
use crate::viewer::App;
use crate::viewer::rows::{self, Row};

/// Peers on the page as it is served; a larger community is searched, or read through the API.
const MAX_SHOWN: usize = 1000;

#[derive(Template)]
#[template(path = "peers.html")]
struct Peers<'a> {
    root: &'static str,
    frame: Frame<'a>,
    asked: String,
    favourites: Vec<Line>,
    peers: Vec<Line>,
    blocked: Vec<Line>,
}

/// `peer.html`; `assets/static/peers.js` draws the same.
pub(super) struct Line {
    pub(super) face: Face,
    pub(super) peer_id: String,
    pub(super) short: String,
    pub(super) label: String,
    pub(super) site: String,
    pub(super) online: bool,
    pub(super) signed: bool,
    pub(super) look: &'static str,
    pub(super) way: &'static str,
    reason: String,
    favourite: bool,
    muted: bool,
    pub(super) blocked: bool,
}

/// The query of `GET /peers`.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
}

/// `GET /peers?q=`: `q` is part of a name or an id.
pub(super) async fn show(State(app): State<Arc<App>>, Query(Asked { q }): Query<Asked>) -> Result<Response, Problem> {
    let wanted = q.to_lowercase();
    let mut rows: Vec<Row> = rows::listed(&app, true).await.into_iter().filter(|row| is_meant(&row.row, &wanted)).collect();
    rows.sort_by_key(|row| order(&row.row));
    let mut page =
        Peers { root: "", frame: Frame::of(&app, "/peers").await?, asked: q, favourites: vec![], peers: vec![], blocked: vec![] };
    for row in rows.into_iter().take(MAX_SHOWN) {
        let line = line(row);
        let list = if line.blocked {
            &mut page.blocked
        } else if line.favourite {
            &mut page.favourites
        } else {
            &mut page.peers
        };
        list.push(line);
    }
    page::answer(&page)
}

fn is_meant(row: &PeerRow, wanted: &str) -> bool {
    row.label.to_lowercase().contains(wanted) || row.peer_id.to_string().to_lowercase().contains(wanted)
}

/// Made-up peers without a connection cannot push real ones off the page.
fn order(row: &PeerRow) -> (bool, bool) {
    (!matches!(row.path, Path::Lan | Path::Direct | Path::Relayed), !row.online)
}

/// A peer as the pages show it.
pub(super) fn line(row: Row) -> Line {
    let Row { row, favourite, blocked, muted, site } = row;
    let peer_id = row.peer_id.to_string();
    let is_away = !row.online;
    Line {
        face: Face::of(&peer_id),
        short: names::short(&row.peer_id),
        label: names::named(&row.label).into(),
        site,
        online: row.online,
        signed: row.signed,
        look: match row.path {
            _ if is_away => "",
            Path::Lan | Path::Direct | Path::Relayed => " good",
            Path::Unreachable => " bad",
            Path::NotTried => "",
        },
        way: if is_away { "away" } else { names::way(row.path) },
        reason: row.reason.filter(|_| !is_away).unwrap_or_default(),
        peer_id,
        favourite,
        muted,
        blocked,
    }
}

#[cfg(test)]
mod tests {
    use libp2p::PeerId;

    use super::*;
    use crate::clock::UnixMillis;

    fn row(label: &str, path: Path) -> PeerRow {
        PeerRow {
            peer_id: PeerId::random(),
            label: label.into(),
            email: None,
            avatar_hash: None,
            online: true,
            last_seen: UnixMillis(0),
            path,
            reason: None,
            signed: true,
            sources: Vec::new(),
            addrs: Vec::new(),
        }
    }

    #[test]
    fn a_thousand_made_up_peers_do_not_hide_a_connected_one() {
        let mut rows: Vec<_> = (0..MAX_SHOWN).map(|n| row(&format!("a{n}"), Path::NotTried)).collect();
        rows.push(row("zoe", Path::Lan));
        rows.sort_by_key(order);
        assert_eq!(rows[0].label, "zoe");
    }

    #[test]
    fn a_peer_is_found_by_a_part_of_its_name_or_its_id_in_any_case() {
        let row = row("Björn", Path::Lan);
        let id = row.peer_id.to_string().to_lowercase();
        assert!(is_meant(&row, "") && is_meant(&row, "jör") && is_meant(&row, &id[20..]) && !is_meant(&row, "zoe"));
    }
}
