//! The super hub: a directory of communities. It knows which there are, where they live and how their servers do; it is never in the way of
//! anybody who is in one.
//!
//! - `directory`: what is listed, how it is found, who lists themselves.
//! - `monitor`: what is seen of the servers that are listed.
//! - `pages`: what people look at: the directory, a listing, where a link leads, the operator's page.
//! - `door`: what a hub answers where no rendezvous server stands beside it. `metrics`: what is counted.
//!
//! All public roles of a node share one listener: [`SuperHub::open`] answers the routes, and whoever has the listener merges them.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::HeaderMap;
use axum::{Router, middleware};
use libp2p::PeerId;
use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::config::http::HttpConfig;
use crate::config::superhub::Policy;
use crate::http::auth::AdminDoor;
use crate::http::auth::password::PasswordError;
use crate::http::auth::peer_id::PeerIdServer;
use crate::http::client_ip::TrustedProxies;
use crate::http::limit::{KeyedLimit, NetworkLimit, TABLE};
use crate::proto::directory::target::Trust;
use crate::proto::rate::Rate;
use crate::shutdown::Tasks;
use crate::telemetry::Metrics;

pub mod directory;
mod door;
mod metrics;
pub mod monitor;
mod pages;

use directory::{Directory, StoreError};
pub use door::{Alone, DoorOptions, LIVE};
pub use metrics::SuperHubMetrics;
use monitor::Prober;

/// The name of this role.
pub const ROLE: &str = "superhub";
/// Searches of one address. One that takes a reader for long counts as several: so an address has one reader at most for long.
const ASKED: Rate = Rate { burst: 1000, per_second: 200.0 };
/// The same of one network, which has half of them at most.
const ASKED_NEAR: Rate = Rate { burst: 2000, per_second: 400.0 };
/// Servers that one address may have looked at, as it registers them or says that something changed there.
const REGISTERED: Rate = Rate { burst: 20, per_second: 0.1 };
/// The same of one network.
const REGISTERED_NEAR: Rate = Rate { burst: 60, per_second: 0.3 };
/// Changes and renewals of what one server has listed itself.
const WRITTEN_BY: Rate = Rate { burst: 30, per_second: 0.1 };
/// The same of whatever one address has listed.
const WRITTEN: Rate = Rate { burst: 60, per_second: 1.0 };
/// The same of one network.
const WRITTEN_NEAR: Rate = Rate { burst: 240, per_second: 4.0 };
/// Reports of one address.
const REPORTED: Rate = Rate { burst: 5, per_second: 1.0 / 300.0 };
/// The same of one network.
const REPORTED_NEAR: Rate = Rate { burst: 20, per_second: 1.0 / 60.0 };

/// How a super hub is started.
#[derive(Clone)]
pub struct Options {
    /// Where the directory lies, and whose it is.
    pub directory: directory::Options,
    /// Proxies, and the URL under which others reach it.
    pub http: HttpConfig,
    /// Peers that may operate.
    pub peers: Vec<PeerId>,
    /// What becomes of servers that list themselves.
    pub registration: Policy,
    /// Whether they may be in private networks and on this machine, as in a hub for one house.
    pub private_addresses: bool,
    /// For how long they are listed unless they renew it.
    pub lease: Duration,
    /// Whether listed servers are asked how they are.
    pub probe: bool,
}

/// Why a super hub did not start.
#[derive(Debug, Error)]
pub enum SuperHubError {
    /// The directory cannot be opened.
    #[error("the directory: {0}")]
    Store(#[from] StoreError),
    /// Somebody else has the port, or the system refused.
    #[error("presence.rendezvous_port: the super hub could not listen on {addr}: {cause}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The operator's password cannot be used.
    #[error("presence.admin_password: {0}")]
    Password(#[from] PasswordError),
}

/// What all handlers share.
pub(crate) struct App {
    /// What is listed.
    pub(crate) directory: Arc<Directory>,
    /// Who may operate.
    pub(crate) door: Arc<AdminDoor>,
    /// Who somebody is that does not operate.
    pub(crate) peer_id: PeerIdServer,
    /// Asks servers who they are.
    pub(crate) prober: Prober,
    /// How often an address may ask.
    pub(crate) asked: NetworkLimit,
    /// How often an address may register.
    pub(crate) registered: NetworkLimit,
    /// How often an address may change what it has listed itself.
    pub(crate) written: NetworkLimit,
    /// How often a server may.
    pub(crate) written_by: Mutex<KeyedLimit<PeerId>>,
    /// Which tags and languages are used most.
    facets: pages::Facets,
    /// How often an address may report a listing.
    pub(crate) reported: NetworkLimit,
    /// Whose word on a client's address counts.
    pub(crate) proxies: TrustedProxies,
    /// How the hub behaves.
    pub(crate) options: Options,
    /// What is counted.
    pub(crate) metrics: SuperHubMetrics,
}

impl App {
    /// What may be asked of a server that lists itself.
    pub(crate) fn trust(&self) -> Trust {
        if self.options.private_addresses { Trust::Operator } else { Trust::Stranger }
    }

    /// The path under which a proxy has put the hub; mostly empty.
    pub(crate) fn root(&self) -> String {
        self.options.http.root().to_owned()
    }

    /// Whom a request comes from, behind every trusted proxy (THREATS 15).
    pub(crate) fn client(&self, socket: IpAddr, headers: &HeaderMap) -> IpAddr {
        self.proxies.client(socket, headers)
    }
}

/// A super hub. It ends with the tasks that it was started with.
pub struct SuperHub {
    router: Router,
}

impl SuperHub {
    /// Opens the directory and looks after it until `stop`. `door` is that of the listener at `addr`.
    ///
    /// # Errors
    /// See [`SuperHubError`].
    pub fn open(
        options: Options,
        door: Arc<AdminDoor>,
        addr: SocketAddr,
        metrics: &Metrics,
        tasks: &mut Tasks,
        stop: CancellationToken,
    ) -> Result<Self, SuperHubError> {
        let hostname = options.http.hostname(addr);
        let app = Arc::new(App {
            directory: Directory::open(options.directory.clone(), tasks)?,
            door,
            peer_id: PeerIdServer::new(options.directory.key.clone(), hostname, rand::random()),
            prober: Prober::default(),
            asked: NetworkLimit::new(ASKED, ASKED_NEAR),
            registered: NetworkLimit::new(REGISTERED, REGISTERED_NEAR),
            written: NetworkLimit::new(WRITTEN, WRITTEN_NEAR),
            written_by: Mutex::new(KeyedLimit::new(WRITTEN_BY, TABLE)),
            facets: pages::Facets::default(),
            reported: NetworkLimit::new(REPORTED, REPORTED_NEAR),
            proxies: TrustedProxies::new(options.http.trusted_proxies.clone()),
            options,
            metrics: SuperHubMetrics::default(),
        });
        metrics.register("superhub", |room| app.metrics.register(room));
        tasks.spawn("directory caretaker", monitor::run(app.clone(), app.options.probe, stop));
        let routes = directory::api::routes(&app).merge(pages::routes(&app)).with_state(app);
        Ok(Self { router: routes.layer(middleware::map_response(directory::api::finish)) })
    }

    /// What it answers; everything else is somebody else's.
    pub fn router(self) -> Router {
        self.router
    }
}
