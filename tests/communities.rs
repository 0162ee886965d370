//! Several communities on one server: who comes in, who is kept apart, and that being put out counts at once.
#![allow(missing_docs, clippy::unwrap_used, reason = "the names of the tests say it, and a failed step fails the test")]

mod rendezvous_stage;

use goop::config::Secret;
use rendezvous_stage::{SOON, Server, message, peer};
use reqwest::{Client, Method, Response, Url};
use serde_json::{Value, json};
use tokio::time::timeout;

fn server() -> Server {
    Server::start(|options| options.doors.password = Secret::new("pw"))
}

async fn operate(server: &Server, method: Method, path: &str, body: Value) -> Response {
    let request = Client::new().request(method, server.url(&format!("/api/v1/admin/{path}"))).basic_auth("admin", Some("pw"));
    let request = if body.is_null() { request } else { request.json(&body) };
    request.send().await.unwrap()
}

async fn created(server: &Server, path: &str, body: Value) -> Value {
    let response = operate(server, Method::POST, path, body).await;
    assert_eq!(response.status(), 201, "{path}");
    response.json().await.unwrap()
}

async fn found(server: &Server, slug: &str, kind: &str) {
    created(server, "boards", json!({ "slug": slug, "name": slug, "type": kind })).await;
}

async fn join(server: &Server, slug: &str, wish: Value) -> (u16, Value) {
    let response = Client::new().post(server.url(&format!("/c/{slug}/join"))).json(&wish).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

/// The path of a personal URL.
fn base(answer: &Value) -> String {
    let url = Url::parse(answer["url"].as_str().unwrap()).unwrap();
    url.path().trim_end_matches('/').to_owned()
}

/// A member of `slug`: the path of its personal URL.
async fn member(server: &Server, slug: &str, number: u16) -> String {
    let invite = created(server, "invitations", json!({ "slug": slug })).await["invite"].clone();
    let (status, answer) = join(server, slug, json!({ "invite": invite, "peer_id": peer(number).to_base58() })).await;
    assert_eq!(status, 200, "{answer}");
    base(&answer)
}

async fn publish(server: &Server, base: &str, number: u16) -> u16 {
    server.post(&format!("{base}/publish"), message("online", number, "x").to_string()).await.status().as_u16()
}

async fn status(server: &Server, path: &str) -> u16 {
    Client::new().get(server.url(path)).send().await.unwrap().status().as_u16()
}

async fn peers(server: &Server, slug: Option<&str>) -> u64 {
    let boards: Value = operate(server, Method::GET, "boards", Value::Null).await.json().await.unwrap();
    let boards = boards["boards"].as_array().unwrap().clone();
    boards.iter().find(|board| board["slug"].as_str() == slug).unwrap()["peers"].as_u64().unwrap()
}

/// Reads a stream until it ends, which must be soon.
async fn ends(mut stream: Response) {
    timeout(SOON, async { while let Ok(Some(_)) = stream.chunk().await {} }).await.expect("the stream ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn communities_are_kept_apart() {
    let server = server();
    found(&server, "chess", "open").await;
    assert_eq!(publish(&server, "/c/chess", 1).await, 204);
    assert_eq!(publish(&server, "", 2).await, 204);
    assert_eq!((peers(&server, Some("chess")).await, peers(&server, None).await), (1, 1));
    assert_eq!(publish(&server, "/via404/c/chess", 3).await, 204);
    assert_eq!(peers(&server, Some("chess")).await, 2);
    assert_eq!(operate(&server, Method::POST, "boards", json!({ "slug": "chess", "type": "open" })).await.status(), 409);
    let known: Value = reqwest::get(server.url("/.well-known/goop")).await.unwrap().json().await.unwrap();
    assert_eq!(known["communities"][0]["slug"], "chess");
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_a_closed_community_looks_like_none_at_all() {
    let server = server();
    found(&server, "secret", "invite-only").await;
    for slug in ["secret", "nowhere"] {
        for path in ["", "/events", "/api/v1/events", "/m/bcdfghjk/events", "/m/bcdfghjk"] {
            assert_eq!(status(&server, &format!("/c/{slug}{path}")).await, 404, "{slug}{path}");
        }
        assert_eq!(publish(&server, &format!("/c/{slug}"), 1).await, 404);
        let (status, answer) = join(&server, slug, json!({ "invite": "guess" })).await;
        assert_eq!((status, answer["detail"].as_str().unwrap().contains("no such community")), (403, true));
    }
    let known: Value = reqwest::get(server.url("/.well-known/goop")).await.unwrap().json().await.unwrap();
    assert_eq!(known["communities"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_becomes_a_personal_url_that_publishes_for_one_peer() {
    let server = server();
    found(&server, "secret", "invite-only").await;
    let mine = member(&server, "secret", 1).await;
    assert_eq!(publish(&server, &mine, 1).await, 204);
    assert_eq!(publish(&server, &mine, 2).await, 403);
    assert_eq!(publish(&server, &format!("/via404{mine}"), 1).await, 204);
    assert_eq!(status(&server, &mine).await, 200, "its page");
    let invite = created(&server, "invitations", json!({ "slug": "secret", "uses": 1 })).await["invite"].clone();
    let (_, answer) = join(&server, "secret", json!({ "invite": invite })).await;
    let theirs = base(&answer);
    assert!(!theirs.contains("425"));
    assert_eq!((publish(&server, &theirs, 3).await, publish(&server, &theirs, 4).await), (204, 403), "whoever came first");
    assert_eq!(join(&server, "secret", json!({ "invite": invite })).await.0, 403, "it was for one");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_expires_and_is_revoked() {
    let server = server();
    found(&server, "secret", "invite-only").await;
    let expired = created(&server, "invitations", json!({ "slug": "secret", "expires_seconds": 0 })).await;
    assert_eq!(join(&server, "secret", json!({ "invite": expired["invite"] })).await.0, 403);
    let revoked = created(&server, "boards/secret/invitations", json!({ "uses": 10 })).await;
    let path = format!("invitations/{}", revoked["id"]);
    assert_eq!(operate(&server, Method::DELETE, &path, Value::Null).await.status(), 204);
    assert_eq!(join(&server, "secret", json!({ "invite": revoked["invite"] })).await.0, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_waits_for_the_operator() {
    let server = server();
    found(&server, "club", "application").await;
    let (status, asked) = join(&server, "club", json!({ "peer_id": peer(1).to_base58(), "message": "please" })).await;
    assert_eq!(status, 202);
    let ticket = json!({ "ticket": asked["ticket"] });
    assert_eq!(join(&server, "club", ticket.clone()).await.0, 202);
    let all: Value = operate(&server, Method::GET, "applications", Value::Null).await.json().await.unwrap();
    let application = &all["applications"][0];
    assert_eq!((&application["message"], &application["peer"]), (&json!("please"), &json!(peer(1).to_base58())));
    let path = format!("applications/{}/approve", application["id"]);
    assert_eq!(operate(&server, Method::POST, &path, Value::Null).await.status(), 204);
    let (status, answer) = join(&server, "club", ticket.clone()).await;
    assert_eq!((status, publish(&server, &base(&answer), 1).await), (200, 204));
    assert_eq!(join(&server, "club", ticket).await.0, 403, "handed out once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_token_ends_its_streams_and_its_presence() {
    let server = server();
    found(&server, "secret", "invite-only").await;
    let (mine, other) = (member(&server, "secret", 1).await, member(&server, "secret", 2).await);
    assert_eq!((publish(&server, &mine, 1).await, publish(&server, &other, 2).await), (204, 204));
    let stream = reqwest::get(server.url(&format!("{mine}/api/v1/events"))).await.unwrap();
    assert_eq!(stream.status(), 200);
    let all: Value = operate(&server, Method::GET, "members", Value::Null).await.json().await.unwrap();
    let path = format!("members/{}", all["members"][0]["id"]);
    assert_eq!(operate(&server, Method::DELETE, &path, Value::Null).await.status(), 204);
    ends(stream).await;
    assert_eq!(peers(&server, Some("secret")).await, 1);
    assert_eq!((publish(&server, &mine, 1).await, publish(&server, &other, 2).await), (404, 204));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ban_ends_streams_and_presence_until_it_is_lifted() {
    let server = server();
    assert_eq!((publish(&server, "", 1).await, publish(&server, "", 2).await), (204, 204));
    let ban = created(&server, "bans", json!({ "peer_id": peer(1).to_base58(), "reason": "spam" })).await;
    assert_eq!((publish(&server, "", 1).await, publish(&server, "", 2).await), (403, 204));
    assert_eq!(peers(&server, None).await, 1);
    assert_eq!(operate(&server, Method::DELETE, &format!("bans/{}", ban["id"]), Value::Null).await.status(), 204);
    assert_eq!(publish(&server, "", 1).await, 204);
    let stream = reqwest::get(server.url("/events")).await.unwrap();
    created(&server, "bans", json!({ "address": "127.0.0.1", "reason": "flood", "seconds": 3600 })).await;
    ends(stream).await;
    assert_eq!((publish(&server, "", 2).await, status(&server, "/events").await), (403, 403));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_community_ends_its_streams() {
    let server = server();
    found(&server, "chess", "open").await;
    let stream = reqwest::get(server.url("/c/chess/events")).await.unwrap();
    assert_eq!(operate(&server, Method::DELETE, "boards/chess", Value::Null).await.status(), 204);
    ends(stream).await;
    assert_eq!(status(&server, "/c/chess/events").await, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_servers_over_one_file_know_the_same_within_a_second() {
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let path = folder.path().join("shared.db");
        Server::start(|options| {
            (options.doors.password, options.doors.database, options.doors.shared) = (Secret::new("pw"), Some(path), true);
        })
    };
    let (one, other) = (start(), start());
    found(&one, "secret", "invite-only").await;
    let mine = member(&one, "secret", 1).await;
    let known = async {
        while publish(&other, &mine, 1).await != 204 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, known).await.expect("the other server knows the member");
    let restarted = start();
    assert_eq!(publish(&restarted, &mine, 1).await, 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_database_is_told_and_the_open_board_serves_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("goop.db");
    std::fs::write(&path, [b'x'; 10_000]).unwrap();
    let server = Server::start(|options| (options.doors.password, options.doors.database) = (Secret::new("pw"), Some(path.clone())));
    assert_eq!(publish(&server, "", 1).await, 204);
    assert_eq!(operate(&server, Method::POST, "boards", json!({ "slug": "chess", "type": "open" })).await.status(), 503);
    assert_eq!(std::fs::read(&path).unwrap(), [b'x'; 10_000]);
}
