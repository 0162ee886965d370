//! What a running node takes from a configuration that changed.

use tokio::sync::watch;
use tracing::{info, warn};

use crate::config::listing::ListingConfig;
use crate::config::{Config, Loaded};
use crate::peer::PeerHandle;

/// Keys whose change is applied at once; every other key waits for the next start.
const LIVE: [&str; 3] = ["profile.label", "profile.email", "profile.share_email"];
/// The section whose keys are applied at once too, peer or not.
const LIVE_SECTION: &str = "listing.";

/// Applies what can be applied of `fresh`, and says which changes wait for the next start.
pub async fn reload(current: &Loaded, fresh: &Loaded, peer: Option<&PeerHandle>, listing: &watch::Sender<ListingConfig>) {
    let (live, waiting): (Vec<_>, Vec<_>) = changed_keys(&current.config, &fresh.config)
        .into_iter()
        .partition(|key| key.starts_with(LIVE_SECTION) || (peer.is_some() && LIVE.contains(&key.as_str())));
    listing.send_if_modified(|known| std::mem::replace(known, fresh.config.listing.clone()) != fresh.config.listing);
    if let Some(peer) = peer.filter(|_| live.iter().any(|key| LIVE.contains(&key.as_str()))) {
        let profile = &fresh.config.profile;
        peer.name_changed(profile.label_or_id(&peer.peer_id()), profile.shared_email().map(str::to_owned)).await;
    }
    info!(applied = ?live, "the configuration was read again");
    if !waiting.is_empty() {
        warn!(keys = ?waiting, "these changes wait for the next start");
    }
}

/// A secret is shown as set or not, so its value is compared beside that.
fn changed_keys(current: &Config, fresh: &Config) -> Vec<String> {
    let shown = |config: &Config, key| config.show(key).map(|value| value.to_string());
    let another_password = current.presence.admin_password != fresh.presence.admin_password;
    let changed = |path: &str| another_password && path == "presence.admin_password";
    let keys = Config::keys();
    keys.iter().filter(|key| shown(current, key) != shown(fresh, key) || changed(&key.path())).map(|key| key.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    #[test]
    fn every_change_is_noticed_secrets_included() {
        let (current, mut fresh) = (Config::default(), Config::default());
        assert!(changed_keys(&current, &fresh).is_empty());
        fresh.p2p.listen_port = 4001;
        fresh.presence.admin_password = Secret::new("one");
        let mut again = fresh.clone();
        assert_eq!(changed_keys(&current, &fresh), ["p2p.listen_port", "presence.admin_password"]);
        again.presence.admin_password = Secret::new("other");
        assert_eq!(changed_keys(&fresh, &again), ["presence.admin_password"]);
    }
}
