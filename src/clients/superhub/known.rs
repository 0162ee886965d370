//! What each hub lists is fetched now and then, so that it can be searched when no hub answers: the first [`MOST`] listings of each, page
//! by page and unhurried. A hub that does not answer costs nothing of what it said before.

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
    let answered = fetched.iter().any(|(_, listed)| !listed.is_empty());
    if answered {
        let path = path.to_owned();
        tokio::task::spawn_blocking(move || merge(fetched, &path)).await.map_err(io::Error::other)??;
    }
    Ok(answered)
}

/// The first listings of `hub`, as far as it answers.
async fn fetch(hub: &BaseUrl) -> Vec<Found> {
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    let Ok(client) = client(PATIENCE) else { return listed };
    for _ in 0..MOST / PAGE {
        match page(&client, hub, &[("cursor", &cursor)]).await {
            Ok((found, next)) => {
                listed.extend(found);
                cursor = next.unwrap_or_default();
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
    listed
}

/// Of each hub what it says now, then what it said before; each has the same share of the file.
fn merge(fetched: Vec<(String, Vec<Found>)>, path: &Path) -> io::Result<()> {
    let (before, mut columns) = (read(path, MAX_KNOWN), Vec::new());
    for (hub, mut listed) in fetched {
        listed.extend(before.iter().filter(|found| found.hub == hub).cloned());
        listed.truncate(MOST);
        columns.push(listed);
    }
    let longest = columns.iter().map(Vec::len).max().unwrap_or_default();
    let by_turns = (0..longest).flat_map(|at| columns.iter().filter_map(move |column| column.get(at)));
    write(path, by_turns, MAX_KNOWN)
}
