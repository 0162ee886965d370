//! The viewer as programs, pages and attackers see it: over real sockets, with a peer that follows a script.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod stage;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use goop::peer::{OpenError, Path, PeerEvent};
use goop::viewer::MAX_STREAMS;
use libp2p::PeerId;
use serde_json::json;
use stage::{Answer, Play, Script, Stage, new_peer, read_head, row};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(20);
const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";
const SVG: &[u8] = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";

fn with(stage: &Stage, change: impl FnOnce(&mut Play)) {
    change(&mut stage.play.lock().unwrap());
}

fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status, answer.header("content-type")), (status, Some("application/problem+json")), "{answer:?}");
    assert_eq!((answer.json()["code"].as_str(), answer.json()["status"].as_u64()), (Some(code), Some(u64::from(status))));
}

/// THREATS 29.
#[tokio::test]
async fn dns_rebinding_every_other_host_hears_421_before_anything_happens() {
    let stage = Stage::set().await;
    let port = stage.addr().port();
    let peer = new_peer();
    let site = stage.site_host(peer).await;
    let label = site.split('.').next().unwrap();
    let mut hosts: Vec<String> = [
        "evil.example",
        "evil.example:PORT",
        "localhost",
        "localhost:1",
        "LOCALHOST:PORT",
        "localhost.:PORT",
        "localhost:PORT.",
        " localhost.evil:PORT",
        "localhost:PORT@evil",
        "user@localhost:PORT",
        "localhost:0PORT",
        "localhost:+PORT",
        "localhost:PORT:PORT",
        "localhost,evil:PORT",
        "localhost evil:PORT",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.1:PORT",
        "127.0.0.2:PORT",
        "127.0.0.1.:PORT",
        "0x7f000001:PORT",
        "2130706433:PORT",
        "0177.0.0.1:PORT",
        "127.0.0.1.nip.io:PORT",
        "0.0.0.0:PORT",
        "[::]:PORT",
        "::1:PORT",
        "[::1]",
        "[0:0:0:0:0:0:0:1]:PORT",
        "[::ffff:127.0.0.1]:PORT",
        "[::1%lo]:PORT",
        "192.168.1.2:PORT",
        "10.0.0.1:PORT",
        "router.lan:PORT",
        "goop.local:PORT",
        "evil.localhost:PORT",
        ".localhost:PORT",
        "..localhost:PORT",
        "localhost.localhost:PORT",
        "LABEL:PORT",
        "LABEL.localhost",
        "LABEL.localhost:1",
        "LABEL.localhost.:PORT",
        "a.LABEL.localhost:PORT",
        "LABEL.a.localhost:PORT",
        "LABELx.localhost:PORT",
        "LABEL.localhost.evil:PORT",
        "kLABEL.localhost:PORT",
        "LABEL.LOCALHOST:PORT",
        "",
        ":PORT",
        "%6cocalhost:PORT",
    ]
    .iter()
    .map(|host| host.trim().replace("PORT", &port.to_string()).replace("LABEL", label))
    .collect();
    hosts.push(format!("{}.localhost:{port}", label.to_uppercase()));
    hosts.push(format!("{peer}.localhost:{port}"));
    assert!(hosts.len() >= 50);
    for host in hosts {
        for head in ["GET /", "GET /api/v1/peers", "POST /api/v1/chat", "GET /metrics"] {
            let answer = stage.ask(&format!("{head} HTTP/1.1\r\nHost: {host}\r\nX-Goop-Token: {}\r\n", stage.viewer.token()), b"").await;
            assert_problem(&answer, 421, "misdirected");
        }
    }
    for head in [
        "GET / HTTP/1.0\r\n",
        "GET http://evil/ HTTP/1.1\r\nHost: localhost:PORT\r\n",
        "GET / HTTP/1.1\r\nHost: localhost:PORT\r\nHost: evil\r\n",
    ] {
        let answer = stage.ask(&head.replace("PORT", &port.to_string()), b"").await;
        assert!([400, 421].contains(&answer.status), "{head}: {answer:?}");
    }
    assert!(stage.play.lock().unwrap().asked.is_empty(), "a peer was asked");
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        let answer = stage.ask(&format!("GET /api/v1/self HTTP/1.1\r\nHost: {host}:{port}\r\n"), b"").await;
        assert_eq!(answer.status, 200, "{host}");
    }
}

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
        "PUT /api/v1/avatar",
        "DELETE /api/v1/avatar",
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
        "/static/viewer.js",
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
    assert_problem(&stage.get("/api/v1/site/%ff").await, 400, "bad-request");
    assert_problem(&stage.get("/api/v1/site/none.txt").await, 404, "not-found");
    assert_problem(&stage.get("/static/../viewer.css").await, 404, "not-found");
    let not_allowed = stage.write("DELETE", "/api/v1/chat", "", b"").await;
    assert_problem(&not_allowed, 405, "method-not-allowed");
    assert!(not_allowed.header("allow").unwrap().contains("POST"));
}

#[tokio::test]
async fn self_and_peers_say_what_the_contract_names() {
    let stage = Stage::set().await;
    let peer = new_peer();
    with(&stage, |play| play.rows = vec![row(peer, "Ann")]);
    let me = stage.get("/api/v1/self").await.json();
    assert_eq!(me["peer_id"], stage.me.to_string());
    let rows = stage.get("/api/v1/peers").await.json();
    let shown = &rows["peers"][0];
    assert_eq!((&shown["peer_id"], &shown["label"], &shown["online"]), (&json!(peer.to_string()), &json!("Ann"), &json!(true)));
    assert_eq!((&shown["path"], &shown["signed"], &shown["sources"]), (&json!("lan"), &json!(true), &json!(["lan"])));
    assert!(shown["site"].as_str().unwrap().starts_with("http://k"));
    let dialled = stage.post_json("/api/v1/peers", &json!({ "addr": format!("/ip4/127.0.0.1/tcp/1/p2p/{peer}") }).to_string()).await;
    assert_eq!((dialled.status, dialled.json()["peer_id"].as_str()), (200, Some(peer.to_string().as_str())));
}

#[tokio::test]
async fn health_readiness_and_metrics_answer() {
    let stage = Stage::set().await;
    assert_eq!(stage.get("/healthz").await.text(), "ok");
    assert_eq!(stage.get("/readyz").await.status, 200);
    let metrics = stage.get("/metrics").await;
    assert!(metrics.header("content-type").unwrap().starts_with("application/openmetrics-text"));
    assert_eq!(metrics.text(), "# EOF\n");
}

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
    assert_eq!((name.as_str(), &chat["message"]), ("chat", &said));
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

/// THREATS 24, 28: what others wrote never renders on the viewer's origin.
#[tokio::test]
async fn files_of_others_are_downloads_whatever_they_claim_to_be() {
    let stage = Stage::set().await;
    let peer = new_peer();
    with(&stage, |play| {
        play.files.insert((peer, "/a.bin".into()), Script::file("text/html", "<script>alert(1)</script>"));
        play.files.insert((peer, "/".into()), Script::file("text/html", "<script>alert(1)</script>"));
        play.files.insert((peer, "/x.svg".into()), Script::file("text/html\u{7f}<b>", "<svg/>"));
    });
    for (path, mime) in [
        ("/a.bin", "application/octet-stream"),
        ("/", "application/octet-stream"),
        ("/x.svg", "image/svg+xml"),
        ("", "application/octet-stream"),
    ] {
        let answer = stage.get(&format!("/api/v1/peers/{peer}/site{path}")).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(mime));
        assert!(answer.header("content-disposition").unwrap().starts_with("attachment"));
        assert!(answer.header("content-security-policy").unwrap().starts_with("sandbox; default-src 'none'"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
    }
}

/// THREATS 27: the headers, letter for letter.
#[tokio::test]
async fn header_snapshot_of_a_peers_site() {
    let stage = Stage::set().await;
    let peer = new_peer();
    with(&stage, |play| _ = play.files.insert((peer, "/".into()), Script::file("application/x-evil", "<p>hi")));
    let site = stage.site_host(peer).await;
    let answer = stage.ask(&format!("GET / HTTP/1.1\r\nHost: {site}\r\n"), b"").await;
    let mut head: Vec<_> = answer
        .head
        .trim_end()
        .lines()
        .filter(|line| !line.to_ascii_lowercase().starts_with("date:"))
        .map(str::to_ascii_lowercase)
        .collect();
    head[1..].sort();
    let csp = format!(
        "content-security-policy: default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
         font-src 'self' data:; media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; webrtc 'block'; frame-ancestors http://{}",
        stage.host()
    );
    let devices = "permissions-policy: accelerometer=(), bluetooth=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), hid=(), local-fonts=(), \
                   magnetometer=(), microphone=(), midi=(), payment=(), publickey-credentials-get=(), serial=(), usb=(), xr-spatial-tracking=()";
    let expected = [
        "http/1.1 200 ok",
        "cache-control: no-cache",
        "connection: close",
        "content-length: 5",
        csp.as_str(),
        "content-type: text/html; charset=utf-8",
        "cross-origin-opener-policy: same-origin",
        "cross-origin-resource-policy: same-origin",
        "origin-agent-cluster: ?1",
        devices,
        "referrer-policy: no-referrer",
        "x-content-type-options: nosniff",
    ];
    assert_eq!(head, expected);
}

#[tokio::test]
async fn a_site_has_files_only_and_no_api_no_writes_no_service_worker() {
    let stage = Stage::set().await;
    let peer = new_peer();
    with(&stage, |play| {
        play.files.insert((peer, "/api/v1/self".into()), Script::file("application/json", "{}"));
        play.files.insert((peer, "/sw.js".into()), Script::file("text/javascript", "1"));
        play.files.insert((peer, "/what.exe".into()), Script::file("text/html", "MZ"));
        play.files.insert((peer, "/docs".into()), Script::file("text/html", "index"));
    });
    for host in [stage.site_host(peer).await, stage.site_host(stage.me).await] {
        for path in ["/api/v1/self", "/api/v1/peers", "/healthz", "/metrics", "/static/viewer.css"] {
            let answer = stage.ask(&format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n"), b"").await;
            assert_eq!(answer.status, 404, "{path}");
        }
        for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"] {
            let answer =
                stage.ask(&format!("{method} / HTTP/1.1\r\nHost: {host}\r\nX-Goop-Token: {}\r\n", stage.viewer.token()), b"").await;
            assert_eq!(answer.status, 405, "{method}");
            assert!(answer.header("content-security-policy").is_some());
        }
    }
    let site = stage.site_host(peer).await;
    let ask = async |path: &str, more: &str| stage.ask(&format!("GET {path} HTTP/1.1\r\nHost: {site}\r\n{more}"), b"").await;
    assert_eq!(ask("/sw.js", "").await.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(ask("/sw.js", "Service-Worker: script\r\n").await.status, 403);
    assert_eq!(ask("/sw.js", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n").await.status, 403);
    assert_eq!(ask("/sw.js", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n").await.status, 200);
    let unknown = ask("/what.exe", "").await;
    assert_eq!(
        (unknown.header("content-type"), unknown.header("content-disposition")),
        (Some("application/octet-stream"), Some("attachment; filename=\"what.exe\""))
    );
    let folder = ask("/docs", "").await;
    assert_eq!((folder.status, folder.header("location")), (308, Some("./docs/")));
}

#[tokio::test]
async fn what_a_peer_fails_at_has_its_status_and_its_text_is_escaped() {
    let stage = Stage::set().await;
    let failures = [
        (Script::Fails(OpenError::NoAddress), 502, "no-address"),
        (Script::Fails(OpenError::Unreachable("<b>tried</b>".into())), 502, "unreachable"),
        (Script::Fails(OpenError::TimedOut), 504, "timed-out"),
        (Script::Fails(OpenError::Stopping), 503, "stopping"),
        (Script::Bytes(b"ERR forbidden\n".to_vec()), 403, "forbidden"),
        (Script::Bytes(b"ERR not found\n".to_vec()), 404, "not-found"),
        (Script::Bytes(b"ERR site disabled\n".to_vec()), 404, "not-found"),
        (Script::Bytes(b"ERR <script>alert(1)</script>\n".to_vec()), 502, "refused"),
        (Script::Bytes(b"".to_vec()), 502, "broken-stream"),
    ];
    for (script, status, code) in failures {
        let peer = new_peer();
        let path = if matches!(script, Script::Fails(_)) { "" } else { "/" };
        with(&stage, |play| _ = play.files.insert((peer, path.into()), script));
        assert_problem(&stage.get(&format!("/api/v1/peers/{peer}/site/")).await, status, code);
        let site = stage.site_host(peer).await;
        let page = stage.ask(&format!("GET / HTTP/1.1\r\nHost: {site}\r\n"), b"").await;
        assert_eq!((page.status, page.header("content-type")), (status, Some("text/html; charset=utf-8")));
        assert!(page.text().contains(&format!("href=\"{}\"", stage.viewer.url())), "{}", page.text());
        assert!(!page.text().contains("<script") && !page.text().contains("<b>"), "{}", page.text());
    }
    let asked = stage.play.lock().unwrap().asked.len();
    assert_problem(&stage.get(&format!("/api/v1/peers/{}/site/a%0aGET%20/b", new_peer())).await, 400, "bad-request");
    assert_eq!(stage.play.lock().unwrap().asked.len(), asked, "a second line reached a peer");
}

/// THREATS 42: a download of any size takes only as much as its reader takes.
#[tokio::test]
async fn an_endless_file_is_never_gathered() {
    let stage = Stage::set().await;
    let (peer, produced) = (new_peer(), Arc::new(AtomicU64::new(0)));
    let endless = Script::Endless(format!("OK text/plain {}\n", u64::MAX / 2), produced.clone());
    with(&stage, |play| _ = play.files.insert((peer, "/big".into()), endless));
    let mut socket = TcpStream::connect(stage.addr()).await.unwrap();
    socket.write_all(format!("GET /api/v1/peers/{peer}/site/big HTTP/1.1\r\nHost: {}\r\n\r\n", stage.host()).as_bytes()).await.unwrap();
    let mut reader = BufReader::new(socket);
    assert_eq!(read_head(&mut reader).await.unwrap().0, 200);
    let (mut piece, mut read) = (vec![0; 1024 * 1024], 0u64);
    while read < 64 * 1024 * 1024 {
        reader.read_exact(&mut piece).await.unwrap();
        read += piece.len() as u64;
    }
    let ahead = produced.load(Ordering::Relaxed) - read;
    assert!(ahead < 32 * 1024 * 1024, "{ahead} bytes wait somewhere");
}

#[tokio::test]
async fn the_own_site_is_written_read_and_removed_by_version() {
    let stage = Stage::set_with(|options| options.max_file = 1000).await;
    assert_eq!(stage.get("/api/v1/site").await.json()["entries"], json!([]), "no folder yet");
    let new = "If-None-Match: *\r\n";
    let first = stage.write("PUT", "/api/v1/site/sub/a%20b.html", new, b"<p>one").await;
    assert_eq!(first.status, 204);
    let tag = first.header("etag").unwrap().to_owned();
    assert_problem(&stage.write("PUT", "/api/v1/site/sub/a%20b.html", new, b"two").await, 412, "changed");
    assert_problem(&stage.write("PUT", "/api/v1/site/sub/a%20b.html", "If-Match: \"other\"\r\n", b"two").await, 412, "changed");
    for odd in ["If-Match: *\r\n", "If-Match: W/\"a\"\r\n", "If-Match: \"a\", \"b\"\r\n", "If-None-Match: \"a\"\r\n"] {
        assert_problem(&stage.write("PUT", "/api/v1/site/sub/a%20b.html", odd, b"two").await, 400, "bad-request");
    }
    let read = stage.get("/api/v1/site/sub/a%20b.html").await;
    assert_eq!((read.text().as_str(), read.header("etag")), ("<p>one", Some(tag.as_str())));
    assert_eq!(read.header("content-disposition"), Some("attachment; filename=\"a_b.html\""));
    let site = stage.site_host(stage.me).await;
    let shown = stage.ask(&format!("GET /sub/a%20b.html HTTP/1.1\r\nHost: {site}\r\n"), b"").await;
    assert_eq!((shown.text().as_str(), shown.header("content-disposition")), ("<p>one", None));
    let again = stage.ask(&format!("GET /sub/a%20b.html HTTP/1.1\r\nHost: {site}\r\nIf-None-Match: {tag}\r\n"), b"").await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    let second = stage.write("PUT", "/api/v1/site/sub/a%20b.html", &format!("If-Match: {tag}\r\n"), b"two").await;
    assert_eq!(second.status, 204);
    assert_eq!(stage.get("/api/v1/site").await.json()["entries"][0]["path"], "sub/a b.html");
    assert_problem(&stage.write("DELETE", "/api/v1/site/sub/a%20b.html", &format!("If-Match: {tag}\r\n"), b"").await, 412, "changed");
    assert_eq!(stage.write("DELETE", "/api/v1/site/sub/a%20b.html", "", b"").await.status, 204);
    assert_problem(&stage.get("/api/v1/site/sub/a%20b.html").await, 404, "not-found");
}

#[tokio::test]
async fn a_part_of_an_own_file_is_sent_and_of_a_peers_file_the_whole() {
    let stage = Stage::set().await;
    let content: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    assert_eq!(stage.write("PUT", "/api/v1/site/a.mp4", "", &content).await.status, 204);
    let peer = new_peer();
    with(&stage, |play| _ = play.files.insert((peer, "/a.mp4".into()), Script::file("video/mp4", "0123456789")));
    let (own, foreign) = (stage.site_host(stage.me).await, stage.site_host(peer).await);
    let on = async |method: &str, host: &str, path: &str, more: &str| {
        stage.ask(&format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n"), b"").await
    };
    for (host, path) in [(own.as_str(), "/a.mp4"), (stage.host().as_str(), "/api/v1/site/a.mp4")] {
        for (range, first, last) in [("100-199", 100, 199), ("150000-", 150_000, 199_999), ("-10", 199_990, 199_999), ("0-0", 0, 0)] {
            let part = on("GET", host, path, &format!("Range: bytes={range}")).await;
            assert_eq!((part.status, part.header("content-range")), (206, Some(format!("bytes {first}-{last}/200000").as_str())), "{path}");
            assert!(part.body == content[first..=last], "{path} {range}");
        }
        let whole = on("GET", host, path, "Range: bytes=0-1,4-5").await;
        assert_eq!((whole.status, whole.header("accept-ranges"), whole.body.len()), (200, Some("bytes"), 200_000));
        let tag = whole.header("etag").unwrap();
        assert_eq!(on("GET", host, path, &format!("Range: bytes=0-1\r\nIf-Range: {tag}")).await.status, 206);
        assert_eq!(on("GET", host, path, "Range: bytes=0-1\r\nIf-Range: \"older\"").await.status, 200);
        let beyond = on("GET", host, path, "Range: bytes=200000-").await;
        assert_eq!((beyond.status, beyond.header("content-range")), (416, Some("bytes */200000")));
        assert_eq!(on("HEAD", host, path, "Range: bytes=0-1").await.status, 200, "a head has no parts");
    }
    let theirs = on("GET", &foreign, "/a.mp4", "Range: bytes=0-1").await;
    assert_eq!((theirs.status, theirs.header("accept-ranges"), theirs.text().as_str()), (200, None, "0123456789"));
}

#[tokio::test]
async fn a_slow_upload_keeps_no_other_write_waiting() {
    let stage = Stage::set().await;
    let put = |path: &str, length: usize, body: &str| {
        let token = stage.viewer.token();
        format!(
            "PUT /api/v1/site/{path} HTTP/1.1\r\nHost: {}\r\nX-Goop-Token: {token}\r\nContent-Length: {length}\r\n\r\n{body}",
            stage.host()
        )
    };
    let mut slow = TcpStream::connect(stage.addr()).await.unwrap();
    slow.write_all(put("slow.txt", 4, "ab").as_bytes()).await.unwrap();
    let begun = async {
        while std::fs::read_dir(stage.home.path().join("site")).map_or(0, Iterator::count) == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, begun).await.expect("the upload does not begin");
    let other = timeout(SOON, stage.write("PUT", "/api/v1/site/other.txt", "", b"now")).await.expect("it waits for the slow one");
    assert_eq!((other.status, stage.write("PUT", "/api/v1/avatar", "", PNG).await.status), (204, 204));
    slow.write_all(b"cd").await.unwrap();
    assert_eq!(read_head(&mut BufReader::new(slow)).await.unwrap().0, 204);
}

#[tokio::test]
async fn files_dropped_into_the_own_site_are_listed_on_its_origin() {
    let stage = Stage::set().await;
    std::fs::create_dir_all(stage.home.path().join("site/photos")).unwrap();
    std::fs::write(stage.home.path().join("site/photos/<i>.jpg"), "x").unwrap();
    let site = stage.site_host(stage.me).await;
    let ask = async |path: &str| stage.ask(&format!("GET {path} HTTP/1.1\r\nHost: {site}\r\n"), b"").await;
    assert!(ask("/").await.text().contains("href=\"photos/\""));
    let photos = ask("/photos").await;
    assert_eq!((photos.status, photos.header("location")), (308, Some("./photos/")));
    let listed = ask("/photos/").await;
    assert_eq!((listed.status, listed.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(listed.text().contains("href=\"%3Ci%3E.jpg\"") && !listed.text().contains("<i>"), "{}", listed.text());
}

/// THREATS 39–41, through HTTP's own spellings.
#[tokio::test]
async fn nothing_outside_the_own_site_is_read_or_written() {
    let stage = Stage::set().await;
    std::fs::create_dir_all(stage.home.path().join("site/lua")).unwrap();
    std::fs::write(stage.home.path().join("secret.txt"), "secret").unwrap();
    std::fs::write(stage.home.path().join("site/.env"), "secret").unwrap();
    std::fs::write(stage.home.path().join("site/lua/x.lua"), "secret").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(stage.home.path().join("secret.txt"), stage.home.path().join("site/link.txt")).unwrap();
    let site = stage.site_host(stage.me).await;
    let paths = [
        "../secret.txt",
        "%2e%2e/secret.txt",
        "..%2fsecret.txt",
        "%2e%2e%2fsecret.txt",
        "sub/../../secret.txt",
        "..%5csecret.txt",
        "//etc/passwd",
        "%2fetc/passwd",
        ".env",
        "%2eenv",
        "lua/x.lua",
        "LUA/x.lua",
        "lua%2fx.lua",
        "link.txt",
        "a%00b",
        "C:%5csecret.txt",
        "....//secret.txt",
        "%252e%252e/secret.txt",
    ];
    for path in paths {
        for answer in
            [stage.get(&format!("/api/v1/site/{path}")).await, stage.ask(&format!("GET /{path} HTTP/1.1\r\nHost: {site}\r\n"), b"").await]
        {
            assert!([400, 403, 404].contains(&answer.status) && !answer.text().contains("secret\n"), "{path}: {answer:?}");
            assert_ne!(answer.text(), "secret", "{path}");
        }
    }
    for path in &paths[..5] {
        assert!([400, 403, 404].contains(&stage.write("PUT", &format!("/api/v1/site/{path}"), "", b"x").await.status), "{path}");
    }
    assert_eq!(std::fs::read_to_string(stage.home.path().join("secret.txt")).unwrap(), "secret");
}

#[tokio::test]
async fn an_avatar_is_a_bitmap_by_its_bytes_and_never_an_svg() {
    let stage = Stage::set().await;
    let (ann, eve, nobody) = (new_peer(), new_peer(), new_peer());
    with(&stage, |play| play.avatars.extend([(ann, PNG.to_vec()), (eve, SVG.to_vec())]));
    let shown = stage.get(&format!("/api/v1/peers/{ann}/avatar")).await;
    assert_eq!((shown.header("content-type"), shown.body.as_slice()), (Some("image/png"), PNG));
    assert!(shown.header("content-security-policy").unwrap().starts_with("sandbox"));
    assert_problem(&stage.get(&format!("/api/v1/peers/{eve}/avatar")).await, 415, "unsupported-media-type");
    assert_problem(&stage.get(&format!("/api/v1/peers/{nobody}/avatar")).await, 404, "not-found");

    assert_problem(&stage.get("/api/v1/avatar").await, 404, "not-found");
    assert_problem(&stage.write("PUT", "/api/v1/avatar", "Content-Type: image/png\r\n", SVG).await, 415, "unsupported-media-type");
    assert_problem(&stage.write("PUT", "/api/v1/avatar", "", &[PNG, &[0; 256 * 1024]].concat()).await, 413, "too-large");
    assert_eq!(stage.play.lock().unwrap().announced, None);
    assert_eq!(stage.write("PUT", "/api/v1/avatar", "", PNG).await.status, 204);
    assert_eq!(stage.get("/api/v1/avatar").await.body, PNG);
    assert_eq!(stage.get(&format!("/api/v1/peers/{}/avatar", stage.me)).await.body, PNG);
    assert_eq!(stage.play.lock().unwrap().announced, Some(Some(PNG.into())));
    assert_eq!(stage.write("DELETE", "/api/v1/avatar", "", b"").await.status, 204);
    assert_eq!(stage.play.lock().unwrap().announced, Some(None));
    assert_eq!(std::fs::read_dir(stage.home.path()).unwrap().count(), 0, "nothing is left beside it");
}

#[tokio::test]
async fn the_picture_of_a_goop2_folder_stands_until_there_is_another_and_again_afterwards() {
    let theirs = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(theirs.path(), [PNG, b"goop2"].concat()).unwrap();
    let stage = Stage::set_with(|options| options.inherited_avatar = Some(theirs.path().into())).await;
    let inherited = std::fs::read(theirs.path()).unwrap();
    assert_eq!(stage.get("/api/v1/avatar").await.body, inherited);
    assert_eq!(stage.write("PUT", "/api/v1/avatar", "", PNG).await.status, 204);
    assert_eq!(stage.get("/api/v1/avatar").await.body, PNG);
    assert_eq!(stage.write("DELETE", "/api/v1/avatar", "", b"").await.status, 204);
    assert_eq!(stage.play.lock().unwrap().announced, Some(Some(inherited.clone().into())));
    assert_eq!(stage.get("/api/v1/avatar").await.body, inherited);
    assert_eq!(std::fs::read(theirs.path()).unwrap(), inherited, "goop2's own file is never written");
}

#[tokio::test]
async fn a_message_that_cannot_be_delivered_says_why() {
    let stage = Stage::set().await;
    let gone = new_peer();
    with(&stage, |play| _ = play.files.insert((gone, String::new()), Script::Fails(OpenError::NoAddress)));
    let to = |peer: PeerId| json!({ "to": peer.to_string(), "content": "hi" }).to_string();
    assert_problem(&stage.post_json("/api/v1/chat", &to(gone)).await, 502, "no-address");
    assert_problem(&stage.post_json("/api/v1/chat", &to(stage.me)).await, 400, "bad-request");
    assert_eq!(stage.get(&format!("/api/v1/chat?peer={gone}")).await.json()["messages"], json!([]), "what was not sent is not kept");
}

#[tokio::test]
async fn a_head_request_hears_the_head_and_no_body() {
    let stage = Stage::set().await;
    let peer = new_peer();
    with(&stage, |play| _ = play.files.insert((peer, "/a.txt".into()), Script::file("text/plain", "hello")));
    let site = stage.site_host(peer).await;
    let head = stage.ask(&format!("HEAD /a.txt HTTP/1.1\r\nHost: {site}\r\n"), b"").await;
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("5"), 0));
}

/// THREATS 21.
#[tokio::test]
async fn names_and_messages_of_others_stand_on_the_page_as_text() {
    let stage = Stage::set().await;
    let nasty = "<script>alert(1)</script>\" onmouseover=\"alert(2) '&";
    let peer = new_peer();
    with(&stage, |play| play.rows = vec![row(peer, nasty)]);
    stage.post_json("/api/v1/chat", &json!({ "content": nasty }).to_string()).await;
    let page = stage.get("/").await;
    let html = page.text();
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(!html.contains("<script>") && !html.contains("\" onmouseover"), "{html}");
    assert_eq!(html.matches("alert(1)").count(), 4, "the name, its title, what its link is called, and the message: {html}");
    assert!(html.contains("<title>Me &#60;b&#62;myself&#60;/b&#62; – goop</title>"), "{html}");
    assert!(html.contains(stage.viewer.token()) && html.contains("messages in memory only"));
    let csp = page.header("content-security-policy").unwrap();
    assert!(!csp.contains("unsafe") && csp.contains("frame-ancestors 'none'"));
    let script = stage.get("/static/viewer.js").await.text();
    for word in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "DOMParser"] {
        assert!(!script.contains(word), "{word}");
    }
}

#[tokio::test]
async fn the_page_shows_one_conversation_and_says_with_whom() {
    let stage = Stage::set().await;
    let ann = new_peer();
    with(&stage, |play| play.rows = vec![row(ann, "Ann & Co")]);
    let direct = stage.post_json("/api/v1/chat", &json!({ "to": ann.to_string(), "content": "only for you" }).to_string()).await;
    assert_eq!(direct.status, 202);
    stage.post_json("/api/v1/chat", r#"{"content":"for all"}"#).await;
    let (everyone, alone) = (stage.get("/").await.text(), stage.get(&format!("/?with={ann}")).await.text());
    assert!(everyone.contains(">To everyone</h2>") && everyone.contains("for all") && !everyone.contains("only for you"), "{everyone}");
    assert!(alone.contains(">Ann &#38; Co</bdi>") && alone.contains("only for you") && !alone.contains("for all"), "{alone}");
    assert!(everyone.contains(&format!("href=\"/?with={ann}\"")), "{everyone}");
    assert_problem(&stage.get("/?with=nobody").await, 400, "bad-request");
}

#[tokio::test]
async fn every_path_word_reaches_the_page() {
    let stage = Stage::set().await;
    let row_of = |path| goop::peer::PeerRow { path, ..row(new_peer(), "x") };
    with(&stage, |play| play.rows = [Path::Lan, Path::Direct, Path::Relayed, Path::Unreachable, Path::NotTried].map(row_of).to_vec());
    let html = stage.get("/").await.text();
    for word in ["same network", "direct", "relayed", "unreachable", "not tried yet"] {
        assert!(html.contains(word), "{word}");
    }
}

/// THREATS 73.
#[tokio::test]
async fn localhost_is_ours_on_both_address_families() {
    let stage = Stage::set().await;
    let v6 = std::net::SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, stage.addr().port()));
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        return eprintln!("no IPv6 on this machine: skipped");
    }
    let answer = stage::ask(v6, &format!("GET /healthz HTTP/1.1\r\nHost: [::1]:{}\r\n", v6.port()), b"").await;
    assert_eq!(answer.text(), "ok");
}

#[tokio::test]
async fn an_id_in_either_spelling_names_the_same_peer() {
    let stage = Stage::set().await;
    let peer: PeerId = new_peer();
    with(&stage, |play| _ = play.avatars.insert(peer, PNG.to_vec()));
    let site = stage.site_host(peer).await;
    let label = site.split('.').next().unwrap();
    assert_eq!(stage.get(&format!("/api/v1/peers/{label}/avatar")).await.body, PNG);
}
