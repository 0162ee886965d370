//! The doors as a proxy, a flood and a stranger find them, over HTTP.
#![allow(missing_docs, clippy::unwrap_used, reason = "the names of the tests say it, and a failed step fails the test")]

mod rendezvous_stage;

use std::io::Write;
use std::process::{Command, Stdio};

use goop::config::net::Network;
use goop::config::setting::Setting;
use rendezvous_stage::{Server, message};
use reqwest::{Client, Response};

fn behind_a_proxy(per_minute: u32) -> Server {
    Server::start(|options| {
        options.http.trusted_proxies = vec![Network::read(&toml_edit::Value::from("127.0.0.1")).unwrap()];
        options.http.publish_per_minute_per_ip = per_minute;
    })
}

async fn publish(server: &Server, number: u16, forwarded_for: &str) -> Response {
    let json = message("update", number, "x").to_string();
    let request = Client::new().post(server.url("/publish")).header("content-type", "application/json").body(json);
    request.header("x-forwarded-for", forwarded_for).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_behind_a_trusted_proxy_are_counted_apart() {
    let server = behind_a_proxy(60);
    for number in 0..10 {
        assert_eq!(publish(&server, number, "192.0.2.1").await.status(), 204);
    }
    let refused = publish(&server, 11, "192.0.2.1").await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(publish(&server, 12, "192.0.2.2").await.status(), 204, "the neighbour is somebody else");
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_a_client_cannot_write_its_own_address() {
    let server = behind_a_proxy(60);
    let statuses: Vec<u16> = {
        let mut statuses = Vec::new();
        for number in 0..15 {
            statuses.push(publish(&server, number, &format!("10.9.8.{number}, 192.0.2.1")).await.status().as_u16());
        }
        statuses
    };
    assert!(statuses.contains(&429), "the rightmost hop is the client: {statuses:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_the_counters_are_not_told_through_a_proxy() {
    let server = behind_a_proxy(60);
    let ask = |forwarded: bool| {
        let request = Client::new().get(server.url("/metrics"));
        if forwarded { request.header("x-forwarded-for", "192.0.2.1") } else { request }.send()
    };
    assert_eq!(ask(false).await.unwrap().status(), 200);
    assert_eq!(ask(true).await.unwrap().status(), 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_the_counters_are_not_told_to_a_page_in_a_browser_of_this_machine() {
    let server = Server::start(|_| {});
    let ask = async |name: &'static str, value: &str| {
        Client::new().get(server.url("/metrics")).header(name, value).send().await.unwrap().status().as_u16()
    };
    for host in ["localhost", "localhost:8080", "127.0.0.1:1", "127.9.9.9", "[::1]:80"] {
        assert_eq!(ask("host", host).await, 200, "{host}");
    }
    for host in ["rebound.example", "rebound.example:80", "localhost.example", "192.0.2.1", "x@localhost"] {
        assert_eq!(ask("host", host).await, 403, "{host}");
    }
    for (name, value) in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site")] {
        assert_eq!(ask(name, value).await, 403, "{name}: {value}");
    }
}

#[test]
fn hash_password_prints_an_argon2_string_and_refuses_nothing() {
    let run = |input: &str| {
        let mut goop = Command::new(env!("CARGO_BIN_EXE_goop"));
        let goop = goop.arg("hash-password").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut goop = goop.spawn().unwrap();
        goop.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        goop.wait_with_output().unwrap()
    };
    let output = run("correct horse\n");
    let string = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && string.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{string}");
    let password = goop::http::auth::password::Password::new(&goop::config::Secret::new(string.trim())).unwrap();
    assert!(password.is(b"correct horse") && !password.is(b"correct horse\n"));
    assert_eq!(run("\n").status.code(), Some(1));
}

/// THREATS 14: nothing that is compressed is unpacked, and nothing is packed for anybody.
#[tokio::test(flavor = "multi_thread")]
async fn attack_a_compressed_body_is_never_unpacked() {
    let server = Server::start(|_| {});
    let json = message("update", 1, "x").to_string();
    let zeros = vec![0; 64 * 1024 * 1024];
    for body in [packed(json.as_bytes()), packed(&zeros)].into_iter().flatten() {
        for encoding in ["gzip", "br", "deflate", "zstd", "gzip, gzip"] {
            let request = Client::new().post(server.url("/publish")).header("content-type", "application/json");
            let refused = request.header("content-encoding", encoding).body(body.clone()).send().await.unwrap();
            assert!([400, 413, 415].contains(&refused.status().as_u16()), "{encoding}: {refused:?}");
        }
    }
    let page = Client::new().get(server.url("/")).header("accept-encoding", "gzip, br, zstd").send().await.unwrap();
    assert!(page.status() == 200 && !page.headers().contains_key("content-encoding"), "{page:?}");
}

/// As `gzip` packs it; `None` where there is no such program.
fn packed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut gzip = Command::new("gzip").arg("-1").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().ok()?;
    let (mut stdin, bytes) = (gzip.stdin.take().unwrap(), bytes.to_vec());
    let writing = std::thread::spawn(move || stdin.write_all(&bytes));
    let packed = gzip.wait_with_output().unwrap().stdout;
    writing.join().unwrap().unwrap();
    Some(packed)
}
