//! The rendezvous server as its readers, its attackers and its operator see it.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod rendezvous_stage;

use std::net::SocketAddr;
use std::time::Duration;

use goop::proto::presence::Kind;
use goop::proto::signed::{Epoch, SignedPresence};
use libp2p::identity::Keypair;
use rendezvous_stage::{Events, SOON, Server, message, peer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

const CHANGES: &str = "/api/v1/events";
/// A reader that takes nothing for this long is cut (THREATS 8).
const STUCK: Duration = Duration::from_secs(10);

/// A peer of ours, which signs.
struct Signer {
    key: Keypair,
    epoch: u64,
    server: libp2p::PeerId,
}

impl Signer {
    async fn new(server: &Server) -> Self {
        let known: Value = server.get("/.well-known/goop").await.json().await.unwrap();
        let id = known["peer_id"].as_str().unwrap().parse().unwrap();
        Self { key: Keypair::ed25519_from_bytes([77; 32]).unwrap(), epoch: known["epoch"].as_u64().unwrap(), server: id }
    }

    fn says(&self, kind: Kind, seq: u64, content: &str) -> Value {
        let peer = self.key.public().to_peer_id();
        let signed = SignedPresence {
            peer,
            kind,
            seq,
            epoch: Epoch::new(self.epoch),
            content: content.into(),
            addrs: Vec::new(),
            server: self.server,
            details: Default::default(),
        };
        json!({ "type": "update", "peerID": peer.to_base58(), "content": "beside", "sig": signed.sign(&self.key).unwrap() })
    }
}

async fn publish_all(server: &Server, numbers: std::ops::Range<u16>, content: &str) {
    for n in numbers {
        assert_eq!(server.publish(&message("update", n, content)).await, 204);
    }
}

async fn joined(server: &Server, query: &str) -> (Events, rendezvous_stage::Event) {
    let mut events = server.events(&format!("{CHANGES}{query}")).await;
    let first = events.next().await.unwrap();
    (events, first)
}

#[tokio::test]
async fn a_reader_gets_a_snapshot_then_what_changes_and_goes_on_after_a_break() {
    let server = Server::start(|_| {});
    publish_all(&server, 0..2, "here").await;
    let (mut events, first) = joined(&server, "").await;
    assert_eq!((first.name.as_str(), first.data["peers"].as_array().unwrap().len()), ("snapshot", 2));
    publish_all(&server, 2..3, "new").await;
    publish_all(&server, 0..3, "other").await;
    assert_eq!(events.expect("online").await.data["peerID"], peer(2).to_base58());
    events.expect("update").await;
    let seen = events.expect("update").await.id.unwrap();
    drop(events);
    assert_eq!(server.publish(&message("offline", 0, "")).await, 204);
    let (mut events, missed) = joined(&server, &format!("?last_event_id={seen}")).await;
    assert_eq!((missed.name.as_str(), &missed.data["peerID"]), ("update", &json!(peer(2).to_base58())));
    assert_eq!(events.expect("offline").await.data["peerID"], peer(0).to_base58());
}

#[tokio::test]
async fn an_id_of_another_start_is_told_gap_and_starts_anew() {
    let server = Server::start(|_| {});
    let (mut events, first) = joined(&server, "?last_event_id=1.5").await;
    assert_eq!(first.name, "gap");
    assert_eq!(events.expect("snapshot").await.data["complete"], false);
}

#[tokio::test]
async fn the_first_event_after_a_quiet_moment_goes_out_at_once() {
    let server = Server::start(|_| {});
    let (mut events, _) = joined(&server, "").await;
    let began = tokio::time::Instant::now();
    publish_all(&server, 0..1, "x").await;
    events.expect("online").await;
    assert!(began.elapsed() < Duration::from_secs(1), "no batch of seconds: {:?}", began.elapsed());
}

#[tokio::test]
async fn attack_a_thousand_forged_updates_of_a_peer_that_signs_change_nothing() {
    let server = Server::start(|options| options.http.publish_burst = 10_000);
    let signer = Signer::new(&server).await;
    let id = signer.key.public().to_peer_id().to_base58();
    assert_eq!(server.publish(&signer.says(Kind::Online, 1, "the real one")).await, 204);
    let (mut events, first) = joined(&server, "").await;
    assert_eq!(first.data["peers"][0]["content"], "the real one", "what is signed wins over what stands beside it");
    for n in 0..1000 {
        let kind = if n % 2 == 0 { "update" } else { "offline" };
        assert_eq!(server.publish(&json!({ "type": kind, "peerId": id, "content": "forged" })).await, 403);
    }
    let replayed = server.post("/publish", signer.says(Kind::Online, 1, "the real one").to_string()).await;
    assert_eq!(replayed.status(), 409);
    assert_eq!(replayed.headers()["content-type"], "application/problem+json");
    let told: Value = replayed.json().await.unwrap();
    assert_eq!((told["epoch"].as_u64(), told["seq"].as_u64()), (Some(signer.epoch), Some(1)));
    assert_eq!(server.publish(&signer.says(Kind::Offline, 2, "")).await, 204);
    events.expect("offline").await;
}

#[tokio::test]
async fn a_signature_for_another_server_or_of_nobody_is_refused() {
    let server = Server::start(|_| {});
    let mut signer = Signer::new(&server).await;
    let mut broken = signer.says(Kind::Online, 1, "x");
    broken["sig"] = json!("AAAA");
    assert_eq!(server.publish(&broken).await, 403);
    signer.server = peer(1);
    assert_eq!(server.publish(&signer.says(Kind::Online, 1, "x")).await, 409);
}

#[tokio::test]
async fn unsigned_presence_can_be_switched_off() {
    let server = Server::start(|options| options.allow_unsigned = false);
    assert_eq!(server.publish(&message("online", 1, "x")).await, 403);
    assert_eq!(server.publish(&Signer::new(&server).await.says(Kind::Online, 1, "x")).await, 204);
}

#[tokio::test]
async fn bad_input_gets_its_status_and_a_sentence_and_the_board_serves_on() {
    let server = Server::start(|_| {});
    let deep = format!("{{\"type\":\"online\",\"peerId\":\"{}\",\"z\":{}{}}}", peer(1), "[".repeat(1000), "]".repeat(1000));
    for (body, status) in [
        (deep, 400),
        ("x".repeat(16 * 1024 + 1), 413),
        ("{".into(), 400),
        (message("punch", 1, "").to_string(), 400),
        (message("online", 1, &"x".repeat(4097)).to_string(), 400),
    ] {
        let answer = server.post("/publish", body).await;
        assert_eq!(answer.status(), status);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["status"], status);
        assert!(problem["detail"].as_str().unwrap().len() > 10);
    }
    let as_form = reqwest::Client::new().post(server.url("/publish")).body(message("online", 1, "x").to_string());
    assert_eq!(as_form.send().await.unwrap().status(), 415);
    let by_page = reqwest::Client::new().post(server.url("/publish")).header("content-type", "application/json");
    let by_page = by_page.header("origin", "https://evil.example").body(message("online", 1, "x").to_string());
    assert_eq!(by_page.send().await.unwrap().status(), 403);
    assert_eq!(server.post("/c/nowhere/publish", message("online", 1, "x").to_string()).await.status(), 404);
    assert_eq!(server.publish(&message("online", 1, "x")).await, 204);
}

#[tokio::test]
async fn attack_a_gigabyte_is_refused_before_it_is_read() {
    let server = Server::start(|_| {});
    for length in ["content-length: 1073741824", "transfer-encoding: chunked"] {
        let mut socket = TcpStream::connect(server.addr()).await.unwrap();
        let head = format!("POST /publish HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{length}\r\n\r\n");
        socket.write_all(head.as_bytes()).await.unwrap();
        let (mut read, mut write) = socket.into_split();
        let flood = tokio::spawn(async move {
            let piece = [b"10000\r\n".as_slice(), &[b' '; 65536], b"\r\n"].concat();
            let mut sent = 0_usize;
            while sent < 1 << 30 && write.write_all(&piece).await.is_ok() {
                sent += piece.len();
            }
            sent
        });
        let mut answer = vec![0; 64];
        timeout(SOON, read.read_exact(&mut answer)).await.expect("an answer").unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
        drop(read);
        assert!(timeout(SOON, flood).await.expect("the connection is closed").unwrap() < 64 << 20);
    }
}

#[tokio::test]
async fn who_publishes_too_often_is_told_when_to_come_again() {
    let server = Server::start(|options| options.http.publish_burst = 3);
    publish_all(&server, 1..2, "x").await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(server.publish(&message("update", 1, "x")).await);
    }
    assert_eq!(statuses, [204, 204, 429]);
    let refused = server.post("/publish", message("update", 1, "x").to_string()).await;
    assert!(refused.headers()["retry-after"].to_str().unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(server.publish(&message("offline", 1, "")).await, 204, "a farewell is always heard");
    publish_all(&server, 2..3, "another peer behind the same address").await;
}

#[tokio::test]
async fn one_address_gets_its_share_of_the_streams() {
    let server = Server::start(|options| options.http.max_streams_per_ip = 2);
    let first = joined(&server, "").await;
    let _second = joined(&server, "").await;
    let refused = server.get("/events").await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    drop(first);
    loop {
        if server.get("/events").await.status() == 200 {
            break;
        }
        tokio::task::yield_now().await;
    }
}

/// Opens a stream, takes nothing of it, and has next to no room to be given anything.
async fn asleep(addr: SocketAddr, path: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut socket = socket.connect(addr).await.unwrap();
    socket.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await.unwrap();
    socket
}

#[tokio::test]
async fn attack_readers_who_do_not_read_hold_nobody_up_and_are_told_gap_or_cut() {
    let server = Server::start(|options| {
        options.http.publish_burst = 100_000;
        options.http.publish_per_minute_per_ip = 1_000_000;
    });
    let mut sleepers = Vec::new();
    for n in 0..40 {
        sleepers.push(asleep(server.addr(), if n % 2 == 0 { CHANGES } else { "/events" }).await);
    }
    let (mut events, _) = joined(&server, "").await;
    let (client, began) = (reqwest::Client::new(), tokio::time::Instant::now());
    for batch in 0..100 {
        let posts = (0..25).map(|n| {
            let body = message("update", n, &format!("{batch}{}", "y".repeat(4000))).to_string();
            client.post(server.url("/publish")).header("content-type", "application/json").body(body).send()
        });
        let answers = timeout(SOON, futures::future::join_all(posts)).await.expect("nobody is held up");
        assert!(answers.into_iter().all(|answer| answer.unwrap().status() == 204));
        for _ in 0..25 {
            let told = events.next().await.unwrap();
            assert!(told.data["content"].as_str().unwrap().starts_with(&format!("{batch}y")), "nothing is skipped");
        }
    }
    let mut awake = sleepers.swap_remove(0);
    let mut text = Vec::new();
    while !String::from_utf8_lossy(&text).contains("event: gap\n") {
        let mut piece = vec![0; 65536];
        let read = timeout(SOON, awake.read(&mut piece)).await.expect("something").unwrap_or(0);
        if read == 0 {
            assert!(began.elapsed() > STUCK, "a stream of changes goes on after a gap");
            return;
        }
        text.splice(..text.len().saturating_sub(64), piece.drain(..read));
    }
}

#[tokio::test]
async fn when_the_server_stops_every_stream_ends_properly() {
    let server = Server::start(|_| {});
    let (mut changes, _) = joined(&server, "").await;
    let mut lines = server.events("/events").await;
    server.stop().await;
    assert_eq!((changes.next().await, lines.next().await), (None, None));
}

#[tokio::test]
async fn attack_a_label_with_markup_is_text_on_the_page() {
    let server = Server::start(|_| {});
    publish_all(&server, 1..2, "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>").await;
    let page = server.get("/").await;
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"));
    let html = page.text().await.unwrap();
    assert!(html.contains("&#60;script&#62;alert(1)") && !html.contains("<script>alert") && !html.contains("<img src=x"), "{html}");
    assert!(html.contains(&format!("goop run --rendezvous-wan {}", server.url(""))));
}

#[tokio::test]
async fn emails_of_those_who_did_not_share_them_are_told_nobody() {
    let server = Server::start(|_| {});
    let mut alice = message("online", 1, "Alice");
    alice["email"] = json!("alice@example.com");
    let mut lines = server.events("/events").await;
    assert_eq!(server.publish(&alice).await, 204);
    assert!(!lines.expect("message").await.data.to_string().contains("alice@"));
    assert!(!joined(&server, "").await.1.data.to_string().contains("alice@"));
    assert!(!server.get("/").await.text().await.unwrap().contains("alice@"));
}

#[tokio::test]
async fn the_counters_are_for_this_machine_alone() {
    let server = Server::start(|_| {});
    assert!(server.get("/metrics").await.text().await.unwrap().ends_with("# EOF\n"));
    let forwarded = reqwest::Client::new().get(server.url("/metrics")).header("x-forwarded-for", "127.0.0.1");
    assert_eq!(forwarded.send().await.unwrap().status(), 403);
}
