//! Servers that fail, break off, or never end.

use std::time::Duration;

use axum::http::{StatusCode, header};
use goop::clock::Moment;

use super::script::{Like, Server};
use super::subject::Subject;

const LONG: Duration = Duration::from_secs(3600);
const EMPTY: &str = "id: r.0\nevent: snapshot\ndata: {\"complete\":true,\"peers\":[]}\n\n";

#[tokio::test]
async fn after_twenty_flaps_it_still_comes_back_within_a_second() {
    for like in [Like::Newest, Like::Ours] {
        let mut server = Server::like(like).await;
        server.greet(if like == Like::Ours { EMPTY } else { ": ok\n\n" });
        let subject = Subject::of(&server.url(""), LONG);
        let mut stream = server.stream().await;
        let mut away = Vec::new();
        for _ in 0..20 {
            subject.connected().await;
            let cut = Moment::now();
            drop(stream);
            stream = server.stream().await;
            away.push(Moment::now().since(cut));
        }
        let slow = away.iter().filter(|away| **away >= Duration::from_secs(1)).count();
        assert!(slow <= 3, "what a busy machine does to single ones does not count: {away:?}");
    }
}

#[tokio::test]
async fn a_server_that_fails_is_tried_again_and_the_reason_is_shown() {
    let mut server = Server::like(Like::Ours).await;
    server.greet(EMPTY);
    let page = "<html>".to_owned() + &"x".repeat(100_000);
    server.answer_once("/.well-known/goop", (StatusCode::INTERNAL_SERVER_ERROR, page));
    server.answer_once("/.well-known/goop", (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "1")], "standby"));
    let subject = Subject::of(&server.url(""), LONG);
    subject.retrying("503 Service Unavailable: standby").await;
    server.stream().await;
    subject.connected().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_waited_for() {
    let place = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", place.local_addr().unwrap());
    drop(place);
    Subject::of(&url, LONG).retrying("refused").await;
}

#[tokio::test]
async fn attack_an_event_without_end_ends_the_stream() {
    let mut server = Server::like(Like::Ours).await;
    server.greet("event: snapshot\ndata: {\"peers\":[");
    let subject = Subject::of(&server.url(""), LONG);
    let stream = server.stream().await;
    let piece = vec![b' '; 256 * 1024];
    let mut written = 0;
    while stream.write(&piece).await {
        written += piece.len();
    }
    assert!(written < 64 * 1024 * 1024, "{written} bytes were read");
    subject.retrying("too long").await;
}

#[tokio::test]
async fn something_that_is_no_event_stream_is_not_taken_for_one() {
    let server = Server::like(Like::Newest).await;
    for _ in 0..10 {
        server.answer_once("/events", "<html>hello</html>");
    }
    Subject::of(&server.url(""), LONG).retrying("no event stream").await;
}

#[tokio::test]
async fn attack_a_server_that_sends_in_circles_is_left() {
    let server = Server::like(Like::Ours).await;
    for _ in 0..10 {
        let answer = (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "/.well-known/goop")]);
        server.answer_once("/.well-known/goop", answer);
    }
    Subject::of(&server.url(""), LONG).retrying("circles").await;
}

#[tokio::test]
async fn a_stop_waits_no_longer_than_half_a_second_for_a_server_that_hangs() {
    let mut server = Server::like(Like::Newest).await;
    let subject = Subject::of(&server.url(""), LONG);
    server.taken().await;
    let (hangs, body) = tokio::sync::mpsc::channel::<Result<axum::body::Bytes, std::convert::Infallible>>(1);
    let body = axum::body::Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(body));
    server.answer_once("/publish", body);
    let asked = Moment::now();
    subject.stop().await;
    let took = Moment::now().since(asked);
    assert!(took < Duration::from_secs(2), "{took:?}");
    drop(hangs);
}
