//! What a running node takes from a configuration that changed.

use tracing::{info, warn};

use crate::config::{Config, Loaded};
use crate::peer::PeerHandle;
use crate::rendezvous::Rendezvous;

/// Keys of the peer whose change is applied at once; every other key waits for the next start.
const PROFILE: [&str; 3] = ["profile.label", "profile.email", "profile.share_email"];
/// Keys of the public roles whose change is applied at once.
const OPERATORS: [&str; 2] = ["presence.admin_password", "superhub.admin_peers"];

/// The parts of a running node that take changes.
#[derive(Clone)]
pub struct Reloadable {
    /// The peer.
    pub(super) peer: Option<PeerHandle>,
    /// The rendezvous server.
    pub(super) public: Option<Rendezvous>,
}

impl Reloadable {
    /// Applies what can be applied of `fresh`, and says which changes wait for the next start.
    pub async fn reload(&self, current: &Loaded, fresh: &Loaded) {
        let changed = changed_keys(&current.config, &fresh.config);
        let among = |live: &[&str]| changed.iter().any(|key| live.contains(&key.as_str()));
        let mut applied: Vec<&str> = Vec::new();
        if let Some(peer) = self.peer.as_ref().filter(|_| among(&PROFILE)) {
            let profile = &fresh.config.profile;
            peer.name_changed(profile.label_or_id(&peer.peer_id()), profile.shared_email().map(str::to_owned)).await;
            applied.extend(PROFILE);
        }
        if let Some(public) = self.public.as_ref().filter(|_| among(&OPERATORS)) {
            match public.change_operators(&fresh.config.presence.admin_password, fresh.config.superhub.admin_peers.clone()) {
                Ok(()) => applied.extend(OPERATORS),
                Err(error) => warn!(%error, "presence.admin_password cannot be used; the operators stay who they were"),
            }
        }
        tell(&changed, &applied);
    }
}

fn tell(changed: &[String], applied: &[&str]) {
    let (live, waiting): (Vec<_>, Vec<_>) = changed.iter().partition(|key| applied.contains(&key.as_str()));
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
