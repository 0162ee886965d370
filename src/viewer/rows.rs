//! The peer list as a person sees it: who is here, whom they keep, and nobody whom they blocked.

use std::collections::HashSet;

use serde::Serialize;

use super::App;
use super::hosts::Hosts;
use crate::peer::memory::Contact;
use crate::peer::{Path, PeerRow};

/// A peer's row, what its owner decided about it, and where its site opens.
#[derive(Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    pub(super) row: PeerRow,
    pub(super) favourite: bool,
    pub(super) blocked: bool,
    pub(super) muted: bool,
    pub(super) site: String,
}

impl Row {
    /// The row as the API shows it.
    pub(super) fn new(row: PeerRow, contact: &Contact, hosts: &Hosts) -> Self {
        let Contact { favourite, blocked, muted, .. } = *contact;
        Self { site: hosts.site_url(&row.peer_id), row, favourite, blocked, muted }
    }
}

/// Everybody who is here, then the favourites who are not; blocked peers only where they are asked for.
pub(super) async fn listed(app: &App, blocked: bool) -> Vec<Row> {
    let (present, contacts) = (app.peer.peers().await, app.peer.contacts());
    let here: HashSet<_> = present.iter().map(|row| row.peer_id).collect();
    let is_wanted = |contact: &Contact| contact.favourite || (blocked && contact.blocked);
    let mut away: Vec<_> = contacts.values().filter(|contact| is_wanted(contact) && !here.contains(&contact.peer_id)).map(away).collect();
    away.sort_by(|a, b| (&a.label, a.peer_id).cmp(&(&b.label, b.peer_id)));
    let rows = present.into_iter().chain(away).map(|row| {
        let contact = app.peer.memory().contact(&row.peer_id);
        (contact.blocked, Row::new(row, &contact, &app.hosts))
    });
    rows.filter(|(is_blocked, _)| blocked || !is_blocked).map(|(_, row)| row).collect()
}

/// A contact of which nothing was heard since it left, or since the start.
pub(super) fn away(contact: &Contact) -> PeerRow {
    PeerRow {
        peer_id: contact.peer_id,
        label: contact.label.clone(),
        email: None,
        avatar_hash: contact.avatar_hash.clone(),
        online: false,
        last_seen: contact.last_seen,
        path: Path::NotTried,
        reason: None,
        signed: false,
        sources: Vec::new(),
        addrs: contact.addrs.clone(),
    }
}
