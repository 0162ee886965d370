//! Communities that move: what the board answers, and who comes along.

use std::time::Duration;

use axum::http::{StatusCode, header};
use goop::config::http::HttpConfig;
use serde_json::{Value, json};

use super::board::Board;
use super::script::{Like, Server};
use super::subject::{Subject, until};

const OFTEN: Duration = Duration::from_millis(100);

/// Asks as it is, redirects and all: the status, and where `Location` leads.
async fn ask(board: &Board, method: &str, path: &str) -> (u16, String) {
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = http.request(method.parse().unwrap(), format!("{}{path}", board.url())).send().await.unwrap();
    let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), location.unwrap_or_default())
}

async fn found(board: &Board, slug: &str, kind: &str) {
    assert_eq!(board.operate("POST", "boards", json!({ "slug": slug, "type": kind })).await.0, 201);
}

async fn moves(board: &Board, path: &str, to: &str) {
    assert_eq!(board.operate("POST", path, json!({ "to": to })).await.0, 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_path_of_a_community_that_moved_leads_to_its_new_place_after_a_restart_too() {
    let folder = tempfile::tempdir().unwrap();
    let start = |addr| Board::with(addr, HttpConfig::default(), Some(folder.path().join("goop.db")));
    let board = start("127.0.0.1:0".parse().unwrap());
    found(&board, "chess", "open").await;
    found(&board, "go", "open").await;
    moves(&board, "boards/chess/move", "https://new.example/c/chess/").await;
    let board = start(board.stop().await);
    for (method, path) in
        [("POST", "/publish"), ("GET", "/events"), ("GET", "/api/v1/events"), ("GET", "/.well-known/goop"), ("GET", "/x?a=b")]
    {
        let there = (308, format!("https://new.example/c/chess{path}"));
        assert_eq!(ask(&board, method, &format!("/c/chess{path}")).await, there);
        assert_eq!(ask(&board, method, &format!("/via404/c/chess{path}")).await, there);
    }
    assert_eq!(ask(&board, "GET", "/c/chess").await.1, "https://new.example/c/chess/");
    for path in ["/", "/c/go", "/.well-known/goop", "/healthz"] {
        assert_eq!(ask(&board, "GET", path).await.0, 200, "{path} stays");
    }
    assert_eq!(board.operate("GET", "boards", Value::Null).await.1["boards"][1]["moved_to"], "https://new.example/c/chess");
    assert_eq!(board.operate("DELETE", "boards/chess/move", Value::Null).await.0, 204);
    assert_eq!(ask(&board, "GET", "/c/chess").await.0, 200, "it came back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_board_that_moved_leaves_its_operator_and_its_communities_where_they_are() {
    let board = Board::new();
    found(&board, "chess", "open").await;
    moves(&board, "move", "https://new.example").await;
    assert_eq!(ask(&board, "POST", "/publish").await, (308, "https://new.example/publish".into()));
    assert_eq!(ask(&board, "GET", "/").await, (308, "https://new.example/".into()));
    for (path, status) in [("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/admin", 401), ("/peers.json", 401), ("/c/chess", 200)]
    {
        assert_eq!(ask(&board, "GET", path).await.0, status, "{path}");
    }
    assert_eq!(board.operate("DELETE", "move", Value::Null).await.0, 204);
    assert_eq!(ask(&board, "GET", "/").await.0, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attack_a_closed_community_that_moved_still_looks_like_none_to_strangers() {
    let board = Board::new();
    found(&board, "secret", "invite-only").await;
    let (_, invitation) = board.operate("POST", "invitations", json!({ "slug": "secret", "uses": 2 })).await;
    let join = async || {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let asked = http.post(format!("{}/c/secret/join", board.url())).json(&json!({ "invite": invitation["invite"] }));
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let mine = join().await.1["url"].as_str().unwrap().trim_end_matches('/').to_owned();
    let token = mine.rsplit('/').next().unwrap();
    moves(&board, "boards/secret/move", "https://new.example/c/secret").await;
    for path in ["/c/secret/events", "/c/secret", "/c/secret/m/guess/events", "/c/secret/m/guess/x"] {
        assert_eq!(ask(&board, "GET", path).await.0, 404, "{path}");
    }
    assert_eq!(join().await.0, 403, "not even to who is invited: here is nothing to join any more");
    let there = (308, format!("https://new.example/c/secret/m/{token}/events"));
    assert_eq!(ask(&board, "GET", &format!("/c/secret/m/{token}/events")).await, there);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_who_names_no_place_is_told() {
    let nameless = Board::new();
    let (status, problem) = nameless.operate("POST", "move", json!({ "to": nameless.url() })).await;
    assert_eq!(status, 400, "where it is asked is where it is: {problem}");
    let board = Board::called("https://rv.example");
    found(&board, "chess", "open").await;
    for to in ["", "new.example", "ftp://new.example", "https://u:p@new.example", "https://rv.example/c/chess/", "https://new.example/?a"] {
        let (status, problem) = board.operate("POST", "boards/chess/move", json!({ "to": to })).await;
        assert_eq!(status, 400, "{to}: {problem}");
    }
    assert_eq!(board.operate("POST", "boards/nowhere/move", json!({ "to": "https://new.example" })).await.0, 404);
    assert_eq!(board.operate("DELETE", "boards/chess/move", Value::Null).await.0, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_comes_along_and_stays_where_its_community_went() {
    let (old, new) = (Board::new(), Board::new());
    found(&old, "chess", "open").await;
    found(&new, "go", "open").await;
    let peer = Subject::of(&format!("{}/c/chess", old.url()), OFTEN);
    peer.connected().await;
    until("it is here", async || old.labels_of("chess").await == ["Peer five"]).await;
    assert_eq!(peer.status().moved_to, None);
    moves(&old, "boards/chess/move", &format!("{}/c/go", new.url())).await;
    until("it came along", async || new.labels_of("go").await == ["Peer five"]).await;
    until("it says so", async || peer.status().moved_to == Some(format!("{}/c/go", new.addr))).await;
    old.stop().await;
    peer.rename("Peer without its old place");
    until("it goes on there", async || new.labels_of("go").await == ["Peer without its old place"]).await;
    peer.stop().await;
    until("it left", async || new.labels_of("go").await.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_that_follows_redirects_as_goop2_does_comes_along_with_each_message() {
    let (old, new) = (Board::new(), Board::new());
    moves(&old, "move", &new.url()).await;
    let (http, peer) = (reqwest::Client::builder().no_proxy().build().unwrap(), libp2p::PeerId::random());
    let message = json!({ "type": "online", "peerId": peer.to_base58(), "content": "Gopher", "ts": 1 });
    assert_eq!(http.post(format!("{}/publish", old.url())).json(&message).send().await.unwrap().status(), 204);
    assert_eq!(new.labels().await, ["Gopher"]);
    let mut events = http.get(format!("{}/events", old.url())).send().await.unwrap();
    let mut heard = String::new();
    while !heard.contains("Gopher") {
        heard += std::str::from_utf8(&events.chunk().await.unwrap().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn attack_a_server_that_moves_without_end_is_not_chased() {
    let mut server = Server::like(Like::Ours).await;
    server.greet(format!("event: moved\ndata: {{\"url\":\"{}\"}}\n\n", server.url("/again")));
    let subject = Subject::of(&server.url(""), OFTEN);
    subject.retrying("circles").await;
    let mut opened = 0;
    let until = tokio::time::Instant::now() + Duration::from_secs(2);
    while tokio::time::timeout_at(until, server.stream()).await.is_ok() {
        opened += 1;
    }
    assert!(opened <= 100, "{opened} streams in two seconds");
}

#[tokio::test]
async fn attack_a_publication_is_not_redirected_out_of_bounds_either() {
    let mut server = Server::like(Like::Newest).await;
    for _ in 0..50 {
        server.answer_once("/publish", (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, "ftp://elsewhere.example/publish")]));
    }
    let _subject = Subject::of(&server.url(""), OFTEN);
    assert_eq!(server.next("POST").await.answered, 308);
    assert_eq!(server.next("POST").await.path, "/publish", "it stays where it is and tries again");
}
