//! What each hub lists is fetched now and then, so that it can be searched when no hub answers: the first [`MOST`] listings of each, page
//! by page and unhurried. A hub that does not answer costs nothing of what it said before; what it has removed is forgotten within days.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::client;
use super::find::{MAX_HUBS, PAGE, PATIENCE, page};
use super::kept::{Found, MAX_KNOWN, read, write};
use crate::clock::UnixMillis;
use crate::config::Loaded;
use crate::config::base_url::BaseUrl;

/// Listings that are kept of each hub.
pub const MOST: usize = 5000;
/// Before the first fetch, at most.
const FIRST: Duration = Duration::from_secs(4);
/// Between two fetches, more or less.
const EVERY: Duration = Duration::from_secs(6 * 3600);
/// The same where no hub answered.
const AGAIN: Duration = Duration::from_secs(600);
/// How long what a hub no longer lists is kept, in milliseconds: a week, in which one that has lost its listings gets them back.
const REMOVED: u64 = 7 * 86_400_000;
/// Between two pages of one hub.
const PAUSE: Duration = Duration::from_millis(250);

/// Keeps the file at `path` as new as the hubs of the configuration are, which may become others meanwhile, until `stop`.
pub async fn keep_known(mut current: watch::Receiver<Loaded>, path: PathBuf, stop: CancellationToken) {
    let work = async {
        loop {
            let hubs = current.borrow_and_update().config.discovery.hubs.clone();
            tokio::select! {
                () = keep_on(&hubs, &path) => {}
                Ok(_) = current.wait_for(|fresh| fresh.config.discovery.hubs != hubs) => {}
            }
        }
    };
    stop.run_until_cancelled(work).await;
}

async fn keep_on(hubs: &[BaseUrl], path: &Path) {
    if hubs.is_empty() {
        return std::future::pending().await;
    }
    sleep(FIRST.mul_f64(rand::random())).await;
    loop {
        let answered = refresh(hubs, path).await.unwrap_or_else(|error| {
            warn!(path = %path.display(), %error, "what the hubs list cannot be kept");
            false
        });
        // A thousand peers that started together do not ask together.
        sleep(if answered { EVERY } else { AGAIN }.mul_f64(0.75 + rand::random::<f64>() / 2.0)).await;
    }
}

/// Fetches what each hub lists; answers whether any did.
async fn refresh(hubs: &[BaseUrl], path: &Path) -> io::Result<bool> {
    let mut fetched = Vec::new();
    for hub in hubs.iter().take(MAX_HUBS) {
        fetched.push((hub.to_string(), fetch(hub).await));
    }
    let answered = fetched.iter().any(|(_, fetched)| !fetched.listed.is_empty());
    if answered {
        let (path, now) = (path.to_owned(), UnixMillis::now());
        tokio::task::spawn_blocking(move || merge(fetched, &path, now)).await.map_err(io::Error::other)??;
    }
    Ok(answered)
}

/// What a hub said.
#[derive(Debug, Default)]
struct Fetched {
    listed: Vec<Found>,
    /// Whether that is all that it lists.
    whole: bool,
}

/// The first listings of `hub`, as far as it answers.
async fn fetch(hub: &BaseUrl) -> Fetched {
    let (mut fetched, mut cursor) = (Fetched::default(), String::new());
    let Ok(client) = client(PATIENCE) else { return fetched };
    for _ in 0..MOST / PAGE {
        match page(&client, hub, &[("cursor", &cursor)]).await {
            Ok((found, next)) => {
                fetched.listed.extend(found);
                cursor = next.unwrap_or_default();
                fetched.whole = cursor.is_empty();
            }
            Err(error) => {
                debug!(%hub, %error, "a hub does not tell what it lists");
                break;
            }
        }
        if cursor.is_empty() {
            break;
        }
        sleep(PAUSE).await;
    }
    fetched
}

/// Of each hub what it says now, then what it said before and may still list; each has the same share of the file.
fn merge(fetched: Vec<(String, Fetched)>, path: &Path, now: UnixMillis) -> io::Result<()> {
    let (before, mut columns) = (read(path, MAX_KNOWN), Vec::new());
    for (hub, Fetched { mut listed, whole }) in fetched {
        let counts = |found: &&Found| found.hub == hub && (!whole || now.0.saturating_sub(found.at.0) < REMOVED);
        listed.extend(before.iter().filter(counts).cloned());
        listed.truncate(MOST);
        columns.push(listed);
    }
    let longest = columns.iter().map(Vec::len).max().unwrap_or_default();
    let by_turns = (0..longest).flat_map(|at| columns.iter().filter_map(move |column| column.get(at)));
    write(path, by_turns, MAX_KNOWN)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::listing::Listing;
    use super::*;
    use crate::proto::directory::ListingId;

    fn found(number: u8, at: u64) -> Found {
        let id = ListingId::from_bytes([number; 16]).to_string();
        let said = json!({ "id": id, "community": "Club", "rendezvous": "https://rv.example", "type": "open" });
        Found { hub: "https://hub.example/".into(), at: UnixMillis(at), listing: Listing::read(&said).unwrap() }
    }

    /// A trap that a hub's operator has removed does not stay in the search of everybody who once heard of it.
    #[test]
    fn attack_what_a_hub_has_removed_is_not_kept_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("communities.ndjson");
        let now = 100 * 86_400_000;
        let kept = |listed: Vec<Found>, whole| {
            merge(vec![("https://hub.example/".into(), Fetched { listed, whole })], &path, UnixMillis(now)).unwrap();
            read(&path, MAX_KNOWN).iter().map(|found| found.listing.id.as_bytes()[0]).collect::<Vec<_>>()
        };
        let (fresh, lately, long_ago) = (found(1, now), found(2, now - REMOVED / 2), found(3, now - REMOVED));
        assert_eq!(kept(vec![fresh.clone(), lately, long_ago], false), [1, 2, 3]);
        assert_eq!(kept(vec![fresh.clone()], false), [1, 2, 3], "a hub that broke off may still list it");
        assert_eq!(kept(vec![fresh], true), [1, 2]);
    }
}
