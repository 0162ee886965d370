//! Keeps a server listed: each hub is asked every third of the lease that it gives, sooner where it failed, later each time that it refuses.

use std::time::Duration;

use libp2p::identity::Keypair;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{HubClient, HubError, Registered, draft};
use crate::config::Loaded;
use crate::config::base_url::BaseUrl;

/// Between two questions while the hub's operator has not decided.
const UNDECIDED: Duration = Duration::from_secs(300);
/// Before the second question to a hub that failed or refused; doubles up to [`PATIENCE`].
const AGAIN: Duration = Duration::from_secs(15);
/// The longest wait after a failure.
const PATIENCE: Duration = Duration::from_secs(3600);
/// The shortest wait, whatever a hub says.
const SHORTEST: Duration = Duration::from_secs(5);

/// Keeps the board that others reach at `board()` listed as the configuration says, until `stop`. Both may change meanwhile, and whatever
/// else of the configuration changes does not make it ask again.
pub async fn keep_listed(
    mut current: watch::Receiver<Loaded>,
    board: impl Fn() -> String + Send + Sync,
    key: Keypair,
    stop: CancellationToken,
) {
    loop {
        let mut hubs = JoinSet::new();
        let (listing, place) = (current.borrow_and_update().config.listing.clone(), board());
        if let Some(draft) = draft(&listing, &place) {
            for hub in &listing.hubs {
                hubs.spawn(keep_on(hub.clone(), draft.clone(), key.clone()));
            }
        }
        let changed = async { current.wait_for(|fresh| fresh.config.listing != listing || board() != place).await.map(drop) };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = changed => if changed.is_err() {
                return stop.cancelled().await;
            }
        }
    }
}

async fn keep_on(hub: BaseUrl, draft: Value, key: Keypair) {
    let client = match HubClient::new(hub.clone(), key) {
        Ok(client) => client,
        Err(error) => return warn!(%hub, %error, "this server cannot be listed"),
    };
    let (mut failures, mut last) = (0, String::new());
    loop {
        let (wait, said) = match client.register(&draft).await {
            Ok(Registered::Listed { id, lease }) => {
                failures = 0;
                (lease / 3, format!("listed as {id}"))
            }
            Ok(Registered::Waiting) => (UNDECIDED, "waits for the hub's operator".to_owned()),
            Err(error) => {
                failures += 1;
                (wait_after(&error, failures), error.to_string())
            }
        };
        // A hub that says the same again is not news.
        if said != last {
            if failures > 0 {
                warn!(%hub, said, "this server is not listed")
            } else {
                info!(%hub, said, "this server on a super hub")
            }
            last = said;
        }
        sleep(wait.max(SHORTEST).mul_f64(rand::random_range(0.9..1.0))).await;
    }
}

fn wait_after(error: &HubError, failures: u32) -> Duration {
    let told = if let HubError::Refused { retry_after, .. } = error { *retry_after } else { None };
    let doubled = AGAIN.saturating_mul(1 << failures.saturating_sub(1).min(10));
    told.unwrap_or_default().max(doubled).min(PATIENCE)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;
    use crate::config::{Config, Sources};

    #[tokio::test]
    async fn a_server_that_is_reached_elsewhere_tells_its_hubs_and_any_other_change_does_not() {
        let hub = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let set = [format!("listing.hubs=[\"http://{}\"]", hub.local_addr().unwrap()), "listing.name=\"Chess\"".to_owned()].to_vec();
        let folder = tempfile::TempDir::new().unwrap();
        let loaded = Config::load(&Sources { data: Some(folder.path().to_owned()), set, ..Sources::default() }).unwrap();
        let (change, current) = watch::channel(loaded);
        let (place, stop) = (Arc::new(Mutex::new("http://old.example".to_owned())), CancellationToken::new());
        let (board, (called, mut calls)) = (place.clone(), watch::channel(0));
        let board = move || {
            called.send_modify(|calls| *calls += 1);
            board.lock().unwrap().clone()
        };
        let listed = tokio::spawn(keep_listed(current, board, Keypair::generate_ed25519(), stop.clone()));
        let asked = async || timeout(Duration::from_secs(10), hub.accept()).await.map(drop);
        asked().await.unwrap();
        let before = *calls.borrow_and_update();
        change.send_modify(|loaded| loaded.config.presence.allow_unsigned = false);
        let looked = *calls.wait_for(|calls| *calls > before).await.unwrap();
        assert_eq!(looked, before + 1, "another setting is looked at once, and is no reason to begin anew");
        *place.lock().unwrap() = "http://new.example".to_owned();
        change.send_modify(|loaded| loaded.config.presence.allow_unsigned = true);
        asked().await.expect("the hub is told of the new place");
        stop.cancel();
        listed.await.unwrap();
    }

    #[test]
    fn a_hub_that_fails_is_asked_more_and_more_seldom() {
        let gone = HubError::NoHub;
        let waits: Vec<u64> = (1..=12).map(|failures| wait_after(&gone, failures).as_secs()).collect();
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600, 3600]);
        let busy = HubError::Refused { status: 429, detail: String::new(), retry_after: Some(Duration::from_secs(90)) };
        assert_eq!(wait_after(&busy, 1).as_secs(), 90);
        let endless = HubError::Refused { status: 503, detail: String::new(), retry_after: Some(Duration::MAX) };
        assert_eq!(wait_after(&endless, 1), PATIENCE);
    }
}
