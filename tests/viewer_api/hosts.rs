//! Which names the viewer answers to (THREATS 29, 73).

use libp2p::PeerId;

use crate::stage::{Stage, new_peer};
use crate::{PNG, assert_problem, with};

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

/// THREATS 73.
#[tokio::test]
async fn localhost_is_ours_on_both_address_families() {
    let stage = Stage::set().await;
    let v6 = std::net::SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, stage.addr().port()));
    if std::net::UdpSocket::bind("[::1]:0").is_err() {
        return eprintln!("no IPv6 on this machine: skipped");
    }
    let answer = crate::stage::ask(v6, &format!("GET /healthz HTTP/1.1\r\nHost: [::1]:{}\r\n", v6.port()), b"").await;
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
