//! Which relay a server names.

use std::time::Duration;

use goop::clients::rendezvous::News;
use libp2p::PeerId;

use super::script::{Like, Server};
use super::subject::Subject;

#[tokio::test]
async fn a_server_is_asked_once_which_relay_to_use_however_often_its_stream_is_opened() {
    let mut server = Server::like(Like::Newest).await;
    let relay = PeerId::random();
    let place = format!("/ip4/45.45.45.5/tcp/18788/p2p/{relay}");
    server.answer_once("/relay", format!(r#"{{"peer_id":"{relay}","addrs":["{place}"],"refresh_interval_sec":90}}"#));
    let mut subject = Subject::of(&server.url("/base"), Duration::from_secs(3600));
    let named = loop {
        if let News::Relay { peer, addrs } = subject.next().await {
            break (peer, addrs);
        }
    };
    assert_eq!(named, (relay, vec![place.parse().unwrap()]));
    let (mut streams, mut asked) = (0, 0);
    while streams < 4 {
        match server.next("GET").await.path.as_str() {
            "/base/relay" => asked += 1,
            "/base/events" => {
                streams += 1;
                drop(server.stream().await);
            }
            _ => {}
        }
    }
    assert_eq!(asked, 1);
}
