//! Who may ask for what, and what is refused by its head or its shape (THREATS 12, 13, 24, 30).

use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stage::{Stage, new_peer, read_head};
use crate::{SOON, assert_problem};

/// THREATS 30.
#[tokio::test]
async fn csrf_a_request_that_changes_something_needs_the_token_and_no_foreign_page() {
    let stage = Stage::set().await;
    let (host, token) = (stage.host(), stage.viewer.token().to_owned());
    let own = format!("Origin: http://{host}\r\n");
    let good = format!("X-Goop-Token: {token}\r\n");
    let wrong_tokens = [
        String::new(),
        "X-Goop-Token: \r\n".into(),
        format!("X-Goop-Token: {}\r\n", &token[1..]),
        format!("X-Goop-Token: {token}0\r\n"),
        format!("X-Goop-Token: {}\r\n", token.to_uppercase().replace(|c: char| c.is_ascii_digit(), "A")),
        format!("{good}{good}"),
        format!("Cookie: X-Goop-Token={token}\r\n"),
    ];
    let port = stage.addr().port();
    let foreign = [
        "Origin: null\r\n".into(),
        "Origin: http://evil.example\r\n".into(),
        format!("Origin: http://127.0.0.1:{port}\r\n"),
        format!("Origin: https://{host}\r\n"),
        format!("Origin: http://{}\r\n", stage.site_host(new_peer()).await),
        format!("{own}Sec-Fetch-Site: cross-site\r\n"),
        format!("{own}Sec-Fetch-Site: same-site\r\n"),
        format!("{own}Origin: http://evil.example\r\n"),
    ];
    let writes = [
        "POST /api/v1/chat",
        "POST /api/v1/peers",
        "PUT /api/v1/site/a.txt",
        "DELETE /api/v1/site/a.txt",
        "POST /api/v1/site/a.txt",
        "POST /api/v1/site",
        "PUT /api/v1/site-draft/a.txt",
        "PUT /api/v1/avatar",
        "DELETE /api/v1/avatar",
        "POST /api/v1/chat/read",
        "DELETE /api/v1/chat/1",
        "DELETE /api/v1/conversations",
        "PUT /api/v1/contacts/x",
        "POST /api/v1/files?to=x&name=y",
        "POST /api/v1/files/1/accept",
    ];
    let body = r#"{"content":"hi"}"#;
    for write in writes {
        let ask = async |more: &str| {
            let head =
                format!("{write} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n{more}", body.len());
            stage.ask(&head, body.as_bytes()).await
        };
        for wrong in &wrong_tokens {
            assert_problem(&ask(&format!("{own}{wrong}")).await, 403, "token");
        }
        for page in &foreign {
            assert_problem(&ask(&format!("{page}{good}")).await, 403, "foreign-origin");
        }
    }
    assert!(!stage.home.path().join("site/a.txt").exists());
    for mime in
        ["", "Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n", "Content-Type: application/jsonx\r\n"]
    {
        assert_problem(&stage.write("POST", "/api/v1/chat", &format!("{own}{mime}"), body.as_bytes()).await, 415, "unsupported-media-type");
    }
    let sent = stage
        .write(
            "POST",
            "/api/v1/chat",
            &format!("{own}Sec-Fetch-Site: same-origin\r\nContent-Type: application/json; charset=utf-8\r\n"),
            body.as_bytes(),
        )
        .await;
    assert_eq!((sent.status, sent.json()["content"].as_str()), (202, Some("hi")));
    let preflight = stage
        .ask(
            &format!(
                "OPTIONS /api/v1/chat HTTP/1.1\r\nHost: {host}\r\nOrigin: http://evil.example\r\nAccess-Control-Request-Method: POST\r\n"
            ),
            b"",
        )
        .await;
    assert_problem(&preflight, 403, "foreign-origin");
}

/// THREATS 24: near origins count as foreign, for reading too.
#[tokio::test]
async fn a_page_of_another_origin_reads_nothing_and_no_answer_carries_cors() {
    let stage = Stage::set().await;
    let host = stage.host();
    for path in [
        "/api/v1/self",
        "/api/v1/peers",
        "/api/v1/events",
        "/api/v1/chat",
        "/api/v1/site",
        "/api/v1/avatar",
        "/metrics",
        "/",
        "/static/peers.js",
    ] {
        for page in [
            "Origin: http://evil.example",
            "Origin: null",
            "Sec-Fetch-Site: same-site",
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors",
        ] {
            let answer = stage.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{page}\r\n"), b"").await;
            assert_problem(&answer, 403, "foreign-origin");
            assert!(!answer.head.to_ascii_lowercase().contains("access-control"), "{}", answer.head);
        }
    }
    let visit = "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document";
    for (path, status) in [("/", 200), ("/api/v1/peers", 403), ("/metrics", 403)] {
        let answer = stage.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{visit}\r\n"), b"").await;
        assert_eq!(answer.status, status, "a link to {path}");
    }
    let framed = stage.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n{}\r\n", visit.replace("document", "iframe")), b"").await;
    assert_problem(&framed, 403, "foreign-origin");
}

/// THREATS 12, 30: what is refused by its head costs nothing.
#[tokio::test]
async fn a_body_without_the_token_is_never_read() {
    let stage = Stage::set_with(|options| options.limits.linger = Duration::from_millis(200)).await;
    for write in ["POST /api/v1/chat", "PUT /api/v1/site/big.bin", "PUT /api/v1/avatar"] {
        let mut socket = TcpStream::connect(stage.addr()).await.unwrap();
        let head =
            format!("{write} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 1000000000\r\n\r\n", stage.host());
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut socket = BufReader::new(socket);
        let answered = timeout(SOON, read_head(&mut socket)).await.expect("it waits for the body").unwrap();
        assert_eq!(answered.0, 403);
        let mut socket = socket.into_inner();
        let (mut sent, piece) = (0usize, vec![0u8; 64 * 1024]);
        while let Ok(Ok(taken)) = timeout(Duration::from_secs(10), socket.write(&piece)).await {
            sent += taken;
            assert!(sent < 64 * 1024 * 1024, "the refused body is read");
        }
    }
}

#[tokio::test]
async fn a_body_bomb_hears_413() {
    let stage = Stage::set_with(|options| options.max_file = 1000).await;
    let bomb = vec![b' '; 600_000];
    for (method, path) in [("POST", "/api/v1/chat"), ("POST", "/api/v1/peers"), ("PUT", "/api/v1/avatar"), ("PUT", "/api/v1/site/a.txt")] {
        let json = "Content-Type: application/json\r\n";
        assert_problem(&stage.write(method, path, json, &bomb).await, 413, "too-large");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nX-Goop-Token: {}\r\n{json}Transfer-Encoding: chunked\r\n",
            stage.host(),
            stage.viewer.token()
        );
        let chunk = [b"8000\r\n".as_slice(), &[b' '; 0x8000], b"\r\n"].concat();
        assert_problem(&stage.ask(&head, &chunk.repeat(20)).await, 413, "too-large");
    }
    assert!(!stage.home.path().join("site/a.txt").exists());
}

/// THREATS 13.
#[tokio::test]
async fn json_that_is_deep_double_or_trailed_is_refused() {
    let stage = Stage::set().await;
    let deep = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    let wrong = [
        &deep,
        r#"{"content":"a"}{"content":"b"}"#,
        r#"{"content":"a"} x"#,
        r#"{"content":"a","content":"b"}"#,
        r#"{"content":"a","cc":"everyone"}"#,
        r#"{"content":1}"#,
        r#"["a"]"#,
        "",
        "null",
        "\u{feff}{\"content\":\"a\"}",
        r#"{"to":"nobody","content":"a"}"#,
        r#"{"to":"12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5","community":"rv.example","content":"a"}"#,
        r#"{"content":""}"#,
    ];
    for body in wrong {
        assert_problem(&stage.post_json("/api/v1/chat", body).await, 400, "bad-request");
    }
    for body in [r#"{"addr":"/ip4/127.0.0.1/tcp/1"}"#, r#"{"addr":"http://x"}"#, r#"{"addr":""}"#] {
        assert_problem(&stage.post_json("/api/v1/peers", body).await, 400, "bad-request");
    }
    let too_long = format!(r#"{{"content":"{}"}}"#, "a".repeat(65 * 1024));
    assert_problem(&stage.post_json("/api/v1/chat", &too_long).await, 400, "bad-request");
}

#[tokio::test]
async fn whatever_goes_wrong_is_a_problem() {
    let stage = Stage::set().await;
    assert_problem(&stage.get("/nothing").await, 404, "not-found");
    assert_problem(&stage.get("/api/v1/nothing").await, 404, "not-found");
    assert_problem(&stage.get("/api/v1/peers/xyz/avatar").await, 400, "bad-request");
    assert_problem(&stage.get("/api/v1/chat?peer=a&peer=b").await, 400, "bad-request");
    assert_problem(&stage.post_json("/api/v1/chat", r#"{"community":"rv.example","content":"a"}"#).await, 404, "not-found");
    assert_problem(&stage.get("/api/v1/site/%ff").await, 400, "bad-request");
    assert_problem(&stage.get("/api/v1/site/none.txt").await, 404, "not-found");
    assert_problem(&stage.get("/static/../goop.css").await, 404, "not-found");
    let not_allowed = stage.write("PUT", "/api/v1/chat", "", b"").await;
    assert_problem(&not_allowed, 405, "method-not-allowed");
    assert!(not_allowed.header("allow").unwrap().contains("POST"));
}
