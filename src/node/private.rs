//! What of a node is its owner's alone: the peer, and the viewer before it. A node that only serves others has neither.

use std::io;
use std::path::Path;

use bytes::Bytes;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::public::{House, Public};
use super::{NodeError, Ready, moves, relay};
use crate::clients::superhub::keep_known;
use crate::config::base_url::BaseUrl;
use crate::config::files::read_bounded;
use crate::config::reload::ReloadHandle;
use crate::config::{Config, DataDir, Loaded};
use crate::identity::Identity;
use crate::p2p::nat;
use crate::p2p::relay::{Guests, RelayHandle};
use crate::peer::files::Folders;
use crate::peer::{self, PeerError, PeerHandle, Profile};
use crate::rendezvous::Rendezvous;
use crate::shutdown::Tasks;
use crate::telemetry::Metrics;
use crate::viewer::{self, MAX_OWN_AVATAR, Viewer};

/// What runs of it.
pub(super) struct Private {
    /// The node, as far as it can be told by now.
    pub(super) ready: Ready,
    pub(super) peer: Option<PeerHandle>,
    /// What a request to the viewer must carry that changes state.
    pub(super) token: Option<String>,
    /// The relay that a board of this node names.
    pub(super) relay: Option<RelayHandle>,
}

impl Private {
    /// Starts what the configuration switches on, which is read anew by `reload` and then stands in `current`.
    pub(super) async fn open(
        house: &House<'_>,
        public: &Public,
        current: &watch::Receiver<Loaded>,
        reload: &ReloadHandle,
        tasks: &mut Tasks,
    ) -> Result<Self, NodeError> {
        let guests = public.board.as_ref().map(Rendezvous::guests);
        if house.loaded.config.presence.rendezvous_only {
            return Self::without_peer(house, guests, tasks).await;
        }
        let (loaded, identity, stop) = (house.loaded, house.identity, || house.stop.child_token());
        let servers = rendezvous_servers(&loaded.config, public.board.as_ref());
        let (nat, relay) = relay::of_peer(&loaded.config.p2p, identity, guests);
        let peer = peer::start(peer_options(loaded, identity, servers, nat), house.metrics, tasks, stop()).await?;
        tasks.spawn("moves", moves::write_down(peer.clone(), current.clone(), reload.clone(), stop()));
        let options = viewer_options(current.clone(), reload.clone(), public.local());
        let viewer = open_viewer(options, &peer, house.metrics.clone(), tasks, stop())?;
        let me = peer.me().await.map_err(|_| PeerError::Ended)?;
        tasks.spawn("communities", keep_known(current.clone(), loaded.data.known_communities(), stop()));
        let ready = Ready::of(&identity.peer_id()).with_peer(&me, viewer.as_ref().map(Viewer::url));
        let token = viewer.as_ref().map(|viewer| viewer.token().to_owned());
        Ok(Self { ready, peer: Some(peer), token, relay })
    }

    async fn without_peer(house: &House<'_>, guests: Option<Guests>, tasks: &mut Tasks) -> Result<Self, NodeError> {
        let relay = relay::without_peer(house.loaded, house.identity, guests, tasks, house.stop).await?;
        let ready = Ready::of(&house.identity.peer_id());
        let ready = if house.loaded.config.p2p.relay_server { ready.with_relay(relay.as_ref()) } else { ready };
        Ok(Self { ready, peer: None, token: None, relay })
    }
}

/// The servers that are configured, and the one of this node, which stands before them.
pub(super) fn rendezvous_servers(config: &Config, own: Option<&Rendezvous>) -> Vec<BaseUrl> {
    let own = own.and_then(|own| BaseUrl::parse(&own.local_url()).ok());
    own.into_iter().chain(config.presence.rendezvous_wan.iter().cloned()).collect()
}

fn peer_options(loaded: &Loaded, identity: &Identity, rendezvous: Vec<BaseUrl>, nat: nat::Options) -> peer::Options {
    let config = &loaded.config;
    peer::Options {
        key: identity.keypair.clone(),
        profile: Profile {
            label: config.profile.label_or_id(&identity.peer_id()),
            email: config.profile.shared_email().map(str::to_owned),
            avatar: avatar(&loaded.data),
        },
        site_root: loaded.data.site(config),
        memory: loaded.data.database(),
        folders: Folders { downloads: loaded.data.downloads(config), spool: loaded.data.spool() },
        listen_port: config.p2p.listen_port,
        loopback_only: config.p2p.loopback_only,
        mdns_tag: config.discovery.mdns.then(|| config.p2p.mdns_tag.as_str().to_owned()),
        topic: config.presence.topic.as_str().to_owned(),
        ttl: config.presence.ttl_seconds,
        heartbeat: config.presence.heartbeat_seconds,
        rendezvous,
        nat,
    }
}

/// The avatar on disk, one's own or goop2's; one that cannot be read is as good as none.
fn avatar(data: &DataDir) -> Option<Bytes> {
    let read = |path: &Path| match read_bounded(path, MAX_OWN_AVATAR) {
        Ok(bytes) => Some(Bytes::from(bytes)),
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                warn!(path = %path.display(), %error, "the avatar cannot be read");
            }
            None
        }
    };
    read(&data.avatar()).or_else(|| read(&data.goop2_avatar()?))
}

/// What a node with a viewer is called.
fn roles(config: &Config) -> Vec<&'static str> {
    let all = [
        ("peer", true),
        ("relay", config.p2p.relay_server),
        ("rendezvous server", config.presence.rendezvous_host),
        ("super hub", config.superhub.enabled),
    ];
    all.into_iter().filter_map(|(role, is_on)| is_on.then_some(role)).collect()
}

fn viewer_options(current: watch::Receiver<Loaded>, reload: ReloadHandle, local: Option<String>) -> Option<viewer::Options> {
    let loaded = current.borrow().clone();
    let addr = loaded.config.viewer.http_addr.get()?;
    let (explicit, roles) = (loaded.is_explicit("viewer.http_addr"), roles(&loaded.config));
    Some(viewer::Options { addr, explicit, roles, local, current, reload: Some(reload), ..viewer::Options::new(&loaded) })
}

fn open_viewer(
    options: Option<viewer::Options>,
    peer: &PeerHandle,
    metrics: Metrics,
    tasks: &mut Tasks,
    stop: CancellationToken,
) -> Result<Option<Viewer>, NodeError> {
    let Some(options) = options else { return Ok(None) };
    let counters = options.metrics.clone();
    metrics.register("viewer_http", |room| counters.register(room));
    Ok(Some(Viewer::bind(options, peer.clone(), move || metrics.text(), tasks, stop)?))
}
