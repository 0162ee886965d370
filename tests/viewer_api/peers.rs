//! Other peers: what is said of them, their files as downloads, their failures (THREATS 24, 28, 42).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use goop::peer::OpenError;
use libp2p::PeerId;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::stage::{Script, Stage, new_peer, read_head, row};
use crate::{assert_problem, with};

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
async fn a_message_that_cannot_be_delivered_says_why() {
    let stage = Stage::set().await;
    let gone = new_peer();
    with(&stage, |play| _ = play.files.insert((gone, String::new()), Script::Fails(OpenError::NoAddress)));
    let to = |peer: PeerId| json!({ "to": peer.to_string(), "content": "hi" }).to_string();
    assert_problem(&stage.post_json("/api/v1/chat", &to(gone)).await, 502, "no-address");
    assert_problem(&stage.post_json("/api/v1/chat", &to(stage.me)).await, 400, "bad-request");
    let kept = stage.get(&format!("/api/v1/chat?peer={gone}")).await.json();
    assert_eq!(
        (&kept["messages"][0]["state"], &kept["messages"][0]["why"]),
        (&json!("failed"), &json!("no address is known for this peer"))
    );
}
