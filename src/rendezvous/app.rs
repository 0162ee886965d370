//! What all handlers share, and how it begins.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, RwLock};

use axum::http::HeaderMap;
use libp2p::PeerId;
use tokio::sync::Semaphore;
use tracing::warn;

use super::communities::AT_STORE;
use super::settings::Settings;
use super::sharing::Sharing;
use super::store::{Entered, Entrant};
use super::{Boards, Journal, Options, RendezvousError, RendezvousMetrics, Store, StoreError, admin, hours};
use crate::clock::Moment;
use crate::http::auth::AdminDoor;
use crate::http::client_ip::{UnnamedProxy, is_forwarded};
use crate::http::limit::{PublishLimit, PublishRates, StreamGate, StreamLimits};
use crate::p2p::relay::RelayHandle;
use crate::proto::binding::Bindings;
use crate::proto::signed::Epoch;
use crate::telemetry::Metrics;

/// What all handlers share.
pub(crate) struct App {
    /// Who the server is.
    pub(crate) server: PeerId,
    /// The boards of all communities.
    pub(crate) boards: Boards,
    /// Who may change whose presence; all communities share it.
    pub(crate) bindings: Mutex<Bindings>,
    /// The random number of this start that signed messages carry.
    pub(crate) epoch: Epoch,
    /// How often anybody may publish.
    pub(crate) publish_limit: Mutex<PublishLimit>,
    /// Who gets an event stream.
    pub(crate) streams: Arc<StreamGate>,
    /// What may change while it runs.
    pub(super) settings: RwLock<Arc<Settings>>,
    /// Whether a proxy that nobody named stands before the server.
    pub(crate) unnamed_proxy: UnnamedProxy,
    /// Communities, members and bans.
    pub(crate) store: Store,
    /// Held while doors open and close: an older register never counts after a newer one.
    pub(super) doors: Mutex<()>,
    /// Turns of visitors at the store.
    pub(super) at_store: Arc<Semaphore>,
    /// What other instances over the same database are told.
    pub(super) sharing: Sharing,
    /// When the database was last asked whether it works, and what it said.
    pub(super) probed: tokio::sync::Mutex<Option<(Moment, Option<String>)>>,
    /// Who may operate; other public roles beside this one have the same door.
    pub(crate) door: Arc<AdminDoor>,
    /// The public roles of this server.
    pub(crate) roles: Vec<&'static str>,
    /// The relay that is named to peers.
    pub(crate) relay: OnceLock<RelayHandle>,
    /// Whether publishing rests until the operator resumes it.
    pub(crate) standby: AtomicBool,
    /// How the server behaves.
    pub(crate) options: Options,
    /// What happened last, for the operator.
    pub(crate) journal: Journal,
    /// How many were here over the last hour.
    pub(crate) hours: hours::Hours,
    /// What is counted.
    pub(crate) metrics: RendezvousMetrics,
    /// The text of `/metrics`.
    pub(crate) all_metrics: Metrics,
}

impl App {
    pub(super) fn new(options: Options, all_metrics: &Metrics, addr: SocketAddr) -> Result<Self, RendezvousError> {
        let now = Moment::now();
        let store = Store::open(options.doors.database.as_deref(), options.doors.shared)?;
        let instance = (options.doors.shared && store.is_sound()).then(rand::random);
        let Entered { epoch, complete } = enter(&store, &options, instance, now)?;
        let door = admin::door(&options, addr, epoch)?;
        Ok(Self {
            server: options.server,
            boards: Boards::new(options.ttl, complete.here(), now),
            bindings: Mutex::new(Bindings::new(options.server, epoch, options.allow_unsigned)),
            epoch,
            publish_limit: Mutex::new(PublishLimit::new(PublishRates::of(&options.http))),
            streams: StreamGate::new(StreamLimits::of(&options.http)),
            unnamed_proxy: UnnamedProxy::default(),
            settings: RwLock::new(Arc::new(Settings::new(options.http.clone(), options.allow_unsigned))),
            store,
            doors: Mutex::default(),
            at_store: Arc::new(Semaphore::new(AT_STORE)),
            sharing: Sharing::new(instance),
            probed: tokio::sync::Mutex::default(),
            door: Arc::new(door),
            roles: vec!["rendezvous"],
            relay: OnceLock::new(),
            standby: AtomicBool::new(false),
            options,
            journal: Journal::default(),
            hours: hours::Hours::default(),
            metrics: RendezvousMetrics::default(),
            all_metrics: all_metrics.clone(),
        })
    }

    /// Whom a request comes from, behind every trusted proxy (THREATS 15).
    pub(super) fn client(&self, socket: IpAddr, headers: &HeaderMap) -> IpAddr {
        let settings = self.settings();
        if !settings.proxies.trusts(socket)
            && let Some(proxy) = self.unnamed_proxy.note(socket, is_forwarded(headers))
        {
            warn!(%proxy, "every request comes from this one address: if a proxy stands there, name it in http.trusted_proxies");
        }
        settings.proxies.client(socket, headers)
    }
}

/// Joins the server that the database belongs to; where the database does not work, a server that remembers nothing.
fn enter(store: &Store, options: &Options, instance: Option<u64>, now: Moment) -> Result<Entered, StoreError> {
    let (fresh, ttl) = (Epoch::new(rand::random()), options.ttl);
    let entrant = Entrant { server: options.server, fresh, instance, now: now.on_machine(), ttl };
    match store.enter(&entrant) {
        Err(StoreError::Db(_) | StoreError::Broken(_)) => Ok(Entered { epoch: fresh, complete: (now + ttl).on_machine() }),
        entered => entered,
    }
}
