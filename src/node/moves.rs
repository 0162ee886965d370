//! A community that moved is written down where its owner would look for it: in the configuration file, its comments kept. So it is found
//! after a restart too, when nobody answers at the old place any more.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::clients::rendezvous::Place;
use crate::clients::rendezvous::membership::{self, MembershipError};
use crate::config::Loaded;
use crate::config::base_url::BaseUrl;
use crate::config::reload::{Applied, ReloadHandle};
use crate::peer::PeerHandle;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Writes moves down, and has what is written applied, until `stop`.
pub async fn write_down(peer: PeerHandle, started: Loaded, reload: ReloadHandle, stop: CancellationToken) {
    let looking = async {
        let mut known: Vec<(BaseUrl, BaseUrl)> = Vec::new();
        loop {
            sleep(EVERY).await;
            let moves = peer.moves().await;
            let fresh: Vec<_> = moves.iter().filter(|one| !known.contains(one)).cloned().collect();
            known = moves;
            for (from, to) in fresh {
                let place = Place::new(to.clone()).name();
                match note(&started, from, to).await {
                    Ok(true) => {
                        info!(place, "a community moved, and that was written down");
                        if reload.ask().await == Applied::NotTold {
                            debug!("nobody applies what was written down");
                        }
                    }
                    Ok(false) => {}
                    Err(why) => info!(place, why, "a community moved; it is followed, and not written down"),
                }
            }
        }
    };
    stop.run_until_cancelled(looking).await;
}

async fn note(started: &Loaded, from: BaseUrl, to: BaseUrl) -> Result<bool, String> {
    let started = started.clone();
    let noted = spawn_blocking(move || {
        let loaded = started.again().map_err(|faults| faults.to_string())?;
        membership::follow(&loaded, &from, &to).map_err(|error: MembershipError| error.to_string())
    });
    noted.await.unwrap_or(Ok(false))
}
