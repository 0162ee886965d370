//! `/communities`: those that one is in and how it goes with them, and a search for others. Read and searched without JavaScript (`?q=`);
//! joining and leaving need it.

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
use crate::proto::health::Health;
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
    hubs: usize,
}

/// A community that one is in.
struct Line {
    name: String,
    nth: usize,
    listed: bool,
    finding: Finding,
}

/// A community that was found; `assets/static/communities.js` draws the same.
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
    /// The page at which one comes in, empty where everybody is in; and what it is for.
    gate: String,
    wish: &'static str,
    hub: String,
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
        mine: mine.into_iter().map(line).collect(),
        locked,
        asked: q.clone().unwrap_or_default(),
        found: Vec::new(),
        told: String::new(),
        hubs: hubs.len(),
    };
    match q {
        // What a link leads to is asked by the script alone: another site's link to this page shall make nobody knock anywhere.
        Some(text) if is_link(&text) => page.told = "To follow a link, JavaScript is needed; `goop join` does it too.".to_owned(),
        Some(text) => {
            let _place = app.searches.acquire().await.map_err(|_| Problem::internal())?;
            match ask(&data, &hubs, &text).await {
                Ok(told) => (page.told, page.found) = (words(&told, page.hubs), told.answers.communities.into_iter().map(card).collect()),
                Err(wrong) => page.told = wrong.to_string(),
            }
        }
        None => {}
    }
    page::answer(&page)
}

fn line(mine: Mine) -> Line {
    let finding = mine.status.as_ref().map_or_else(reach::not_taken_over, reach::rendezvous);
    Line { name: mine.name, nth: mine.nth, listed: mine.listed, finding }
}

fn words(told: &Told, hubs: usize) -> String {
    let count = told.answers.communities.len();
    let found = match count {
        0 => "Nothing was found.".to_owned(),
        1 => "One community was found.".to_owned(),
        many => format!("{many} communities were found."),
    };
    if told.local && hubs > 0 { format!("{found} No hub answers; this is what is kept on this machine.") } else { found }
}

fn card(Found { hub, listing, .. }: Found) -> Card {
    Card {
        name: listing.name.as_str().to_owned(),
        about: listing.description.as_str().to_owned(),
        kind: match listing.kind {
            Kind::Open => "open to everyone",
            Kind::InviteOnly => "by invitation",
            Kind::Application => "by asking",
        },
        look: match listing.health {
            Health::Healthy => "good",
            Health::Degraded | Health::Standby => "warn",
            Health::Down => "bad",
            Health::Unknown => "",
        },
        health: listing.health.word(),
        members: listing.members,
        paid: listing.paid,
        alike: listing.similar_to.is_some(),
        tags: listing.tags.iter().map(|tag| tag.as_str().to_owned()).collect(),
        gate: listing.rendezvous.urls().first().filter(|_| listing.kind != Kind::Open).map(gate).unwrap_or_default(),
        wish: if listing.kind == Kind::InviteOnly { "Show an invitation" } else { "Ask to come in" },
        place: listing.rendezvous.as_str().to_owned(),
        hub,
    }
}

fn gate(url: &reqwest::Url) -> String {
    format!("{}/join", url.as_str().trim_end_matches('/'))
}
