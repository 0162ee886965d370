//! A rendezvous server on a free port of loopback, and clients that speak to it as peers and browsers do.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::net::SocketAddr;
use std::time::Duration;

use goop::config::http::HttpConfig;
use goop::rendezvous::{Options, Rendezvous};
use goop::shutdown::Tasks;
use goop::telemetry::Metrics;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long anything that should be quick may take on a loaded machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A server, and what stops it.
pub(crate) struct Server {
    pub(crate) rendezvous: Rendezvous,
    pub(crate) metrics: Metrics,
    stop: CancellationToken,
    tasks: Tasks,
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

/// An open event stream.
pub(crate) struct Events {
    response: reqwest::Response,
    text: Vec<u8>,
}

/// The peer with this number.
pub(crate) fn peer(number: u16) -> PeerId {
    let [high, low] = number.to_be_bytes();
    let mut seed = [low; 32];
    seed[0] = high;
    Keypair::ed25519_from_bytes(seed).unwrap().public().to_peer_id()
}

/// An unsigned message, as goop2 writes it.
pub(crate) fn message(kind: &str, number: u16, content: &str) -> Value {
    json!({ "type": kind, "peerId": peer(number).to_base58(), "content": content, "ts": 1_760_000_000_000_u64 })
}

impl Server {
    /// With the default settings, but for what `change` changes.
    pub(crate) fn start(change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            addr: "127.0.0.1:0".parse().unwrap(),
            explicit: true,
            server: peer(9999),
            ttl: Duration::from_secs(20),
            allow_unsigned: true,
            http: HttpConfig::default(),
            doors: goop::rendezvous::DoorOptions::default(),
        };
        change(&mut options);
        let (metrics, mut tasks, stop) = (Metrics::default(), Tasks::default(), CancellationToken::new());
        let rendezvous = Rendezvous::start(options, &metrics, &mut tasks, stop.clone()).unwrap();
        Self { rendezvous, metrics, stop, tasks }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.rendezvous.addr()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr())
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
        let request = reqwest::Client::new().post(self.url(path)).header("content-type", "application/json").body(body);
        timeout(SOON, request.send()).await.expect("an answer").unwrap()
    }

    /// Publishes; answers the status.
    pub(crate) async fn publish(&self, message: &Value) -> u16 {
        self.publish_text(&message.to_string()).await
    }

    /// Publishes whatever text; answers the status.
    pub(crate) async fn publish_text(&self, body: &str) -> u16 {
        self.post("/publish", body.to_owned()).await.status().as_u16()
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        timeout(SOON, reqwest::get(self.url(path))).await.expect("an answer").unwrap()
    }

    /// Opens an event stream.
    pub(crate) async fn events(&self, path: &str) -> Events {
        let response = self.get(path).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Events { response, text: Vec::new() }
    }

    /// Stops it as the node does; every part must end in time.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        assert_eq!(self.tasks.finish(Duration::from_secs(4)).await, [""; 0]);
    }
}

impl Events {
    /// The next event; `None` where the stream ended. Comments and `retry` are passed over.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        timeout(SOON, self.read()).await.expect("an event")
    }

    /// The next event that must come.
    pub(crate) async fn expect(&mut self, name: &str) -> Event {
        let event = self.next().await.expect("the stream goes on");
        assert_eq!(event.name, name, "{event:?}");
        event
    }

    async fn read(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.text.windows(2).position(|two| two == b"\n\n") {
                let frame: Vec<u8> = self.text.drain(..end + 2).collect();
                if let Some(event) = event(std::str::from_utf8(&frame).unwrap()) {
                    return Some(event);
                }
                continue;
            }
            self.text.extend_from_slice(&self.response.chunk().await.ok()??);
        }
    }
}

fn event(frame: &str) -> Option<Event> {
    let (mut name, mut id, mut data) = ("message".to_owned(), None, None);
    for line in frame.lines() {
        match line.split_once(": ") {
            Some(("event", value)) => name = value.into(),
            Some(("id", value)) => id = Some(value.into()),
            Some(("data", value)) => data = Some(serde_json::from_str(value).unwrap()),
            _ => {}
        }
    }
    data.map(|data| Event { name, id, data })
}
