//! Servers of ours.

use std::time::Duration;

use axum::http::{StatusCode, header};
use goop::clients::rendezvous::{News, Stream};
use goop::proto::presence::{Kind, Presence};
use goop::proto::signed::{Details, Epoch, SignedPresence};
use libp2p::PeerId;
use libp2p::identity::Keypair;
use serde_json::json;

use super::script::{Like, Server};
use super::subject::Subject;

const LONG: Duration = Duration::from_secs(3600);
const EMPTY: &str = "id: r.0\nevent: snapshot\ndata: {\"complete\":true,\"peers\":[]}\n\n";

async fn ours() -> Server {
    let server = Server::like(Like::Ours).await;
    server.greet(EMPTY);
    server
}

fn seq(asked: &super::script::Asked) -> u64 {
    SignedPresence::open(asked.json()["sig"].as_str().unwrap()).unwrap().seq
}

#[tokio::test]
async fn what_is_published_is_signed_and_its_numbers_grow() {
    let mut server = ours().await;
    let subject = Subject::of(&server.url("/c/chess"), Duration::from_millis(50));
    let first = server.taken().await;
    let signed = SignedPresence::open(first.json()["sig"].as_str().unwrap()).unwrap();
    assert_eq!((signed.peer, signed.kind, signed.server), (subject.me, Kind::Online, server.script.server));
    assert_eq!((signed.content.as_str(), signed.addrs.len(), signed.epoch), ("Peer five", 1, Epoch::new(7)));
    assert_eq!((signed.details.audience, signed.details.email.as_deref()), (server.url(""), Some("five@example.com")));
    let mut last = signed.seq;
    for _ in 0..5 {
        let next = server.taken().await;
        assert!(seq(&next) > last && next.path == "/c/chess/publish");
        last = seq(&next);
    }
    subject.stop().await;
}

#[tokio::test]
async fn a_peer_that_stops_says_offline_with_a_signature() {
    let mut server = ours().await;
    let subject = Subject::of(&server.url(""), LONG);
    server.taken().await;
    subject.stop().await;
    let last = server.taken().await;
    assert_eq!(SignedPresence::open(last.json()["sig"].as_str().unwrap()).unwrap().kind, Kind::Offline);
}

#[tokio::test]
async fn after_a_restart_of_the_server_everything_is_signed_again_for_its_new_epoch() {
    let mut server = ours().await;
    let subject = Subject::of(&server.url(""), Duration::from_millis(100));
    server.taken().await;
    server.restart(8);
    let mut answers = Vec::new();
    while answers.last() != Some(&204) || !answers.contains(&409) {
        answers.push(server.next("POST").await.answered);
    }
    assert_eq!(answers.iter().filter(|answer| **answer == 409).count(), 1, "{answers:?}");
    drop(subject);
}

#[tokio::test]
async fn a_server_that_took_another_s_place_between_two_requests_is_asked_who_it_is() {
    let mut server = ours().await;
    server.answer_once("/.well-known/goop", axum::Json(json!({ "peer_id": PeerId::random().to_string(), "epoch": 3 })));
    let subject = Subject::of(&server.url(""), LONG);
    let first = server.next("POST").await;
    let signed = SignedPresence::open(first.json()["sig"].as_str().unwrap()).unwrap();
    assert_eq!((signed.server, signed.epoch, first.answered), (server.script.server, Epoch::new(7), 204));
    drop(subject);
}

#[tokio::test]
async fn a_number_that_is_too_low_is_raised_above_what_the_server_has_seen() {
    let mut server = ours().await;
    let high = json!({"epoch": 7, "seq": goop::clock::UnixMillis::now().0 + 100_000});
    server.answer_once("/publish", (StatusCode::CONFLICT, axum::Json(high.clone())));
    let _subject = Subject::of(&server.url(""), LONG);
    assert!(seq(&server.taken().await) > high["seq"].as_u64().unwrap());
}

#[tokio::test]
async fn a_stream_is_resumed_from_its_last_event() {
    let mut server = ours().await;
    let mut subject = Subject::of(&server.url(""), LONG);
    let stream = server.stream().await;
    assert_eq!(subject.next().await, News::Opened { changes_only: true, resumed: false });
    assert!(matches!(subject.next().await, News::Snapshot(snapshot) if snapshot.complete));
    let bob = PeerId::random();
    stream.write(format!("id: r.1\nevent: online\ndata: {{\"type\":\"online\",\"peerID\":\"{bob}\",\"content\":\"Bob\"}}\n\n")).await;
    assert_eq!(subject.told().await.peer, bob);
    drop(stream);
    let _stream = server.stream().await;
    assert_eq!([subject.next().await, subject.next().await], [News::Closed, News::Opened { changes_only: true, resumed: true }]);
    let asked = loop {
        let asked = server.next("GET").await;
        if asked.last_event_id.is_some() {
            break asked;
        }
    };
    assert_eq!(asked.last_event_id.as_deref(), Some("r.1"));
}

#[tokio::test]
async fn a_community_that_moved_is_followed_by_both_loops() {
    let (mut old, mut new) = (ours().await, ours().await);
    let subject = Subject::of(&old.url("/c/chess"), Duration::from_millis(50));
    let stream = old.stream().await;
    old.taken().await;
    let url = new.url("/c/go");
    stream.write(format!("id: r.1\nevent: moved\ndata: {{\"url\":\"{url}\"}}\n\n")).await;
    let _stream = new.stream().await;
    assert_eq!(new.taken().await.path, "/c/go/publish");
    subject.connected().await;
    drop(subject);
    let redirect = || (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, format!("{url}/.well-known/goop"))]);
    old.answer_once("/.well-known/goop", redirect());
    let _subject = Subject::of(&old.url("/c/chess"), LONG);
    assert_eq!(new.taken().await.path, "/c/go/publish");
}

/// A message of another peer as this server would tell it.
fn told(key: &Keypair, server: PeerId, change: impl FnOnce(&mut Presence)) -> String {
    let peer = key.public().to_peer_id();
    let addrs = vec!["/ip4/45.45.45.9/tcp/1".parse().unwrap()];
    let (kind, content, epoch) = (Kind::Online, "Bob".to_owned(), Epoch::new(7));
    let signed = SignedPresence { peer, kind, seq: 1, epoch, content, addrs, server, details: Details::default() };
    let mut presence = Presence { sig: Some(signed.sign(key).unwrap()), ..Presence::new(kind, peer, goop::clock::UnixMillis(1)) };
    change(&mut presence);
    format!("event: online\ndata: {}\n\n", presence.to_json())
}

#[tokio::test]
async fn attack_a_hostile_server_cannot_put_words_or_addresses_into_a_peers_mouth() {
    let mut server = ours().await;
    let mut subject = Subject::of(&server.url(""), LONG);
    let stream = server.stream().await;
    let (bob, carol, here) = (Keypair::generate_ed25519(), Keypair::generate_ed25519(), server.script.server);
    let forged = SignedPresence {
        peer: bob.public().to_peer_id(),
        kind: Kind::Online,
        seq: 2,
        epoch: Epoch::new(7),
        content: "Mallory".into(),
        addrs: Vec::new(),
        server: here,
        details: Details::default(),
    };
    let forged = forged.sign(&carol).unwrap();
    stream.write(told(&bob, here, |presence| presence.sig = Some(forged))).await;
    stream.write(told(&bob, PeerId::random(), |_| {})).await;
    stream.write(told(&bob, here, |presence| presence.peer = carol.public().to_peer_id())).await;
    stream.write(told(&bob, here, |presence| presence.content = "Mallory".into())).await;
    let heard = subject.told().await;
    assert_eq!((heard.peer, heard.content.as_str(), heard.signed), (bob.public().to_peer_id(), "Bob", true), "the first three are dropped");
    assert_eq!((heard.addrs.len(), heard.sig), (1, None));
    let unsigned = r#","addrs":["/ip4/45.45.45.9/tcp/1"],"signed":true"#;
    stream.write(format!("event: update\ndata: {{\"type\":\"update\",\"peerID\":\"{}\"{unsigned}}}\n\n", PeerId::random())).await;
    let heard = subject.told().await;
    assert!(!heard.signed && heard.addrs.is_empty(), "the server's word that they are signed counts for nothing");
    assert_eq!(subject.status().stream, Stream::Connected { ours: true });
}
