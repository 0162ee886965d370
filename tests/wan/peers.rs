//! Whole peers that find each other through boards.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use goop::clock::{Moment, UnixMillis};
use goop::peer::{Path, PeerEvent};
use goop::proto::presence::{Kind, Presence};
use goop::proto::signed::{Details, Epoch, SignedPresence};
use libp2p::PeerId;
use libp2p::identity::Keypair;
use tokio::net::TcpListener;

use super::board::Board;
use super::peer::Peer;
use super::script::{Like, Server};
use super::subject::until;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_peers_meet_on_a_board_and_talk_directly() {
    let board = Board::new();
    let (alice, bob) = (Peer::new("Alice", &[board.url()]).await, Peer::new("Bob", &[board.url()]).await);
    let row = alice.sees("Bob", bob.id(), |row| row.online).await;
    assert_eq!((row.label.as_str(), row.signed, row.path), ("Bob", true, Path::NotTried), "nobody is dialled without need");
    assert_eq!(row.sources, [board.addr.to_string()]);
    assert_eq!(alice.fetch(bob.id()).await, "site of Bob");
    assert!(matches!(alice.row(bob.id()).await.unwrap().path, Path::Lan | Path::Direct));
    bob.handle.name_changed("Robert".into(), Some("bob@example.com".into())).await;
    let row = alice.sees("a new name", bob.id(), |row| row.label == "Robert").await;
    assert_eq!(row.email.as_deref(), Some("bob@example.com"), "its owner shares it");
    let (bob_id, left) = (bob.id(), Moment::now());
    bob.stop().await;
    alice.sees("that Bob left", bob_id, |row| !row.online).await;
    assert!(Moment::now().since(left) < Duration::from_secs(4), "he said so, before his TTL lapsed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_board_is_started_anew_nobody_vanishes() {
    let board = Board::new();
    let (alice, bob) = (Peer::new("Alice", &[board.url()]).await, Peer::new("Bob", &[board.url()]).await);
    alice.sees("Bob", bob.id(), |row| row.online).await;
    bob.sees("Alice", alice.id(), |row| row.online).await;
    let mut events = alice.handle.events();
    let board = Board::at(board.stop().await);
    let reached = async |peer: &Peer| serde_json::to_string(&peer.handle.me().await.unwrap().rendezvous).unwrap().contains("connected");
    let carol = Peer::new("Carol", &[board.url()]).await;
    carol.sees("Bob at the new board", bob.id(), |row| row.online && row.signed).await;
    until("Alice is back", async || reached(&alice).await).await;
    alice.sees("Carol", carol.id(), |row| row.online).await;
    while let Ok(event) = events.try_recv() {
        assert!(!matches!(event, PeerEvent::Offline { .. }), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_boards_and_the_lan_tell_becomes_one_row() {
    let (one, other) = (Board::new(), Board::new());
    let alice = Peer::new("Alice", &[one.url(), other.url()]).await;
    let bob = Peer::new("Bob", &[other.url(), one.url()]).await;
    alice.sees("Bob by both boards", bob.id(), |row| row.sources.len() == 2).await;
    alice.fetch(bob.id()).await;
    let row = alice.sees("Bob on the LAN too", bob.id(), |row| row.sources.len() == 3).await;
    assert_eq!(alice.handle.peers().await.len(), 1);
    assert!(row.sources.contains(&"lan".to_owned()) && row.sources.contains(&other.addr.to_string()));
    let gone = one.stop().await.to_string();
    alice.sees("that one board went", bob.id(), |row| !row.sources.contains(&gone)).await;
    assert!(alice.row(bob.id()).await.unwrap().online, "the others still hear him");
    bob.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_what_a_board_tells_does_not_go_on_into_the_lan() {
    let board = Board::new();
    let (bridge, stranger) = (Peer::new("Bridge", &[board.url()]).await, Peer::new("Stranger", &[board.url()]).await);
    let neighbour = Peer::new("Neighbour", &[]).await;
    let listen = bridge.handle.me().await.unwrap().listen;
    let tcp = listen.iter().find(|addr| addr.to_string().contains("127.0.0.1/tcp")).unwrap();
    neighbour.handle.dial(tcp.clone()).await.unwrap();
    bridge.sees("the stranger", stranger.id(), |row| row.online).await;
    stranger.handle.name_changed("Stranger 2".into(), None).await;
    bridge.sees("its new name", stranger.id(), |row| row.label == "Stranger 2").await;
    bridge.handle.name_changed("Bridge 2".into(), None).await;
    neighbour.sees("what the bridge says after that", bridge.id(), |row| row.label == "Bridge 2").await;
    assert!(neighbour.row(stranger.id()).await.is_none());
    let everyone = bridge.handle.chat(None, "hello neighbours".into()).await.unwrap();
    assert_eq!(everyone.message.delivered, 1, "a message to everyone stays on the LAN");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_a_victims_address_is_dialled_within_the_budget_only() {
    let victim = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, knocks) = (victim.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = knocks.clone();
    tokio::spawn(async move {
        while victim.accept().await.is_ok() {
            counted.fetch_add(1, SeqCst);
        }
    });
    let mut server = Server::like(Like::Ours).await;
    let keys: Vec<Keypair> = (0..100).map(|_| Keypair::generate_ed25519()).collect();
    let row = |key: &Keypair| {
        let (peer, kind, content) = (key.public().to_peer_id(), Kind::Online, String::new());
        let addrs = vec![format!("/ip4/127.0.0.1/tcp/{}", addr.port()).parse().unwrap(); 8];
        let (epoch, server, details) = (Epoch::new(7), server.script.server, Details::default());
        let signed = SignedPresence { peer, kind, seq: 1, epoch, content, addrs, server, details };
        Presence { sig: Some(signed.sign(key).unwrap()), ..Presence::new(kind, peer, UnixMillis(1)) }.to_json()
    };
    let rows: Vec<String> = keys.iter().map(row).collect();
    let crowd: Vec<PeerId> = keys.iter().map(|key| key.public().to_peer_id()).collect();
    server.greet(format!("event: snapshot\ndata: {{\"complete\":true,\"peers\":[{}]}}\n\n", rows.join(",")));
    let alice = Peer::new("Alice", &[server.url("")]).await;
    let _stream = server.stream().await;
    alice.sees("the crowd", crowd[99], |row| row.online).await;
    assert_eq!(knocks.load(SeqCst), 0, "nobody is dialled for being here");
    for _ in 0..20 {
        assert!(alice.handle.fetch_site(crowd[0], "/").await.is_err());
    }
    assert!((1..=5).contains(&knocks.load(SeqCst)), "{} for one peer", knocks.load(SeqCst));
    for peer in &crowd {
        assert!(alice.handle.fetch_site(*peer, "/").await.is_err());
    }
    assert!(knocks.load(SeqCst) <= 64 + 10, "{} for a hundred peers", knocks.load(SeqCst));
    assert_eq!(alice.row(crowd[0]).await.unwrap().path, Path::Unreachable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_servers_among_five_slow_nobody_and_either_of_the_others_is_enough() {
    let hangs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let fails = Server::like(Like::Ours).await;
    for _ in 0..200 {
        fails.answer_once("/.well-known/goop", axum::http::StatusCode::INTERNAL_SERVER_ERROR);
    }
    let (one, two) = (Board::new(), Board::new());
    let url = |addr| format!("http://{addr}");
    let servers = [url(hangs.local_addr().unwrap()), url(gone), fails.url(""), one.url(), two.url()];
    let began = Moment::now();
    let (alice, bob) = (Peer::new("Alice", &servers).await, Peer::new("Bob", &servers).await);
    let row = alice.sees("Bob through both", bob.id(), |row| row.sources.len() == 2).await;
    assert!(row.online && row.signed && Moment::now().since(began) < Duration::from_secs(5), "{:?}", Moment::now().since(began));
    one.stop().await;
    let renamed = Moment::now();
    bob.handle.name_changed("Robert".into(), None).await;
    alice.sees("a new name through the other", bob.id(), |row| row.online && row.label == "Robert").await;
    assert!(Moment::now().since(renamed) < Duration::from_secs(4), "{:?}", Moment::now().since(renamed));
    assert_eq!(alice.handle.me().await.unwrap().rendezvous.len(), 5, "each is shown as it is");
    alice.sees("what the first one said has lapsed", bob.id(), |row| row.sources.len() == 1).await;
    let (stopped, bob_id) = (Moment::now(), bob.id());
    bob.stop().await;
    alice.sees("that Bob left", bob_id, |row| !row.online).await;
    assert!(Moment::now().since(stopped) < Duration::from_secs(4), "the dead ones hold up no farewell");
}
