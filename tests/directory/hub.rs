//! A super hub on a free port of loopback, alone or beside a rendezvous server, and those who ask it.

use std::path::Path;
use std::time::Duration;

use goop::config::Secret;
use goop::config::http::HttpConfig;
use goop::config::superhub::Policy;
use goop::http::auth::peer_id::PeerIdClient;
use goop::rendezvous::{DoorOptions as BoardDoors, Options as BoardOptions, Rendezvous};
use goop::shutdown::Tasks;
use goop::superhub::{Alone, DoorOptions, Options};
use goop::telemetry::Metrics;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::stage;

pub(crate) const PASSWORD: &str = "correct horse";

/// A running hub.
pub(crate) struct Hub {
    pub(crate) url: String,
    /// Where it listens, under whatever name others know it.
    pub(crate) local: String,
    tasks: Tasks,
    stop: CancellationToken,
}

pub(crate) fn options(folder: &Path) -> Options {
    Options {
        directory: stage::options(folder),
        http: HttpConfig::default(),
        peers: Vec::new(),
        registration: Policy::Approve,
        private_addresses: true,
        lease: Duration::from_secs(3600),
        probe: false,
    }
}

impl Hub {
    pub(crate) fn start(folder: &Path) -> Self {
        Self::with(options(folder), PASSWORD)
    }

    pub(crate) fn with(options: Options, password: &str) -> Self {
        let door = DoorOptions { addr: "127.0.0.1:0".parse().unwrap(), explicit: true, password: Secret::new(password) };
        let (mut tasks, stop) = (Tasks::default(), CancellationToken::new());
        let alone = Alone::start(door, Vec::new(), options, &Metrics::default(), &mut tasks, stop.clone()).unwrap();
        Self { url: alone.url(), local: alone.local_url(), tasks, stop }
    }

    pub(crate) fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        Client::new().request(method, format!("{}{path}", self.url))
    }

    pub(crate) fn as_admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.ask(method, path).basic_auth("admin", Some(PASSWORD))
    }

    /// The JSON of what must be there.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let response = self.ask(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    pub(crate) async fn admin_get(&self, path: &str) -> Value {
        let response = self.as_admin(Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    /// Lists a community as the operator; answers its JSON.
    pub(crate) async fn list(&self, listing: Value) -> Value {
        let response = self.as_admin(Method::POST, "/api/v1/communities").json(&listing).send().await.unwrap();
        assert_eq!(response.status(), 201);
        response.json().await.unwrap()
    }

    /// The names that a query string finds.
    pub(crate) async fn names(&self, params: &str) -> Vec<String> {
        let found = self.get(&format!("/api/v1/communities?{params}")).await;
        found["communities"].as_array().unwrap().iter().map(|one| one["community"].as_str().unwrap().to_owned()).collect()
    }

    /// A request with Peer ID auth by `key`.
    pub(crate) async fn by_peer(&self, key: &Keypair, method: Method, path: &str, body: Option<&Value>) -> Response {
        let mut client = PeerIdClient::new(key.clone(), stage::key().public().to_peer_id(), "127.0.0.1".into(), rand::random());
        let asked = self.ask(method.clone(), path).header("authorization", client.ask()).send().await.unwrap();
        assert_eq!(asked.status(), 401);
        let challenges = asked.headers().get_all("www-authenticate").iter().map(|line| line.to_str().unwrap().to_owned());
        let challenge = challenges.into_iter().find(|line| line.starts_with("libp2p-PeerID")).unwrap();
        let request = self.ask(method, path).header("authorization", client.prove(&challenge).unwrap());
        let request = body.iter().fold(request, |request, body| request.json(body));
        request.send().await.unwrap()
    }

    pub(crate) async fn close(self) {
        self.stop.cancel();
        assert_eq!(self.tasks.finish(Duration::from_secs(20)).await, [""; 0]);
    }
}

/// A rendezvous server with a key of its own.
pub(crate) struct Board {
    pub(crate) key: Keypair,
    pub(crate) url: String,
    stop: CancellationToken,
    _tasks: Tasks,
}

impl Board {
    pub(crate) fn start() -> Self {
        Self::of(Keypair::generate_ed25519())
    }

    pub(crate) fn of(key: Keypair) -> Self {
        let options = board_options(&key);
        let (mut tasks, stop) = (Tasks::default(), CancellationToken::new());
        let server = Rendezvous::start(options, &Metrics::default(), &mut tasks, stop.clone()).unwrap();
        Self { key, url: server.url(), stop, _tasks: tasks }
    }

    /// The operator founds a community.
    pub(crate) async fn found(&self, slug: &str, kind: &str) {
        let request = Client::new().post(format!("{}/api/v1/admin/boards", self.url)).basic_auth("admin", Some(PASSWORD));
        assert_eq!(request.json(&serde_json::json!({ "slug": slug, "type": kind })).send().await.unwrap().status(), 201);
    }

    /// The operator moves the open board to this base URL.
    pub(crate) async fn move_to(&self, place: &str) {
        let request = Client::new().post(format!("{}/api/v1/admin/move", self.url)).basic_auth("admin", Some(PASSWORD));
        assert_eq!(request.json(&serde_json::json!({ "to": place })).send().await.unwrap().status(), 204);
    }

    pub(crate) fn peer(&self) -> PeerId {
        self.key.public().to_peer_id()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

pub(crate) fn board_options(key: &Keypair) -> BoardOptions {
    BoardOptions {
        addr: "127.0.0.1:0".parse().unwrap(),
        explicit: true,
        server: key.public().to_peer_id(),
        ttl: Duration::from_secs(20),
        allow_unsigned: true,
        http: HttpConfig::default(),
        doors: BoardDoors { key: Some(key.clone()), password: Secret::new(PASSWORD), ..BoardDoors::default() },
    }
}
