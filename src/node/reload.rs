//! What a running node takes from a configuration that changed: by SIGHUP, or because an operator, its owner or a move asks for it. A bad
//! one changes nothing, and says so.

use std::sync::Arc;

use libp2p::PeerId;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::private::rendezvous_servers;
use crate::config::discovery::HUBS;
use crate::config::presence::RENDEZVOUS_WAN;
use crate::config::reload::{Reloaded, Wish};
use crate::config::{Config, Loaded, Secret};
use crate::peer::PeerHandle;
use crate::rendezvous::{Fresh, LIVE, Rendezvous};
use crate::superhub::{self, Alone};
use crate::systemd;

/// Keys whose change a peer applies at once.
const LIVE_IN_PEER: [&str; 6] = ["profile.label", "profile.email", "profile.share_email", RENDEZVOUS_WAN, HUBS, "viewer.theme"];
/// What a hub beside the board takes over at a restart only.
const KEPT_BY_HUB: [&str; 2] = ["http.external_url", "http.trusted_proxies"];
/// The section of what others see of the owner.
const PROFILE: &str = "profile.";
/// The section whose changes a node that hosts a rendezvous server applies at once.
const LISTING: &str = "listing.";

/// Reads the configuration of a node anew, and lets it count.
pub(super) struct Reloader {
    /// What it was started with, which counts for every key that is not taken over.
    started: Config,
    peer: Option<PeerHandle>,
    public: Option<Rendezvous>,
    hub: Option<Arc<Alone>>,
    /// What counts now, for whoever looks.
    current: watch::Sender<Loaded>,
}

impl Reloader {
    pub(super) fn new(
        current: watch::Sender<Loaded>,
        peer: Option<PeerHandle>,
        public: Option<Rendezvous>,
        hub: Option<Arc<Alone>>,
    ) -> Self {
        let started = current.borrow().config.clone();
        Self { started, peer, public, hub, current }
    }

    /// Grants each wish, until `stop`.
    pub(super) async fn run(self, mut wishes: mpsc::Receiver<Wish>, stop: CancellationToken) {
        let granting = async {
            while let Some(answer) = wishes.recv().await {
                systemd::reloading();
                let reloaded = self.reload().await;
                systemd::ready(&match &reloaded {
                    Ok(_) => "The configuration was read again".to_owned(),
                    Err(why) => format!("The configuration was not read again: {why}"),
                });
                let _ = answer.send(reloaded);
            }
        };
        stop.run_until_cancelled(granting).await;
    }

    /// Applies what can be applied of what the files say now, and says which changes wait for a restart; or why nothing changed.
    async fn reload(&self) -> Result<Reloaded, String> {
        let reloaded = match self.read().await {
            Ok(fresh) => self.take(fresh).await,
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

    async fn read(&self) -> Result<Loaded, String> {
        let loaded = self.current.borrow().clone();
        let read = spawn_blocking(move || loaded.again().map_err(|faults| faults.to_string()));
        read.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    async fn take(&self, fresh: Loaded) -> Result<Reloaded, String> {
        let before = self.current.borrow().config.clone();
        let reloaded = self.apply(&before, &fresh.config).await?;
        fresh.warnings.iter().for_each(|warning| warn!("{warning}"));
        self.current.send_replace(fresh);
        Ok(reloaded)
    }

    async fn apply(&self, before: &Config, fresh: &Config) -> Result<Reloaded, String> {
        let mut reloaded = Reloaded { applied: changed_keys(before, fresh), needs_restart: changed_keys(&self.started, fresh) };
        reloaded.applied.retain(|key| self.is_live(key));
        // A hub beside the board keeps the name that it was started with, and whose word it takes on who asks.
        let has_hub = self.started.superhub.enabled;
        reloaded.needs_restart.retain(|key| !self.is_live(key) || (has_hub && KEPT_BY_HUB.contains(&key.as_str())));
        if let Some(public) = &self.public {
            let partly = public.reload(&of_public(before, fresh)).map_err(|error| error.to_string())?;
            reloaded.needs_restart.extend(partly.into_iter().map(str::to_owned));
        }
        if let Some(hub) = &self.hub {
            hub.reload(new_password(before, fresh), &fresh.superhub.admin_peers).map_err(|error| error.to_string())?;
        }
        if let Some(peer) = &self.peer {
            if reloaded.applied.iter().any(|key| key == RENDEZVOUS_WAN) {
                peer.rendezvous_changed(rendezvous_servers(fresh, self.public.as_ref())).await;
            }
            if reloaded.applied.iter().any(|key| key.starts_with(PROFILE)) {
                peer.name_changed(fresh.profile.label_or_id(&peer.peer_id()), fresh.profile.shared_email().map(str::to_owned)).await;
            }
        }
        Ok(reloaded)
    }

    fn is_live(&self, key: &str) -> bool {
        (self.hub.is_some() && superhub::LIVE.contains(&key))
            || (self.peer.is_some() && LIVE_IN_PEER.contains(&key))
            || (self.public.is_some() && (key.starts_with(LISTING) || LIVE.contains(&key)))
    }
}

/// The password, where it is another than before: one that stays the same puts nobody out.
fn new_password<'a>(before: &Config, fresh: &'a Config) -> Option<&'a Secret> {
    Some(&fresh.presence.admin_password).filter(|password| **password != before.presence.admin_password)
}

fn of_public(before: &Config, fresh: &Config) -> Fresh {
    let password = new_password(before, fresh).cloned();
    let peers: Vec<PeerId> = fresh.superhub.admin_peers.clone();
    Fresh { http: fresh.http.clone(), allow_unsigned: fresh.presence.allow_unsigned, password, peers }
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
        assert!(LIVE.iter().chain(&LIVE_IN_PEER).chain(&superhub::LIVE).all(|live| keys.iter().any(|key| key == live)));
    }
}
