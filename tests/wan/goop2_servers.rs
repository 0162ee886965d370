//! Servers of goop2, as they were recorded.

use std::time::Duration;

use axum::http::{StatusCode, header};
use goop::clients::rendezvous::{News, Stream};
use goop::proto::presence::Kind;
use serde_json::Value;

use super::script::{Like, Server};
use super::subject::Subject;

const LONG: Duration = Duration::from_secs(3600);

/// What recorded streams of both generations carried, one per line: `{"generation", "lines"}`.
const RECORDED: &str = include_str!("../data/goop2-events.jsonl");

fn keys(message: &Value) -> Vec<String> {
    message.as_object().unwrap().keys().cloned().collect()
}

#[tokio::test]
async fn a_strict_server_gets_the_six_keys_of_the_seed_after_its_first_refusal() {
    let mut server = Server::like(Like::Seed).await;
    let subject = Subject::of(&server.url("/c/chess/"), Duration::from_millis(100));
    let refused = server.next("POST").await;
    assert_eq!((refused.answered, refused.path.as_str()), (400, "/c/chess/publish"));
    let first = server.next("POST").await;
    assert_eq!((first.answered, &first.json()["type"]), (204, &Value::from("online")));
    assert_eq!(keys(&first.json()), ["type", "peerID", "content", "email", "ts"]);
    for _ in 0..5 {
        let next = server.next("POST").await;
        assert_eq!((next.answered, &next.json()["type"]), (204, &Value::from("update")), "it does not ask for trouble again");
    }
    subject.stop().await;
    let mut last = server.next("POST").await.json();
    while last["type"] == "update" {
        last = server.next("POST").await.json();
    }
    assert_eq!((&last["type"], &last["content"]), (&"offline".into(), &"Peer five".into()), "goop2 sends the profile with it too");
}

#[tokio::test]
async fn a_tolerant_server_is_told_addresses_too_and_a_change_at_once() {
    let mut server = Server::like(Like::Newest).await;
    let subject = Subject::of(&server.url(""), LONG);
    let first = server.next("POST").await.json();
    assert_eq!((&first["type"], &first["addrs"][0], first.get("sig")), (&"online".into(), &"/ip4/45.45.45.1/tcp/4001".into(), None));
    subject.rename("Peer 5");
    let second = server.next("POST").await.json();
    assert_eq!((&second["type"], &second["content"]), (&"update".into(), &"Peer 5".into()));
}

#[tokio::test]
async fn recorded_streams_are_understood_in_pieces_of_any_size() {
    for line in RECORDED.lines() {
        let recorded: Value = serde_json::from_str(line).unwrap();
        let text: String = recorded["lines"].as_array().unwrap().iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect();
        let messages = text.matches("data: ").count();
        for size in [3, 50, 100_000] {
            let mut server = Server::like(Like::Newest).await;
            let mut subject = Subject::of(&server.url(""), LONG);
            let stream = server.stream().await;
            assert_eq!(subject.next().await, News::Opened { changes_only: false, resumed: false });
            for piece in text.as_bytes().chunks(size) {
                assert!(stream.write(piece).await);
            }
            let mut kinds = Vec::new();
            for _ in 0..messages {
                let presence = subject.told().await;
                assert!(!presence.signed && presence.addrs.is_empty(), "nobody has signed this");
                kinds.push(presence.kind);
            }
            assert_eq!((kinds.first(), kinds.last()), (Some(&Kind::Online), Some(&Kind::Offline)), "{}", recorded["generation"]);
            assert_eq!(subject.status().stream, Stream::Connected { ours: false });
        }
    }
}

#[tokio::test]
async fn a_server_that_asks_for_time_gets_it_even_if_something_changes() {
    let mut server = Server::like(Like::Newest).await;
    server.answer_once("/publish", (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")], "rate limit exceeded\n"));
    let subject = Subject::of(&server.url(""), LONG);
    let refused = server.next("POST").await;
    super::subject::until("the refusal is shown", async || {
        subject.status().refused.as_deref() == Some("429 Too Many Requests: rate limit exceeded")
    })
    .await;
    subject.rename("Hasty");
    let next = server.taken().await;
    assert!(next.at.since(refused.at) >= Duration::from_millis(950), "{:?}", next.at.since(refused.at));
    super::subject::until("all is well", async || subject.status().refused.is_none()).await;
}

#[tokio::test]
async fn a_line_over_goop2s_limit_ends_the_stream_and_it_is_opened_again() {
    let mut server = Server::like(Like::Newest).await;
    let subject = Subject::of(&server.url(""), LONG);
    let stream = server.stream().await;
    let piece = vec![b'x'; 8192];
    stream.write("data: ").await;
    while stream.write(&piece).await {}
    stream.closed().await;
    server.stream().await;
    drop(subject);
}
