//! The rendezvous server against what goop2 really sent and answered (`data/goop2-publish.jsonl`, recorded from its newest generation).
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod rendezvous_stage;

use rendezvous_stage::Server;
use serde_json::{Value, json};

const RECORDED: &str = include_str!("data/goop2-publish.jsonl");

/// Where we answer otherwise on purpose, and why.
const OURS: &[(&str, u16)] = &[
    // Two readers of such a message could disagree about what it says (THREATS 13).
    ("trailing garbage after the object", 400),
    ("two objects in one body", 400),
    ("both peerId and peerID, same value", 400),
    ("peerId then peerID, different", 400),
    ("peerID then peerId, different", 400),
    ("duplicate key, last wins", 400),
    ("duplicate key, second null", 400),
    ("lone surrogate escape in content", 400),
    // Not a peer id, not a type, not a hash.
    ("peerId that is no peer id", 400),
    ("peerId with spaces around", 400),
    ("type with spaces around", 400),
    ("keys CONTENT, EMAIL, AvatarHash, Ts", 400),
    // The time of writing informs; whatever integer it is.
    ("ts 1.0", 204),
    ("ts 1e3", 204),
    ("ts 9223372036854775808", 204),
];

fn lavish() -> Server {
    Server::start(|options| options.http.publish_burst = 10_000)
}

fn offline(of: &Value) -> Value {
    json!({ "type": "offline", "peerId": of["peerID"] })
}

#[tokio::test]
async fn whatever_goop2_publishes_is_answered_and_passed_on_as_goop2_does() {
    let server = lavish();
    let mut lines = server.events("/events").await;
    for line in RECORDED.lines() {
        let exchange: Value = serde_json::from_str(line).unwrap();
        let (title, recorded) = (exchange["title"].as_str().unwrap(), exchange["status"].as_u64().unwrap());
        let status = server.publish_text(exchange["body"].as_str().unwrap()).await;
        let expected = OURS.iter().find(|(ours, _)| *ours == title).map_or(recorded, |(_, status)| u64::from(*status));
        assert_eq!(u64::from(status), expected, "{title}: {}", exchange["body"]);
        let Some(fanout) = exchange["fanout"].as_str().filter(|_| status == 204) else { continue };
        let fanout: Value = serde_json::from_str(fanout).unwrap();
        if fanout["type"] == "offline" {
            continue;
        }
        let told = lines.expect("message").await.data;
        for key in ["content", "avatarHash", "publicKey", "encryptionSupported", "activeTemplate", "videoDisabled", "goopClientVersion"] {
            let same = told[key] == fanout[key] || (empty(&told[key]) && empty(&fanout[key]));
            assert!(same, "{title}: `{key}` of {told} is not that of {fanout}");
        }
        assert_eq!((&told["peerID"], &told["verified"], &told["type"]), (&fanout["peerId"], &json!(true), &json!("online")), "{title}");
        assert_eq!(server.publish(&offline(&told)).await, 204);
        assert_eq!(lines.expect("message").await.data["type"], "offline", "{title}");
    }
}

fn empty(value: &Value) -> bool {
    value.is_null() || *value == json!("") || *value == json!(false)
}

#[tokio::test]
async fn what_newest_goop2_asks_for_besides_is_answered_so_that_it_falls_back() {
    let server = Server::start(|_| {});
    for base in ["", "/via404"] {
        for path in ["/ws?peer_id=12D3KooWHFd1gyNYFqxt7ke9FY2VoVVWY2XSPhvL9vg2pB6wQGfa", "/ws?probe=1", "/relay"] {
            let status = server.get(&format!("{base}{path}")).await.status();
            assert_eq!(status, 404, "on which goop2 falls back to /events: {base}{path}");
        }
        assert_eq!(server.post(&format!("{base}/api/encryption/keys"), "{}").await.status(), 404);
    }
    for (method, path, status) in [
        (reqwest::Method::GET, "/publish", 405),
        (reqwest::Method::PUT, "/publish", 405),
        (reqwest::Method::OPTIONS, "/publish", 405),
        (reqwest::Method::POST, "/events", 405),
        (reqwest::Method::GET, "/events/", 404),
        (reqwest::Method::POST, "/Publish", 404),
        (reqwest::Method::GET, "/healthz", 200),
        (reqwest::Method::POST, "/healthz", 200),
        (reqwest::Method::GET, "/nope", 404),
    ] {
        let answer = reqwest::Client::new().request(method.clone(), server.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
    }
}

#[tokio::test]
async fn goop2_s_stream_begins_with_ok_and_everyone_who_is_here_as_online() {
    let server = Server::start(|_| {});
    for n in 0..3 {
        assert_eq!(server.publish(&rendezvous_stage::message("update", n, "x")).await, 204);
    }
    let mut answer = server.get("/via404/events").await;
    assert_eq!(answer.headers()["x-accel-buffering"], "no");
    let mut text = String::new();
    while text.matches("\n\n").count() < 4 {
        text.push_str(std::str::from_utf8(&answer.chunk().await.unwrap().unwrap()).unwrap());
    }
    assert!(text.starts_with(": ok\n\ndata: {\"type\":\"online\",\"peerID\":\"12D3KooW"), "{text}");
    assert_eq!(text.matches("\"verified\":true").count(), 3);
    assert!(!text.contains("event:") && !text.contains("id:") && !text.contains("retry:"));
}
