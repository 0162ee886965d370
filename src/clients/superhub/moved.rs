//! A community that moved is passed on to the hub that told of it, which then looks at its old place sooner than it would have. The hub believes
//! nobody's word: it is told which listing, and nothing else.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::debug;

use super::kept::{Found, all};
use super::{HubError, client, refusal, unreachable};
use crate::config::DataDir;
use crate::config::base_url::BaseUrl;

/// How long a hub may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// All members hear of a move in the same second, and are not to call their hub in the same second.
const SPREAD: Duration = Duration::from_secs(20);
/// Listings of one address that are passed on.
const MOST: usize = 4;

/// Tells those of `hubs` that list the community at `from`, as far as `data` knows; once, and whether they hear it or not.
pub async fn pass_on(data: DataDir, hubs: Vec<BaseUrl>, from: BaseUrl) {
    let kept = spawn_blocking(move || all(&data).into_iter().filter(|found| is_at(found, &from)).take(MOST).collect::<Vec<_>>());
    let Ok(listed) = kept.await else { return };
    for (hub, found) in listed.iter().filter_map(|found| Some((hubs.iter().find(|hub| hub.to_string() == found.hub)?, found))) {
        sleep(SPREAD.mul_f64(rand::random())).await;
        match tell(hub, found).await {
            Ok(()) => debug!(%hub, "a community moved, and its hub was told"),
            Err(error) => debug!(%hub, %error, "a community moved, and its hub could not be told"),
        }
    }
}

/// Whether this listing is of the community at `place`, a member's personal URL or not.
fn is_at(found: &Found, place: &BaseUrl) -> bool {
    let bare = |path: &str| path.split("/m/").next().unwrap_or_default().trim_end_matches('/').to_owned();
    let same = |url: &reqwest::Url| url.origin() == place.url().origin() && bare(url.path()) == bare(place.url().path());
    found.listing.rendezvous.urls().iter().any(same)
}

async fn tell(hub: &BaseUrl, found: &Found) -> Result<(), HubError> {
    let look = hub.below(&format!("api/v1/communities/{}/check", found.listing.id));
    let answer = client(PATIENCE)?.post(look).send().await.map_err(unreachable)?;
    if answer.status().is_success() { Ok(()) } else { Err(refusal(answer).await) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::listing::Listing;
    use super::*;
    use crate::clock::UnixMillis;

    #[test]
    fn a_member_s_own_url_is_that_of_the_community() {
        let said = json!({ "id": "a".repeat(26), "community": "Go", "rendezvous": "rv.example:8787", "type": "open" });
        let mut found = Found { hub: "h".into(), at: UnixMillis(0), listing: Listing::read(&said).unwrap() };
        let at = |found: &Found, url: &str| is_at(found, &BaseUrl::parse(url).unwrap());
        assert!(at(&found, "http://rv.example:8787/") && at(&found, "https://rv.example:8787"));
        assert!(!at(&found, "http://rv.example:8787/c/x") && !at(&found, "http://rv.example"));
        found.listing.rendezvous = crate::proto::directory::Endpoint::parse("https://rv.example/c/go").unwrap();
        assert!(at(&found, "https://rv.example/c/go/m/secret"));
        assert!(!at(&found, "https://rv.example/c/gone"));
    }
}
