//! The event stream.

use std::time::Duration;

use goop::peer::PeerEvent;
use goop::viewer::MAX_STREAMS;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stage::{Stage, new_peer, row};
use crate::{SOON, with};

#[tokio::test]
async fn the_stream_starts_with_a_snapshot_and_tells_what_happens() {
    let stage = Stage::set().await;
    let peer = new_peer();
    with(&stage, |play| play.rows = vec![row(peer, "Ann")]);
    let mut stream = stage.listen().await;
    assert!(stream.head.to_ascii_lowercase().contains("content-type: text/event-stream"));
    let (name, snapshot) = stream.next().await.unwrap();
    assert_eq!((name.as_str(), &snapshot["peers"][0]["label"]), ("snapshot", &json!("Ann")));
    let start = snapshot["start"].as_str().unwrap();
    assert!(stage.get("/").await.text().contains(&format!("name=\"goop-start\" content=\"{start}\"")));
    assert_ne!(Stage::set().await.listen().await.next().await.unwrap().1["start"], start, "every start has its own");
    stage.events.send(PeerEvent::Offline { peer: row(peer, "Bob") }).unwrap();
    let (name, offline) = stream.next().await.unwrap();
    assert_eq!((name.as_str(), &offline["peer"]["label"]), ("offline", &json!("Bob")));
    let said = stage.post_json("/api/v1/chat", r#"{"content":"hi\ndata: x"}"#).await.json();
    let (name, chat) = stream.next().await.unwrap();
    assert_eq!((name.as_str(), &chat["message"]["content"], &chat["message"]["state"]), ("chat", &said["content"], &json!("sending")));
    let (name, delivered) = stream.next().await.unwrap();
    assert_eq!((name.as_str(), &delivered["message"]), ("delivered", &said));
    assert_eq!(stage.get("/api/v1/chat").await.json()["messages"][0], said);
}

/// The script's channel holds four events.
#[tokio::test]
async fn a_reader_that_fell_behind_hears_gap_and_gets_a_fresh_snapshot() {
    let stage = Stage::set().await;
    let peer = new_peer();
    let long = "x".repeat(8 * 1024 * 1024);
    let mut stream = stage.listen().await;
    assert_eq!(stream.next().await.unwrap().0, "snapshot");
    for n in 0..64 {
        let text = if n == 0 { &long } else { "short" };
        stage.events.send(PeerEvent::Update { peer: row(peer, text) }).unwrap();
        tokio::task::yield_now().await;
    }
    with(&stage, |play| play.rows = vec![row(peer, "now")]);
    let mut names = Vec::new();
    let last = loop {
        let (name, data) = timeout(SOON, stream.next()).await.unwrap().unwrap();
        names.push(name);
        if names.last().unwrap() == "snapshot" {
            break data;
        }
    };
    assert_eq!(names[names.len() - 2], "gap", "{names:?}");
    assert_eq!(last["peers"][0]["label"], "now");
}

#[tokio::test]
async fn a_page_that_opens_a_hundred_streams_does_not_starve_the_rest() {
    let stage = Stage::set().await;
    let mut open = Vec::new();
    for n in 0..100 {
        let stream = stage.listen().await;
        if n < MAX_STREAMS {
            assert_eq!(stream.status, 200);
            open.push(stream);
        } else {
            assert_eq!(stream.status, 503);
            assert!(stream.head.to_ascii_lowercase().contains("retry-after: "));
        }
    }
    assert_eq!(stage.get("/api/v1/peers").await.status, 200);
    open.pop();
    let again = async {
        while stage.listen().await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, again).await.expect("a place is given back when its reader leaves");
}

#[tokio::test]
async fn open_streams_do_not_keep_the_viewer_from_stopping() {
    let mut stage = Stage::set().await;
    let mut stream = stage.listen().await;
    assert_eq!(stream.next().await.unwrap().0, "snapshot");
    let addr = stage.addr();
    stage.stop.cancel();
    let ended = timeout(Duration::from_secs(3), stage.tasks.any_end()).await.expect("an open stream holds the viewer");
    assert_eq!((ended.name, ended.panicked), ("viewer", false), "whoever watches the tasks hears of the viewer");
    assert!(stream.next().await.is_none());
    assert!(TcpStream::connect(addr).await.is_err());
}
