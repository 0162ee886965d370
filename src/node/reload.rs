//! What a running node takes from a configuration that changed: by SIGHUP, or because an operator asks for it. A bad one changes
//! nothing, and says so.

use libp2p::PeerId;
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::rendezvous_servers;
use crate::config::{Config, Loaded};
use crate::peer::PeerHandle;
use crate::rendezvous::{Fresh, LIVE, ReloadAnswer, Reloaded, Rendezvous};

/// Keys whose change a peer applies at once.
const LIVE_IN_PEER: [&str; 6] = ["profile.label", "profile.email", "profile.share_email", SERVERS, HUBS, "viewer.theme"];
/// Which hubs a peer asks.
const HUBS: &str = "discovery.hubs";
/// Which servers a peer is on.
const SERVERS: &str = "presence.rendezvous_wan";

/// Under which name others reach the public roles.
const NAME: &str = "http.external_url";
/// The section of what others see of the owner.
const PROFILE: &str = "profile.";
/// The section whose changes a node that hosts a rendezvous server applies at once.
const LISTING: &str = "listing.";

/// A node that can be told to read its configuration anew.
pub struct Reloader {
    /// What it was started with, which counts for every key that is not taken over.
    started: Config,
    /// What counts now.
    current: Config,
    peer: Option<PeerHandle>,
    public: Option<Rendezvous>,
    /// Tells whoever reads the configuration for himself.
    told: watch::Sender<Loaded>,
    /// Operators, and the viewer's owner, that ask for it.
    pub asked: mpsc::Receiver<ReloadAnswer>,
}

impl Reloader {
    pub(super) fn new(
        loaded: &Loaded,
        peer: Option<PeerHandle>,
        public: Option<Rendezvous>,
        told: watch::Sender<Loaded>,
        asked: mpsc::Receiver<ReloadAnswer>,
    ) -> Self {
        let config = loaded.config.clone();
        Self { started: config.clone(), current: config, peer, public, told, asked }
    }

    /// Applies what can be applied of a configuration that was read, and says which changes wait for a restart; or why it could not be
    /// read, and that nothing changed.
    ///
    /// # Errors
    /// Why nothing changed.
    pub async fn reload(&mut self, read: Result<Loaded, String>) -> Result<Reloaded, String> {
        let reloaded = match read {
            Ok(fresh) => {
                let reloaded = self.apply(&fresh.config).await;
                if reloaded.is_ok() {
                    fresh.warnings.iter().for_each(|warning| warn!("{warning}"));
                    self.told.send_replace(fresh);
                }
                reloaded
            }
            Err(why) => Err(why),
        };
        match &reloaded {
            Ok(Reloaded { applied, needs_restart }) => {
                info!(?applied, "the configuration was read again");
                if !needs_restart.is_empty() {
                    warn!("needs a restart: {}", needs_restart.join(", "));
                }
            }
            Err(error) => warn!(error, "the configuration was not read again; nothing changed"),
        }
        reloaded
    }

    async fn apply(&mut self, fresh: &Config) -> Result<Reloaded, String> {
        let mut reloaded = Reloaded { applied: changed_keys(&self.current, fresh), needs_restart: changed_keys(&self.started, fresh) };
        reloaded.applied.retain(|key| self.is_live(key));
        // A hub beside the board keeps the name that it was started with.
        let keeps_name = self.started.superhub.enabled;
        reloaded.needs_restart.retain(|key| !self.is_live(key) || (keeps_name && key == NAME));
        if let Some(public) = &self.public {
            let partly = public.reload(&self.of_public(fresh)).map_err(|error| error.to_string())?;
            reloaded.needs_restart.extend(partly.into_iter().map(str::to_owned));
        }
        let of_peer = reloaded.applied.iter().any(|key| LIVE_IN_PEER.contains(&key.as_str()));
        if let Some(peer) = self.peer.as_ref().filter(|_| of_peer) {
            if reloaded.applied.iter().any(|key| key == SERVERS) {
                peer.rendezvous_changed(rendezvous_servers(fresh, self.public.as_ref())).await;
            }
            if reloaded.applied.iter().any(|key| key.starts_with(PROFILE)) {
                peer.name_changed(fresh.profile.label_or_id(&peer.peer_id()), fresh.profile.shared_email().map(str::to_owned)).await;
            }
        }
        self.current = fresh.clone();
        Ok(reloaded)
    }

    fn is_live(&self, key: &str) -> bool {
        (self.peer.is_some() && LIVE_IN_PEER.contains(&key)) || (self.public.is_some() && (key.starts_with(LISTING) || LIVE.contains(&key)))
    }

    /// A password that stays the same puts nobody out.
    fn of_public(&self, fresh: &Config) -> Fresh {
        let password = &fresh.presence.admin_password;
        let password = (*password != self.current.presence.admin_password).then(|| password.clone());
        let peers: Vec<PeerId> = fresh.superhub.admin_peers.clone();
        Fresh { http: fresh.http.clone(), allow_unsigned: fresh.presence.allow_unsigned, password, peers }
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

    #[test]
    fn every_key_that_is_taken_over_exists() {
        let keys: Vec<String> = Config::keys().iter().map(|key| key.path()).collect();
        assert!(LIVE.iter().chain(&LIVE_IN_PEER).all(|live| keys.iter().any(|key| key == live)));
    }
}
