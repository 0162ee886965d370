//! The operator's door over HTTP: who comes in, what is told, what a change does.
#![allow(missing_docs, clippy::unwrap_used, reason = "the names of the tests say it, and a failed step fails the test")]

mod rendezvous_stage;

use goop::config::Secret;
use rendezvous_stage::{Server, message, peer};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse";

fn server() -> Server {
    Server::start(|options| options.doors.password = Secret::new(PASSWORD))
}

fn ask(server: &Server, method: Method, path: &str) -> RequestBuilder {
    Client::new().request(method, server.url(path)).basic_auth("admin", Some(PASSWORD))
}

async fn get(server: &Server, path: &str) -> Value {
    let response = ask(server, Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    response.json().await.unwrap()
}

fn header(response: &Response, name: &str) -> String {
    response.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_password_every_operator_s_door_is_shut() {
    let server = Server::start(|_| {});
    for path in ["/admin", "/peers.json", "/logs.json", "/api/v1/admin/stats", "/api/v1/admin/boards"] {
        let response = ask(&server, Method::GET, path).send().await.unwrap();
        assert_eq!(response.status(), 403, "{path}");
        assert_eq!(header(&response, "content-type"), "application/problem+json");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_they_ask_for_it_in_goop2_s_words_and_serve_goop2_s_lists() {
    let server = server();
    assert_eq!(server.post("/publish", message("online", 1, "Alice").to_string()).await.status(), 204);
    for path in ["/admin", "/peers.json", "/logs.json", "/api/v1/admin/stats"] {
        let response = Client::new().get(server.url(path)).send().await.unwrap();
        assert_eq!(response.status(), 401, "{path}");
        assert_eq!(header(&response, "www-authenticate"), "Basic realm=\"Goop2 Admin\"");
    }
    let peers = get(&server, "/peers.json").await;
    assert_eq!((&peers[0]["peer_id"], &peers[0]["content"]), (&json!(peer(1).to_base58()), &json!("Alice")));
    let logs = get(&server, "/logs.json").await;
    assert!(logs[0].as_str().unwrap().contains("Alice"), "{logs}");
    assert_eq!(get(&server, "/api/v1/admin/stats").await["peers"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_to_the_page_begins_a_session_and_shows_what_strangers_wrote_as_text() {
    let server = server();
    server.post("/publish", message("online", 1, "<script>alert(1)</script>").to_string()).await;
    let page = ask(&server, Method::GET, "/admin").send().await.unwrap();
    assert!(header(&page, "content-security-policy").contains("default-src 'none'"));
    let cookie = header(&page, "set-cookie");
    assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    let text = page.text().await.unwrap();
    assert!(text.contains("&#60;script&#62;") && !text.contains("<script>alert"), "{text}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let with = |request: RequestBuilder| request.header("cookie", &cookie);
    let again = with(Client::new().get(server.url("/api/v1/admin/stats"))).send().await.unwrap();
    assert_eq!(again.status(), 200);
    let foreign = with(Client::new().post(server.url("/api/v1/admin/standby"))).header("origin", "https://evil.example");
    assert_eq!(foreign.send().await.unwrap().status(), 403);
    assert_eq!(with(Client::new().delete(server.url("/api/v1/admin/session"))).send().await.unwrap().status(), 204);
    assert_eq!(with(Client::new().get(server.url("/admin"))).send().await.unwrap().status(), 401);
}

/// A browser gets a form in the place of its own dialog, unless it asks for that; a program is asked as goop2 asks.
#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_shown_a_form_and_its_login_begins_a_session() {
    let server = server();
    let visit = async |path: &str| Client::new().get(server.url(path)).header("accept", "text/html,*/*;q=0.8").send().await.unwrap();
    let form = visit("/admin").await;
    assert_eq!((form.status().as_u16(), header(&form, "www-authenticate").as_str()), (401, ""));
    assert!(
        header(&form, "content-security-policy").contains("default-src 'none'") && header(&form, "content-type").starts_with("text/html")
    );
    assert!(form.text().await.unwrap().contains("type=\"password\""));
    assert_eq!(header(&visit("/admin?login=basic").await, "www-authenticate"), "Basic realm=\"Goop2 Admin\"");
    assert_eq!(header(&visit("/peers.json").await, "content-type"), "application/problem+json");

    let log_in = async |body: &str, origin: &str| {
        let request = Client::new().post(server.url("/api/v1/admin/session")).header("content-type", "application/json");
        request.header("origin", origin).body(body.to_owned()).send().await.unwrap()
    };
    let own = server.url("");
    let right = json!({ "password": PASSWORD }).to_string();
    assert_eq!(log_in(&right, "https://evil.example").await.status(), 403);
    for (wrong, status) in [("{}", 400), ("{\"password\":\"guess\"}", 403), (&format!("{{\"password\":\"{}\"}}", "x".repeat(5000)), 413)] {
        let refused = log_in(wrong, &own).await;
        assert_eq!((refused.status().as_u16(), header(&refused, "www-authenticate").as_str()), (status, ""), "{wrong}");
    }
    let cookie = header(&log_in(&right, &own).await, "set-cookie");
    assert!(cookie.contains("HttpOnly; SameSite=Strict"), "{cookie}");
    let stats = Client::new().get(server.url("/api/v1/admin/stats")).header("cookie", cookie.split(';').next().unwrap());
    assert_eq!(stats.send().await.unwrap().status(), 200);
    let shut = Server::start(|_| {});
    let page = Client::new().get(shut.url("/admin")).header("accept", "text/html").send().await.unwrap();
    assert_eq!(page.status(), 403);
    assert!(page.text().await.unwrap().contains("admin_password"));
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_a_stranger_s_body_is_not_read() {
    let server = server();
    let huge = Client::new().post(server.url("/api/v1/admin/boards")).body(vec![b'x'; 10 << 20]).send().await;
    assert!(huge.is_err() || huge.unwrap().status() == 401);
    let wrong = ask(&server, Method::POST, "/api/v1/admin/boards").header("content-type", "text/plain").body("{}").send().await.unwrap();
    assert_eq!(wrong.status(), 415);
    for body in ["", "{}", "[]", "{\"slug\":\"chess\",\"type\":\"secret\"}", "{\"slug\":\"x425\",\"type\":\"open\"}"] {
        let request = ask(&server, Method::POST, "/api/v1/admin/boards").header("content-type", "application/json").body(body);
        assert_eq!(request.send().await.unwrap().status(), 400, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn standby_lets_nobody_publish_until_resumed() {
    let server = server();
    assert_eq!(ask(&server, Method::POST, "/api/v1/admin/standby").send().await.unwrap().status(), 204);
    let refused = server.post("/publish", message("online", 1, "Alice").to_string()).await;
    assert_eq!(refused.status(), 503);
    assert!(!header(&refused, "retry-after").is_empty());
    assert_eq!(Client::new().get(server.url("/readyz")).send().await.unwrap().status(), 503);
    assert_eq!(ask(&server, Method::POST, "/api/v1/admin/resume").send().await.unwrap().status(), 204);
    assert_eq!(server.post("/publish", message("online", 1, "Alice").to_string()).await.status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_guessing_ends_in_429_with_retry_after() {
    let server = server();
    let mut statuses = Vec::new();
    for guess in 0..8 {
        let response = Client::new().get(server.url("/admin")).basic_auth("admin", Some(format!("guess {guess}"))).send().await.unwrap();
        statuses.push((response.status().as_u16(), header(&response, "retry-after")));
    }
    assert!(statuses[..5].iter().all(|(status, _)| *status == 401), "{statuses:?}");
    assert!(statuses[5..].iter().all(|(status, after)| *status == 429 && !after.is_empty()), "{statuses:?}");
}
