//! A message to one community (`goop chat --all TEXT --community URL`).

use goop::peer::ChatError;
use goop::peer::audience::{Audience, Missed};
use goop::proto::chat::{Party, community_name};
use libp2p::PeerId;
use serde_json::json;

use super::board::Board;
use super::peer::Peer;
use super::subject::until;

/// A board with the open communities `chess` and `go`, and their URLs.
async fn board() -> (Board, String, String) {
    let board = Board::new();
    for slug in ["chess", "go"] {
        assert_eq!(board.operate("POST", "boards", json!({ "slug": slug, "type": "open" })).await.0, 201);
    }
    let url = |slug| format!("{}/c/{slug}", board.url());
    let (chess, go) = (url("chess"), url("go"));
    (board, chess, go)
}

/// What was said at this URL, and what to the LAN.
async fn heard(peer: &Peer, community: &str) -> [Vec<String>; 2] {
    let said =
        async |with: Party| peer.handle.history(with, None, 100).await.unwrap().into_iter().map(|kept| kept.message.content).collect();
    [said(Party::Community(community_name(community).to_owned())).await, said(Party::Lan).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_to_a_community_reaches_its_members_and_says_who_missed_it() {
    let (_board, chess, go) = board().await;
    let alice = Peer::new("Alice", &[chess.clone(), go.clone()]).await;
    let (bob, carol) = (Peer::new("Bob", std::slice::from_ref(&chess)).await, Peer::new("Carol", std::slice::from_ref(&go)).await);
    let ghost = PeerId::random();
    let message = json!({ "type": "online", "peerID": ghost.to_base58(), "content": "No address", "ts": 1 });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(http.post(format!("{chess}/publish")).json(&message).send().await.unwrap().status(), 204);
    for (name, peer) in [("Bob", bob.id()), ("Carol", carol.id()), ("the ghost", ghost)] {
        alice.sees(name, peer, |row| row.online).await;
    }
    let everyone = alice.handle.say(Audience::Lan, "to the LAN".into()).await.unwrap();
    assert_eq!((everyone.kept.message.delivered, everyone.missed), (0, Vec::new()), "none of them is on the LAN");
    let sent = alice.handle.say(Audience::Community(chess.clone()), "who plays?".into()).await.unwrap();
    assert_eq!((sent.kept.message.delivered, sent.missed), (1, vec![Missed { why: "no address is known", peers: 1 }]));
    until("Bob heard it", async || heard(&bob, &chess).await == [vec!["who plays?".to_owned()], Vec::new()]).await;
    assert!(
        heard(&carol, &chess).await.concat().is_empty() && heard(&carol, &go).await.concat().is_empty(),
        "it does not cross into another community"
    );
    let named = chess.strip_prefix("http://").unwrap().to_owned() + "/";
    assert_eq!(alice.handle.say(Audience::Community(named), "again".into()).await.unwrap().kept.message.delivered, 1);
    let nowhere = alice.handle.say(Audience::Community("https://rv.example".into()), "hello?".into()).await;
    assert!(matches!(nowhere, Err(ChatError::NoCommunity(name)) if name == "https://rv.example"));
}
