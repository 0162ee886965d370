//! What of the configuration counts at once when it is read anew: limits, proxies, the server's URL, whose presence is taken, and who
//! operates. No stream ends by it. And the door through which an operator asks for that; who reads the configuration stands behind it.

use std::sync::{Arc, PoisonError};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use libp2p::PeerId;

use super::names::Names;
use super::prepared::connection_limits;
use super::{App, Options, Rendezvous, RendezvousError, admin, locked};
use crate::config::Secret;
use crate::config::http::HttpConfig;
use crate::config::reload::{Applied, PATIENCE, Reloaded};
use crate::http::Problem;
use crate::http::auth::password::Password;
use crate::http::client_ip::TrustedProxies;
use crate::http::limit::{PublishLimit, PublishRates, StreamLimits};

/// What handlers ask that may change while the server runs.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Limits, and the URL under which others reach the server.
    pub(crate) http: HttpConfig,
    /// Whether presence that is not signed counts.
    pub(crate) allow_unsigned: bool,
    /// Whose word on a client's address counts.
    pub(crate) proxies: TrustedProxies,
    /// By which names the server goes.
    pub(crate) names: Names,
}

impl Settings {
    pub(super) fn new(http: HttpConfig, allow_unsigned: bool) -> Self {
        let proxies = TrustedProxies::new(http.trusted_proxies.clone());
        let names = Names::new(http.external_url.as_ref());
        Self { http, allow_unsigned, proxies, names }
    }
}

/// A configuration that was read anew, as far as it concerns a running server.
#[derive(Debug, Clone)]
pub struct Fresh {
    /// `[http]`
    pub http: HttpConfig,
    /// `presence.allow_unsigned`
    pub allow_unsigned: bool,
    /// `presence.admin_password`, if it is another one.
    pub password: Option<Secret>,
    /// `superhub.admin_peers`
    pub peers: Vec<PeerId>,
}

/// Keys that a running server takes over.
pub const LIVE: [&str; 11] = [
    "presence.admin_password",
    "presence.allow_unsigned",
    "superhub.admin_peers",
    "http.trusted_proxies",
    "http.external_url",
    "http.max_body",
    "http.max_streams",
    "http.max_streams_per_ip",
    "http.publish_per_minute_per_peer",
    "http.publish_per_minute_per_ip",
    "http.publish_burst",
];

impl Rendezvous {
    /// Lets a configuration that was read anew count. Answers the keys of [`LIVE`] that count in part only until a restart: more
    /// connections than those that were asked for at the start are not taken.
    ///
    /// # Errors
    /// Where the password cannot be used; nothing changed then.
    pub fn reload(&self, fresh: &Fresh) -> Result<Vec<&'static str>, RendezvousError> {
        let app = &self.app;
        let password = fresh.password.as_ref().map(admin::password).transpose()?;
        app.change_door(password, fresh, self.addr);
        app.change_limits(&fresh.http);
        locked(&app.bindings).allow_unsigned(fresh.allow_unsigned);
        let settings = Arc::new(Settings::new(fresh.http.clone(), fresh.allow_unsigned));
        *app.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
        app.journal.note("The configuration was read again");
        Ok(beyond(&app.options, &fresh.http))
    }
}

impl App {
    /// What counts now.
    pub(crate) fn settings(&self) -> Arc<Settings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whoever came in by an older password is out; a change of anything else puts nobody out.
    fn change_door(&self, password: Option<Option<Password>>, fresh: &Fresh, addr: std::net::SocketAddr) {
        self.door.list(fresh.peers.clone());
        if let Some(password) = password {
            self.door.change(password, fresh.peers.clone());
        }
        self.door.moved(fresh.http.origin(), fresh.http.hostname(addr));
    }

    /// Whoever has a stream keeps it.
    fn change_limits(&self, http: &HttpConfig) {
        let before = self.settings();
        if PublishRates::of(&before.http) != PublishRates::of(http) {
            *locked(&self.publish_limit) = PublishLimit::new(PublishRates::of(http));
        }
        self.streams.limit(StreamLimits::of(http));
    }
}

/// Keys that ask for more connections than the listener was started for.
fn beyond(started: &Options, fresh: &HttpConfig) -> Vec<&'static str> {
    let (had, wanted) = (connection_limits(&started.http), connection_limits(fresh));
    let mut keys = Vec::new();
    if wanted.connections > had.connections {
        keys.push("http.max_streams");
    }
    if wanted.per_address > had.per_address && wanted.connections <= had.connections {
        let proxies = started.http.trusted_proxies != fresh.trusted_proxies;
        keys.push(if proxies { "http.trusted_proxies" } else { "http.max_streams_per_ip" });
    }
    keys
}

/// `POST /api/v1/admin/reload`.
pub(super) async fn reload(State(app): State<Arc<App>>) -> Result<Json<Reloaded>, Problem> {
    let reload = app.options.doors.reload.as_ref().ok_or_else(|| Problem::not_found("nobody here reads a configuration"))?;
    match reload.ask().await {
        Applied::Now(reloaded) => Ok(Json(reloaded)),
        Applied::Refused(why) => Err(Problem::new(StatusCode::CONFLICT, "bad-config", format!("nothing changed: {why}"))),
        Applied::NotTold => Err(busy()),
    }
}

fn busy() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "the configuration is being read already, or the node stops")
        .retry_after(PATIENCE)
}
