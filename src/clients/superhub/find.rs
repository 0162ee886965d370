//! Several hubs are asked at once: what the first ones say is taken, the slow ones get a moment more, and what they say alike is shown once.

use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::kept::Found;
use super::listing::Listing;
use super::merge::{Once, by_turns};
use super::{HubError, client, read_at_most, refusal, unreachable};
use crate::clock::UnixMillis;
use crate::config::base_url::BaseUrl;

/// Hubs that are asked; further ones are not.
pub const MAX_HUBS: usize = 16;
/// How long a hub may take.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How much longer the others may take, once one has answered.
pub const GRACE: Duration = Duration::from_millis(500);
/// Listings of one page; a hub that sends more is not read further.
pub const PAGE: usize = 50;
/// Longest page that is read, in bytes: [`PAGE`] of the longest listings, and room.
const MAX_PAGE: usize = 512 * 1024;

/// Longest cursor that is sent back, in bytes.
const MAX_CURSOR: usize = 512;

/// What came of asking.
#[derive(Debug, Default, Serialize)]
pub struct Answers {
    /// What was found: the first of each hub, then the second of each.
    pub communities: Vec<Found>,
    /// The same before what several hubs say alike was made one, for whoever keeps what each has said last.
    #[serde(skip)]
    pub(super) told: Vec<Found>,
    /// Which hubs answered, the quickest first.
    pub answered: Vec<String>,
    /// Which did not, and why.
    pub failed: Vec<Failed>,
}

/// A hub that did not answer.
#[derive(Debug, Serialize)]
pub struct Failed {
    /// Which.
    pub hub: String,
    /// Why.
    pub why: String,
}

/// Asks `hubs`, at most [`MAX_HUBS`], for `query`.
pub async fn find(hubs: &[BaseUrl], query: &str) -> Answers {
    let (mut answers, mut race) = (Answers::default(), JoinSet::new());
    for hub in hubs.iter().take(MAX_HUBS) {
        let (hub, query) = (hub.clone(), query.to_owned());
        race.spawn(async move { (hub.to_string(), ask(&hub, &query).await) });
    }
    let (mut until, mut columns) = (Instant::now() + PATIENCE, Vec::new());
    while let Ok(Some(next)) = timeout_at(until, race.join_next()).await {
        match next {
            Ok((hub, Ok(page))) => {
                until = until.min(Instant::now() + GRACE);
                columns.push(page);
                answers.answered.push(hub);
            }
            Ok((hub, Err(error))) => answers.failed.push(Failed { hub, why: error.to_string() }),
            Err(_) => {}
        }
    }
    let silent = hubs.iter().take(MAX_HUBS).map(ToString::to_string);
    let silent: Vec<String> =
        silent.filter(|hub| !answers.answered.contains(hub) && !answers.failed.iter().any(|failed| failed.hub == *hub)).collect();
    answers.failed.extend(silent.into_iter().map(|hub| Failed { hub, why: "the hub is slow".to_owned() }));
    let mut once = Once::default();
    answers.told = by_turns(columns);
    answers.communities = answers.told.iter().filter(|found| once.is_new(found)).cloned().collect();
    answers
}

async fn ask(hub: &BaseUrl, query: &str) -> Result<Vec<Found>, HubError> {
    Ok(page(&client(PATIENCE)?, hub, &[("q", query)]).await?.0)
}

/// One page of what `hub` lists, and the cursor of the next.
pub(super) async fn page(client: &Client, hub: &BaseUrl, asked: &[(&str, &str)]) -> Result<(Vec<Found>, Option<String>), HubError> {
    let mut url = hub.below("api/v1/communities");
    url.query_pairs_mut().extend_pairs(asked).append_pair("limit", &PAGE.to_string());
    let answer = client.get(url).send().await.map_err(unreachable)?;
    if answer.status() != StatusCode::OK {
        return Err(refusal(answer).await);
    }
    let said = read_at_most(answer, MAX_PAGE).await?;
    let listed = said["communities"].as_array().ok_or(HubError::NoHub)?;
    let (name, at) = (hub.to_string(), UnixMillis::now());
    let found = listed.iter().take(PAGE).filter_map(Listing::read).map(|listing| Found { hub: name.clone(), at, listing });
    Ok((found.collect(), said["next"].as_str().filter(|next| next.len() <= MAX_CURSOR).map(str::to_owned)))
}
