//! Instances of one server as processes of the real binary, and clients that speak to any of them.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use goop::clock::{Moment, UnixMillis};
use goop::proto::presence::{Kind, Presence};
use goop::proto::signed::{Epoch, SignedPresence};
use libp2p::PeerId;
use libp2p::identity::Keypair;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::harness::goop_node::Plan;
use crate::harness::{Goop, Place, SOON};

/// Whatever one instance knows, the others show within this.
pub(crate) const WITHIN: Duration = Duration::from_secs(1);
/// The operator's password.
const PASSWORD: &str = "correct horse";

/// Where instances of one server are started.
pub(crate) struct Farm {
    folder: TempDir,
    /// The folder of the database, where it is another.
    disk: Option<PathBuf>,
    ttl: u32,
    shared: bool,
}

/// A running instance.
pub(crate) struct Instance {
    pub(crate) goop: Goop,
    url: String,
    http: reqwest::Client,
}

/// An open stream of changes.
pub(crate) struct Reader {
    response: reqwest::Response,
    text: String,
}

/// A peer that signs.
pub(crate) struct Signer {
    key: Keypair,
    pub(crate) server: (PeerId, Epoch),
    /// The number it used last.
    pub(crate) seq: u64,
}

/// The peer with this number.
pub(crate) fn peer(number: u16) -> PeerId {
    let [high, low] = number.to_be_bytes();
    let mut seed = [low; 32];
    seed[0] = high;
    Keypair::ed25519_from_bytes(seed).unwrap().public().to_peer_id()
}

/// What it is called.
pub(crate) fn name(number: u16) -> String {
    format!("peer {number:05}")
}

/// An unsigned message, as goop2 writes it.
pub(crate) fn message(kind: &str, number: u16, content: &str) -> Value {
    json!({ "type": kind, "peerId": peer(number).to_base58(), "content": content, "ts": 1_760_000_000_000_u64 })
}

impl Farm {
    /// For instances over one database, whose presence lasts `ttl` seconds.
    pub(crate) fn new(ttl: u32) -> Self {
        Self { folder: TempDir::new().unwrap(), disk: None, ttl, shared: true }
    }

    /// For a server that is alone.
    pub(crate) fn single() -> Self {
        Self { shared: false, ..Self::new(20) }
    }

    /// The same, but for the folder of the database.
    pub(crate) fn database_in(self, folder: &Path) -> Self {
        Self { disk: Some(folder.to_owned()), ..self }
    }

    /// The database of all instances.
    pub(crate) fn database(&self) -> PathBuf {
        self.disk.as_deref().unwrap_or(self.folder.path()).join("peers.db")
    }

    /// How an instance is started.
    pub(crate) fn plan(&self) -> Plan {
        let (key, mut sets) = (self.folder.path().join("identity.key"), Vec::new());
        sets.push(format!("identity.key_file=\"{}\"", key.display()));
        sets.push(format!("presence.ttl_seconds={}", self.ttl));
        sets.push(format!("presence.heartbeat_seconds={}", self.ttl.min(5) - 1));
        sets.push(format!("presence.admin_password=\"{PASSWORD}\""));
        sets.push("http.publish_per_minute_per_peer=100000".to_owned());
        sets.push("http.publish_burst=100000".to_owned());
        sets.push("http.publish_per_minute_per_ip=1000000".to_owned());
        if self.shared {
            sets.push(format!("presence.peer_db_path=\"{}\"", self.database().display()));
        }
        let plan = Plan::new(&Place::Here).arg("--rendezvous-only").arg("--port").arg("0");
        sets.iter().fold(plan, |plan, set| plan.arg("--set").arg(set))
    }

    /// Starts one.
    pub(crate) fn start(&self) -> Instance {
        Instance::of(self.plan().start())
    }

    /// Starts several at the same moment.
    pub(crate) fn start_at_once(&self, count: usize) -> Vec<Instance> {
        std::thread::scope(|threads| {
            let starting: Vec<_> = (0..count).map(|_| threads.spawn(|| self.plan().start())).collect();
            starting.into_iter().map(|starting| Instance::of(starting.join().expect("it starts"))).collect()
        })
    }
}

impl Instance {
    pub(crate) fn of(goop: Goop) -> Self {
        let url = goop.ready["public"].as_str().expect("it is public").to_owned();
        Self { goop, url, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    pub(crate) fn stop(self) {
        self.goop.stop();
    }

    pub(crate) fn kill(self) {
        self.goop.kill();
    }

    pub(crate) fn stop_and_start(self) -> Self {
        Self::of(self.goop.stop().start())
    }

    pub(crate) fn kill_and_start(self) -> Self {
        Self::of(self.goop.kill().start())
    }

    /// Publishes; answers the status.
    pub(crate) async fn publish(&self, message: &Value) -> u16 {
        self.publish_at("/publish", message).await
    }

    /// Publishes at another board; answers the status.
    pub(crate) async fn publish_at(&self, path: &str, message: &Value) -> u16 {
        let request = self.http.post(format!("{}{path}", self.url)).json(message);
        timeout(SOON, request.send()).await.expect("an answer").unwrap().status().as_u16()
    }

    /// Sends JSON; answers what was said.
    pub(crate) async fn post(&self, path: &str, json: &Value) -> Value {
        let request = self.http.post(format!("{}{path}", self.url)).json(json);
        timeout(SOON, request.send()).await.expect("an answer").unwrap().json().await.unwrap_or_default()
    }

    /// Publishes whatever text; answers the status and what was said.
    pub(crate) async fn publish_text(&self, text: &str) -> (u16, Value) {
        let request = self.http.post(format!("{}/publish", self.url)).header("content-type", "application/json").body(text.to_owned());
        let answer = timeout(SOON, request.send()).await.expect("an answer").unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Publishes from another address of loopback; answers the status.
    pub(crate) async fn publish_from(&self, address: &str, message: &Value) -> u16 {
        let from: IpAddr = address.parse().unwrap();
        let http = reqwest::Client::builder().no_proxy().local_address(from).build().unwrap();
        http.post(format!("{}/publish", self.url)).json(message).send().await.unwrap().status().as_u16()
    }

    /// Asks as the operator; answers the status.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Value) -> u16 {
        self.admin_answer(method, path, body).await.0
    }

    /// Asks as the operator; answers the status and what was said.
    pub(crate) async fn admin_answer(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}/api/v1/admin/{path}", self.url);
        let request = self.http.request(method.parse().unwrap(), url).basic_auth("admin", Some(PASSWORD));
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = timeout(SOON, request.send()).await.expect("an answer").unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// Asks for an operator's page with this `Authorization`; answers the status and the headers.
    pub(crate) async fn authorized(&self, authorization: &str) -> (u16, HeaderMap) {
        let request = self.http.get(format!("{}/api/v1/admin/stats", self.url)).header("authorization", authorization);
        let answer = timeout(SOON, request.send()).await.expect("an answer").unwrap();
        (answer.status().as_u16(), answer.headers().clone())
    }

    /// GET; answers the status and what was said.
    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        let answer = timeout(SOON, self.http.get(format!("{}{path}", self.url)).send()).await.expect("an answer").unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// `/.well-known/goop`.
    pub(crate) async fn about(&self) -> Value {
        self.get("/.well-known/goop").await.1
    }

    /// Who the server is, and its epoch.
    pub(crate) async fn epoch(&self) -> (PeerId, Epoch) {
        let about = self.about().await;
        (about["peer_id"].as_str().unwrap().parse().unwrap(), serde_json::from_value(about["epoch"].clone()).unwrap())
    }

    pub(crate) async fn events(&self) -> Reader {
        let response = timeout(SOON, self.http.get(format!("{}/api/v1/events", self.url)).send()).await.expect("an answer").unwrap();
        Reader { response, text: String::new() }
    }

    /// What a new reader is told first.
    pub(crate) async fn first_snapshot(&self) -> Value {
        let (event, data) = self.events().await.next().await.expect("a stream");
        assert_eq!(event, "snapshot");
        data
    }

    /// Waits until exactly these labels are here, in order of the alphabet; at most `limit`.
    pub(crate) async fn shows(&self, expected: &[&str], limit: Duration) {
        self.shows_at("", expected, limit).await;
    }

    /// The same of another board.
    pub(crate) async fn shows_at(&self, path: &str, expected: &[&str], limit: Duration) {
        let began = Moment::now();
        loop {
            let request = self.http.get(format!("{}{path}/peers.json", self.url)).basic_auth("admin", Some(PASSWORD));
            let answer: Value = timeout(SOON, request.send()).await.expect("an answer").unwrap().json().await.unwrap();
            let peers = answer.as_array().unwrap();
            let mut labels: Vec<&str> = peers.iter().filter_map(|peer| peer["content"].as_str()).collect();
            labels.sort_unstable();
            if labels == expected {
                return;
            }
            assert!(Moment::now().since(began) < limit, "not within {limit:?}: {expected:?}; shown: {labels:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Reader {
    /// The next event and its data; `None` where the stream ended.
    pub(crate) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let frame: String = self.text.drain(..end + 2).collect();
                let of = |field: &str| frame.lines().find_map(|line| line.strip_prefix(field)).map(str::to_owned);
                if let (Some(event), Some(data)) = (of("event: "), of("data: ")) {
                    return Some((event, serde_json::from_str(&data).unwrap()));
                }
                continue;
            }
            let chunk = timeout(SOON, self.response.chunk()).await.expect("a sign of life").ok()??;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    /// Reads until this event with this label comes.
    pub(crate) async fn until(&mut self, event: &str, label: &str) {
        loop {
            let (named, data) = timeout(SOON, self.next()).await.expect("it comes").expect("the stream goes on");
            if named == event && data["content"].as_str().unwrap_or_default() == label {
                return;
            }
        }
    }

    /// All events until a peer of this label comes, that one included.
    pub(crate) async fn all_until(mut self, label: &str, seconds: u64) -> Vec<(String, Value)> {
        let mut all = Vec::new();
        loop {
            let next = timeout(Duration::from_secs(seconds), self.next()).await.expect("it comes").expect("the stream goes on");
            let last = next.1["content"] == label;
            all.push(next);
            if last {
                return all;
            }
        }
    }
}

impl Signer {
    pub(crate) async fn new(instance: &Instance) -> Self {
        Self { key: Keypair::generate_ed25519(), server: instance.epoch().await, seq: 100 }
    }

    /// A signed message with the next number.
    pub(crate) fn says(&mut self, kind: Kind, content: &str) -> String {
        self.seq += 1;
        let (peer, (server, epoch)) = (self.key.public().to_peer_id(), self.server);
        let (content, addrs, details) = (content.into(), Vec::new(), Default::default());
        let signed = SignedPresence { peer, kind, seq: self.seq, epoch, content, addrs, server, details };
        Presence { sig: Some(signed.sign(&self.key).unwrap()), ..Presence::new(kind, peer, UnixMillis(1)) }.to_json()
    }

    /// What anybody can write about it.
    pub(crate) fn forged(&self, kind: &str) -> Value {
        json!({ "type": kind, "peerId": self.key.public().to_peer_id().to_base58(), "content": "Mallory" })
    }
}
