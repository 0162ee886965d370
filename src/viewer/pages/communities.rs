//! `/communities`: those that one is in and how it goes with them, and a search for others. Read and searched without JavaScript (`?q=`);
//! joining, leaving and following a link need it. The script shows what this page says, and asks it what is a link.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::Frame;
use super::reach;
use crate::clients::superhub::kept::Found;
use crate::clients::superhub::{Told, ask};
use crate::doctor::Finding;
use crate::http::Problem;
use crate::http::page;
use crate::proto::community::Kind;
use crate::proto::directory::page_to_come_in;
use crate::viewer::App;
use crate::viewer::api::communities::{Mine, is_link, mine};

#[derive(Template)]
#[template(path = "communities.html")]
struct Communities<'a> {
    root: &'static str,
    frame: Frame<'a>,
    mine: Vec<Line>,
    locked: Option<String>,
    asked: String,
    found: Vec<Card>,
    /// What came of the search, in words; empty where there was none.
    told: String,
    /// Whether a link was given and no words. What it leads to is asked by the script alone, at its reader's word.
    is_link: bool,
    hubs: usize,
}

/// A community that one is in.
struct Line {
    name: String,
    /// What hubs call it.
    community: Option<String>,
    id: String,
    listed: bool,
    finding: Finding,
}

impl Line {
    fn called(&self) -> &str {
        self.community.as_deref().unwrap_or(&self.name)
    }
}

/// A community that was found.
struct Card {
    name: String,
    about: String,
    kind: &'static str,
    look: &'static str,
    health: &'static str,
    members: u32,
    paid: bool,
    alike: bool,
    tags: Vec<String>,
    place: String,
    way: Way,
    hub: String,
}

/// How one comes into a community that was found.
enum Way {
    /// One is in.
    In,
    /// Everybody may come in.
    Join,
    /// At this page, by this.
    Gate(String, &'static str),
    /// By nothing that is known here.
    None,
}

/// The query of `GET /communities`.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    q: Option<String>,
}

/// `GET /communities?q=`.
pub(super) async fn show(State(app): State<Arc<App>>, Query(Asked { q }): Query<Asked>) -> Result<Response, Problem> {
    let (data, hubs) = app.hubs();
    let (mine, locked) = mine(&app).await?;
    let mut page = Communities {
        root: "",
        frame: Frame::of(&app, "/communities").await?,
        mine: Vec::new(),
        locked,
        asked: q.clone().unwrap_or_default(),
        found: Vec::new(),
        told: String::new(),
        is_link: q.as_deref().is_some_and(is_link),
        hubs: hubs.len(),
    };
    match q {
        // Another site's link to this page shall make nobody knock anywhere.
        Some(_) if page.is_link => page.told = "To follow a link, JavaScript is needed; `goop join` does it too.".to_owned(),
        Some(text) => {
            let _place = app.searches.acquire().await.map_err(|_| Problem::internal())?;
            match ask(&data, &hubs, &text).await {
                Ok(told) => (page.told, page.found) = (words(&told, page.hubs, text.trim().is_empty()), cards(told, &mine)),
                Err(wrong) => page.told = wrong.to_string(),
            }
        }
        None => {}
    }
    page.mine = mine.into_iter().map(line).collect();
    page::answer(&page)
}

fn line(mine: Mine) -> Line {
    let finding = mine.status.as_ref().map_or_else(reach::not_taken_over, reach::rendezvous);
    Line { name: mine.name, community: mine.community, id: mine.id, listed: mine.listed, finding }
}

/// What came of a search; of one for nothing in particular, by which the page begins, only what there is.
fn words(told: &Told, hubs: usize, is_beginning: bool) -> String {
    let count = told.answers.communities.len();
    let found = match count {
        0 if is_beginning && hubs == 0 => String::new(),
        0 if is_beginning => "No community is known yet.".to_owned(),
        0 => "Nothing was found.".to_owned(),
        1 => "One community was found.".to_owned(),
        many => format!("{many} communities were found."),
    };
    match told.answers.failed.as_slice() {
        [] => found,
        _ if told.local && hubs > 0 => format!("{found} No hub answers; this is what is kept on this machine."),
        failed => {
            let silent: Vec<String> = failed.iter().map(|failed| format!("{} ({})", failed.hub, failed.why)).collect();
            format!("{found} Not all hubs answered: {}.", silent.join(", "))
        }
    }
}

fn cards(told: Told, mine: &[Mine]) -> Vec<Card> {
    let is_mine = |place: &str| mine.iter().any(|one| one.name.trim_end_matches("/m/***") == bare(place));
    told.answers.communities.into_iter().map(|found| card(found, is_mine)).collect()
}

fn bare(place: &str) -> &str {
    place.split_once("://").map_or(place, |(_, rest)| rest).trim_end_matches('/')
}

fn card(Found { hub, listing, .. }: Found, is_mine: impl Fn(&str) -> bool) -> Card {
    let place = listing.rendezvous.as_str().to_owned();
    let (health, look) = page::state(listing.health, false);
    let gate = |wish| page_to_come_in(&listing.rendezvous).map_or(Way::None, |page| Way::Gate(page, wish));
    Card {
        way: match listing.kind {
            _ if is_mine(&place) => Way::In,
            Kind::Open => Way::Join,
            Kind::InviteOnly => gate("Show an invitation"),
            Kind::Application => gate("Ask to come in"),
        },
        name: listing.name.as_str().to_owned(),
        about: listing.description.as_str().to_owned(),
        kind: match listing.kind {
            Kind::Open => "open to everyone",
            Kind::InviteOnly => "by invitation",
            Kind::Application => "by asking",
        },
        look,
        health,
        members: listing.members,
        paid: listing.paid,
        alike: listing.similar_to.is_some(),
        tags: listing.tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
        place,
        hub,
    }
}
