//! THREATS 1, 2, 3 against the real board: nobody but a peer itself changes its presence.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

use std::time::Duration;

use goop::clock::UnixMillis;
use goop::config::http::HttpConfig;
use goop::proto::presence::{Kind, Presence};
use goop::proto::signed::{Epoch, SignedPresence};
use goop::rendezvous::{self, Rendezvous};
use goop::shutdown::Tasks;
use goop::telemetry::Metrics;
use libp2p::PeerId;
use libp2p::identity::Keypair;
use reqwest::Response;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

struct Board {
    url: String,
    server: PeerId,
    epoch: Epoch,
    http: reqwest::Client,
    _tasks: Tasks,
}

async fn board() -> Board {
    let (mut tasks, server) = (Tasks::default(), PeerId::random());
    let addr = "127.0.0.1:0".parse().unwrap();
    let http = HttpConfig { publish_per_minute_per_peer: 100_000, publish_burst: 10_000, ..HttpConfig::default() };
    let doors = rendezvous::DoorOptions::default();
    let options = rendezvous::Options { addr, explicit: true, server, ttl: Duration::from_secs(20), allow_unsigned: true, http, doors };
    let running = Rendezvous::start(options, &Metrics::default(), &mut tasks, CancellationToken::new()).unwrap();
    let (url, http) = (format!("http://{}", running.addr()), reqwest::Client::builder().no_proxy().build().unwrap());
    let about: Value = http.get(format!("{url}/.well-known/goop")).send().await.unwrap().json().await.unwrap();
    let epoch = serde_json::from_value(about["epoch"].clone()).unwrap();
    Board { url, server, epoch, http, _tasks: tasks }
}

impl Board {
    async fn publish(&self, presence: &Presence) -> Response {
        let request = self.http.post(format!("{}/publish", self.url)).header("content-type", "application/json");
        request.body(presence.to_json()).send().await.unwrap()
    }

    fn signed(&self, key: &Keypair, kind: Kind, seq: u64, content: &str) -> SignedPresence {
        let (peer, content, addrs) = (key.public().to_peer_id(), content.to_owned(), Vec::new());
        SignedPresence { peer, kind, seq, epoch: self.epoch, content, addrs, server: self.server, details: Default::default() }
    }

    /// Who is here, as a new reader is told.
    async fn labels(&self) -> Vec<String> {
        let mut stream = self.http.get(format!("{}/api/v1/events", self.url)).send().await.unwrap();
        let mut text = String::new();
        while !text.contains("\"peers\":") || !text.ends_with("\n\n") {
            text += std::str::from_utf8(&stream.chunk().await.unwrap().unwrap()).unwrap();
        }
        let messages = text.split("\"content\":\"").skip(1);
        messages.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    }
}

fn message(signed: &SignedPresence, key: &Keypair) -> Presence {
    Presence { sig: Some(signed.sign(key).unwrap()), ..Presence::new(signed.kind, signed.peer, UnixMillis(1)) }
}

#[tokio::test]
async fn attack_a_thousand_forged_updates_change_nothing() {
    let (board, alice, mallory) = (board().await, Keypair::generate_ed25519(), Keypair::generate_ed25519());
    let genuine = message(&board.signed(&alice, Kind::Online, 10, "Alice"), &alice);
    assert_eq!(board.publish(&genuine).await.status(), 204);
    let about = genuine.peer;
    let mut accepted = 0;
    for n in 0..1000_u64 {
        let kind = [Kind::Update, Kind::Offline][(n % 2) as usize];
        let unsigned = Presence { content: "Mallory".into(), ..Presence::new(kind, about, UnixMillis(n)) };
        let foreign = board.signed(&alice, kind, 1000 + n, "Mallory").sign(&mallory).unwrap();
        let forged = match n % 4 {
            0 | 1 => unsigned,
            2 => Presence { sig: Some(foreign), ..unsigned },
            _ => genuine.clone(),
        };
        accepted += usize::from(board.publish(&forged).await.status().is_success());
    }
    assert_eq!(accepted, 0);
    assert_eq!(board.labels().await, ["Alice"]);
}

#[tokio::test]
async fn attack_what_was_signed_for_another_run_or_another_server_is_not_taken() {
    let (board, elsewhere, alice) = (board().await, board().await, Keypair::generate_ed25519());
    let refused = board.publish(&message(&elsewhere.signed(&alice, Kind::Online, 10, "Alice"), &alice)).await;
    assert_eq!(refused.status(), 409);
    let told: Value = refused.json().await.unwrap();
    assert_eq!((told["epoch"].as_u64(), told["seq"].as_u64()), (Some(board.epoch.get()), Some(0)));
    let another_run = SignedPresence { epoch: Epoch::new(board.epoch.get() ^ 1), ..board.signed(&alice, Kind::Online, 11, "Alice") };
    assert_eq!(board.publish(&message(&another_run, &alice)).await.status(), 409);
    assert!(board.labels().await.is_empty());
}

#[tokio::test]
async fn a_refusal_names_the_number_to_sign_above() {
    let (board, alice) = (board().await, Keypair::generate_ed25519());
    assert_eq!(board.publish(&message(&board.signed(&alice, Kind::Online, 500, "Alice"), &alice)).await.status(), 204);
    let refused = board.publish(&message(&board.signed(&alice, Kind::Update, 500, "Alicia"), &alice)).await;
    assert_eq!((refused.status().as_u16(), refused.json::<Value>().await.unwrap()["seq"].as_u64()), (409, Some(500)));
    assert_eq!(board.publish(&message(&board.signed(&alice, Kind::Update, 501, "Alicia"), &alice)).await.status(), 204);
    assert_eq!(board.labels().await, ["Alicia"], "the payload wins over the JSON beside it, which says nothing");
}

#[tokio::test]
async fn what_a_peer_signed_is_passed_on_to_readers_of_both_streams() {
    let (board, alice) = (board().await, Keypair::generate_ed25519());
    let (genuine, heartbeat) = (board.signed(&alice, Kind::Online, 10, "Alice"), board.signed(&alice, Kind::Update, 11, "Alice"));
    for said in [&genuine, &heartbeat] {
        assert_eq!(board.publish(&message(said, &alice)).await.status(), 204);
    }
    for stream in ["events", "api/v1/events"] {
        let mut answer = board.http.get(format!("{}/{stream}", board.url)).send().await.unwrap();
        assert_eq!(answer.headers()["goop-epoch"].to_str().unwrap(), board.epoch.get().to_string());
        let mut text = String::new();
        while !text.contains("\"sig\":\"") || !text.ends_with("\n\n") {
            text += std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap();
        }
        let sig = text.split("\"sig\":\"").nth(1).unwrap().split('"').next().unwrap();
        assert_eq!(SignedPresence::open(sig), Ok(genuine.clone()), "{stream}: the message that last changed something");
    }
}
