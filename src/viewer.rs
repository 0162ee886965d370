//! The local web pages a person looks at, and the JSON API that the command line asks; on loopback only.
//!
//! ```text
//! http://localhost:PORT/                     pages, API, static files       (also 127.0.0.1 and [::1])
//! http://<peer id in base36>.localhost:PORT/ that peer's site, an origin of its own, where the API does not exist
//! any other Host                             421
//! ```
//! - `bind`: both loopback families on one port (THREATS 73).
//! - `hosts`: which of the two worlds a `Host` names (THREATS 25, 29).
//! - `door`: what every request passes first; `guard`: who may ask for what (THREATS 24, 30).
//! - `api`: the JSON API; `live`: its event stream; `pages`: the pages.
//! - `checkup`: asks the doctor, not more often than is of use.
//! - `configuration`: the owner's settings, as they are and as they are to be.
//! - `site_origin`: a peer's site as its own browser origin (THREATS 24–28); `apart`: without one, where a browser finds none (THREATS 26).
//! - `draft`: a text of one's own site before it is saved.
//! - `first_page`: what somebody begins with who has no site yet.
//! - `labels`: what one's own communities are called.
//! - `range`: a part of a file of one's own.
//! - `failure`: what a peer's or a disk's failure is called in HTTP.
//!
//! Bytes that others wrote never render on the viewer's own origin.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::Loaded;
use crate::config::net::DEFAULT_VIEWER;
use crate::config::reload::ReloadHandle;
use crate::http::{self, HttpMetrics, Limits};
use crate::peer::PeerHandle;
use crate::shutdown::Tasks;

mod apart;
mod api;
mod bind;
mod checkup;
mod configuration;
mod door;
mod draft;
mod failure;
mod first_page;
mod guard;
mod hosts;
mod labels;
mod live;
mod pages;
mod range;
mod rows;
mod site_origin;

pub use bind::ViewerError;
pub use guard::TOKEN_HEADER;
pub use live::MAX_STREAMS;

use configuration::Configuration;
use guard::Token;
use hosts::Hosts;

/// Largest file that may be put into one's own site unless said otherwise, in bytes.
pub const DEFAULT_MAX_FILE: u64 = 1024 * 1024 * 1024;
/// Largest avatar one may give oneself, in bytes (goop2 has the same limit).
pub const MAX_OWN_AVATAR: u64 = 256 * 1024;

/// Longest text of one's own site that is edited or previewed, in bytes.
const MAX_TEXT: u64 = 1024 * 1024;
/// Searches for communities at the same time.
const MAX_SEARCHES: usize = 4;

/// How a viewer is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// `127.0.0.1` or `[::1]` and the port; whichever is named, both are bound. Port 0 takes a free one.
    pub addr: SocketAddr,
    /// Whether somebody chose `addr`: then a port in use is an error; otherwise the viewer moves to a free one and says so.
    pub explicit: bool,
    /// The file of one's own avatar, whatever its format.
    pub avatar: PathBuf,
    /// The picture of a goop2 peer folder, which is one's own where there is none at `avatar`; never written.
    pub inherited_avatar: Option<PathBuf>,
    /// What this node is, for its owner to see, in words.
    pub roles: Vec<&'static str>,
    /// The configuration that counts now.
    pub current: watch::Receiver<Loaded>,
    /// Has one that changed applied; without it, that counts after a restart.
    pub reload: Option<ReloadHandle>,
    /// Largest file that may be put into one's own site, in bytes.
    pub max_file: u64,
    /// The public roles of the node around the peer, as programs of this machine reach them.
    pub local: Option<String>,
    /// How many connections, and how long each may take for what.
    pub limits: Limits,
    /// What the listener counts.
    pub metrics: HttpMetrics,
}

impl Options {
    /// The default address and limits, and whatever else `config` says, which never changes.
    pub fn new(config: &Loaded) -> Self {
        let (limits, metrics) = (Limits::default(), HttpMetrics::default());
        Self {
            addr: DEFAULT_VIEWER,
            explicit: false,
            avatar: config.data.avatar(),
            inherited_avatar: config.data.goop2_avatar(),
            roles: vec!["peer"],
            current: watch::channel(config.clone()).1,
            reload: None,
            max_file: DEFAULT_MAX_FILE,
            local: None,
            limits,
            metrics,
        }
    }
}

/// What all handlers share.
struct App {
    peer: PeerHandle,
    token: Token,
    /// Names this start of the process, so that an open page sees that its token is no longer good.
    start: String,
    hosts: Hosts,
    options: Options,
    configuration: Configuration,
    streams: Arc<tokio::sync::Semaphore>,
    metrics_text: Box<dyn Fn() -> String + Send + Sync>,
    /// Searches for communities that may be under way; further ones wait.
    searches: tokio::sync::Semaphore,
    /// Held while the avatar changes, so that what is announced and what is on the disk are the same.
    avatar_changes: tokio::sync::Mutex<()>,
    drafts: draft::Drafts,
    labels: labels::Labels,
    doctor: checkup::Doctor,
    stop: CancellationToken,
}

/// Where a running viewer is; the viewer itself is a task of who started it.
pub struct Viewer {
    app: Arc<App>,
    addr: SocketAddr,
}

impl Viewer {
    /// Binds both loopback addresses and answers as the task `viewer` until `stop`. `metrics_text` makes what `/metrics` shows, as
    /// OpenMetrics text.
    ///
    /// # Errors
    /// When `options.addr` is not loopback, is in use although it was chosen, or nothing can be bound at all.
    pub fn bind(
        options: Options,
        peer: PeerHandle,
        metrics_text: impl Fn() -> String + Send + Sync + 'static,
        tasks: &mut Tasks,
        stop: CancellationToken,
    ) -> Result<Self, ViewerError> {
        let bound = bind::loopback(options.addr, options.explicit)?;
        let app = Arc::new(App {
            peer,
            token: Token::random(),
            start: format!("{:016x}", rand::random::<u64>()),
            hosts: Hosts::new(bound.addr.port()),
            configuration: Configuration::new(&options),
            streams: Arc::new(tokio::sync::Semaphore::new(MAX_STREAMS)),
            metrics_text: Box::new(metrics_text),
            searches: tokio::sync::Semaphore::new(MAX_SEARCHES),
            avatar_changes: tokio::sync::Mutex::new(()),
            drafts: draft::Drafts::default(),
            labels: labels::Labels::default(),
            doctor: checkup::Doctor::default(),
            stop,
            options,
        });
        let (limits, metrics) = (app.options.limits, app.options.metrics.clone());
        tasks.spawn("viewer", http::serve(bound.listeners, door::router(app.clone()), limits, metrics, app.stop.clone()));
        Ok(Self { app, addr: bound.addr })
    }

    /// The address that was bound; the other family has the same port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The page's address, `http://localhost:PORT/`.
    pub fn url(&self) -> String {
        format!("{}/", self.app.hosts.viewer_origin())
    }

    /// What a request that changes state must carry as [`TOKEN_HEADER`]; new with every start.
    pub fn token(&self) -> &str {
        self.app.token.as_str()
    }
}
