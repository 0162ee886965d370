//! A listing as people see it.

use super::languages::called;
use crate::clock::UnixMillis;
use crate::http::page::{self, ago};
use crate::proto::community::Kind;
use crate::proto::directory::{Listing, page_to_come_in, places_in_link};
use crate::superhub::directory::Entry;

/// What stands on a card.
pub(super) struct Card {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: String,
    /// Tags, each with the address of everything that has it.
    pub(super) tags: Vec<(String, String)>,
    /// The code of the language; empty where none is told.
    pub(super) code: String,
    pub(super) language: String,
    pub(super) kind: Kind,
    pub(super) rule: &'static str,
    pub(super) paid: bool,
    pub(super) members: u32,
    /// What was seen of its server, in a word.
    pub(super) state: &'static str,
    /// The class of the badge that says so.
    pub(super) mood: &'static str,
    /// How long ago that was; empty where nobody has looked.
    pub(super) seen: String,
    pub(super) proven: bool,
    /// What a link into it holds.
    pub(super) at: String,
    /// Which hub lists it, where that is another one.
    pub(super) origin: Option<String>,
    /// The id of an older one whose name looks alike.
    pub(super) similar: Option<String>,
}

impl Card {
    /// The card of a listing as of `now`; `None` for what is no longer listed.
    pub(super) fn of(entry: &Entry, root: &str, now: UnixMillis) -> Option<Self> {
        let listing = entry.record.listing()?;
        let (state, mood) = page::state(entry.health, entry.checked.is_some());
        let code = listing.lang.as_ref().map_or("", |lang| lang.as_str()).to_owned();
        let tag = |text: &str| (text.to_owned(), super::directory(root, &[("tag", text)]));
        Some(Self {
            id: entry.id.to_string(),
            name: listing.name.as_str().to_owned(),
            description: listing.summary.as_str().to_owned(),
            tags: listing.tags.iter().map(|one| tag(one.as_str())).collect(),
            language: called(&code),
            code,
            kind: listing.kind,
            rule: rule(listing.kind),
            paid: listing.paid,
            members: listing.members,
            state,
            mood,
            seen: entry.checked.map(|at| format!("checked {}", ago(at, now))).unwrap_or_default(),
            proven: entry.proven,
            at: places_in_link(&listing.endpoints),
            origin: (!entry.is_ours()).then(|| entry.origin_name.clone()),
            similar: entry.similar.map(|id| id.to_string()),
        })
    }
}

/// How somebody comes in, in plain words.
fn rule(kind: Kind) -> &'static str {
    match kind {
        Kind::Open => "Everybody may come in, without an account or an invitation.",
        Kind::InviteOnly => "You come in by an invitation, which somebody who runs it sends you.",
        Kind::Application => "You ask to come in, and whoever runs it decides. An invitation works too.",
    }
}

/// The page where somebody asks to come in or uses an invitation, where the address says where that is.
pub(super) fn door(listing: &Listing) -> Option<String> {
    let place = listing.endpoints.first().filter(|place| place.as_str().contains("://"))?;
    match listing.kind {
        Kind::Open => Some(format!("{place}/")),
        Kind::InviteOnly | Kind::Application => page_to_come_in(place),
    }
}
