//! The real board.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use goop::config::Secret;
use goop::config::base_url::BaseUrl;
use goop::config::http::HttpConfig;
use goop::rendezvous::{self, Rendezvous};
use goop::shutdown::Tasks;
use goop::telemetry::Metrics;
use libp2p::PeerId;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// The real server, with an operator whose password is `operator`.
pub(crate) struct Board {
    pub(crate) addr: SocketAddr,
    tasks: Tasks,
    stop: CancellationToken,
}

impl Board {
    pub(crate) fn at(addr: SocketAddr) -> Self {
        Self::with(addr, HttpConfig::default(), None)
    }

    /// Called `name` by its operator, if by anything but its address.
    pub(crate) fn called(name: &str) -> Self {
        let http = HttpConfig { external_url: Some(BaseUrl::parse(name).unwrap()), ..HttpConfig::default() };
        Self::with("127.0.0.1:0".parse().unwrap(), http, None)
    }

    pub(crate) fn with(addr: SocketAddr, http: HttpConfig, database: Option<PathBuf>) -> Self {
        let (mut tasks, stop) = (Tasks::default(), CancellationToken::new());
        let doors = rendezvous::DoorOptions { password: Secret::new("operator"), database, ..rendezvous::DoorOptions::default() };
        let options = rendezvous::Options {
            addr,
            explicit: true,
            server: PeerId::random(),
            ttl: Duration::from_secs(5),
            allow_unsigned: true,
            http,
            doors,
        };
        let running = Rendezvous::start(options, &Metrics::default(), &mut tasks, stop.clone()).unwrap();
        Self { addr: running.addr(), tasks, stop }
    }

    pub(crate) fn new() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) async fn stop(self) -> SocketAddr {
        self.stop.cancel();
        assert!(self.tasks.finish(Duration::from_secs(5)).await.is_empty());
        self.addr
    }

    /// Lets the operator do this; the status, and what is answered.
    pub(crate) async fn operate(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.request(method.parse().unwrap(), format!("{}/api/v1/admin/{path}", self.url()));
        let answer = request.basic_auth("admin", Some("operator")).json(&body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Who is at the open board, as the operator sees it: labels, sorted.
    pub(crate) async fn labels(&self) -> Vec<String> {
        self.labels_at("").await
    }

    /// Who is in this community.
    pub(crate) async fn labels_of(&self, slug: &str) -> Vec<String> {
        self.labels_at(&format!("/c/{slug}")).await
    }

    async fn labels_at(&self, base: &str) -> Vec<String> {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = http.get(format!("{}{base}/peers.json", self.url())).basic_auth("admin", Some("operator"));
        let peers: Value = asked.send().await.unwrap().json().await.unwrap();
        let mut labels: Vec<String> = peers.as_array().unwrap().iter().map(|peer| peer["content"].as_str().unwrap().to_owned()).collect();
        labels.sort();
        labels
    }
}
