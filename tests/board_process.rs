//! The rendezvous server as the real binary runs it: how it is started, what a restart forgets, how it ends.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod harness;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use harness::goop_node::Plan;
use harness::{Goop, Place, SOON, eventually};

const ALICE: &str = r#"{"type":"online","peerId":"12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5","content":"Alice"}"#;

fn server() -> Plan {
    Plan::new(&Place::Here).arg("--rendezvous-only").arg("--port").arg("0")
}

fn host(goop: &Goop) -> String {
    goop.ready["public"].as_str().unwrap().trim_start_matches("http://").to_owned()
}

/// Sends a request on a connection of its own, and answers its reader.
fn ask(goop: &Goop, head: &str, body: &str) -> BufReader<TcpStream> {
    let mut socket = TcpStream::connect(host(goop)).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let length = if body.is_empty() { String::new() } else { format!("content-length: {}\r\n", body.len()) };
    write!(socket, "{head} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{length}\r\n{body}").unwrap();
    BufReader::new(socket)
}

fn status(mut answer: BufReader<TcpStream>) -> String {
    let mut line = String::new();
    answer.read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// The first line of a stream that holds `text`.
fn line_with(stream: &mut BufReader<TcpStream>, text: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the stream ended before {text:?}");
        if line.contains(text) {
            return line;
        }
    }
}

#[test]
fn a_server_alone_has_no_viewer_and_no_libp2p_and_says_where_it_is() {
    let goop = server().arg("--bind").arg("0.0.0.0").start();
    assert_eq!(goop.ready["roles"], serde_json::json!(["rendezvous"]));
    assert!(goop.ready["viewer"].is_null() && goop.ready["listen"].as_array().unwrap().is_empty());
    assert_eq!(status(ask(&goop, "GET /healthz", "")), "200");
    goop.stop();
}

#[test]
fn a_server_that_is_open_to_others_says_an_address_that_they_can_use() {
    if !harness::lab_is_possible() {
        return;
    }
    let (mut lab, lan) = harness::Lab::with_lan();
    let [host, other] = [(); 2].map(|()| lab.host(lan, harness::Family::V4));
    let goop = Plan::new(&host.place).arg("--rendezvous-only").arg("--bind").arg("0.0.0.0").start();
    let url = goop.ready["public"].as_str().unwrap().to_owned();
    assert!(url.contains(&host.address(lan, harness::Family::V4)), "{url}");
    assert_eq!(other.place.http(&format!("{url}/healthz"), &[]).unwrap().0, 200);
    goop.stop();
}

/// What the server says at this path, status and body.
fn get(goop: &Goop, path: &str) -> (u16, serde_json::Value) {
    let (status, body) = goop.place().http(&format!("http://{}{path}", host(goop)), &[]).unwrap();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

#[test]
fn a_server_names_itself_as_relay_or_the_one_it_is_told_or_none() {
    assert_eq!(get(&server().start(), "/relay").0, 404);
    let relay = server().set("p2p.relay_server=true").set("p2p.loopback_only=true").start();
    let at = relay.tcp_address("127.0.0.1");
    let (status, said) = get(&relay, "/relay");
    assert_eq!((status, said["peer_id"].as_str()), (200, Some(relay.id().as_str())));
    assert_eq!(format!("{}/p2p/{}", said["addrs"][0].as_str().unwrap(), relay.id()), at);
    let naming = server().set(&format!("p2p.relays=[\"{at}\"]")).start();
    assert_eq!(get(&naming, "/via404/relay").1["peer_id"], said["peer_id"]);
    assert_eq!(get(&naming, "/c/no-such/relay").0, 404);
    assert_eq!(naming.ready["roles"], serde_json::json!(["rendezvous"]), "naming is not relaying");
    let peer = Plan::new(&Place::Here).set("presence.rendezvous_host=true").arg("--port").arg("0");
    let peer = peer.set("p2p.relay_server=true").set("p2p.loopback_only=true").start();
    eventually(SOON, "a peer that relays is named by its own server", || match get(&peer, "/relay") {
        (200, said) if said["peer_id"] == peer.id() => Ok(()),
        other => Err(format!("{other:?}")),
    });
    relay.stop();
}

#[test]
fn a_peer_can_host_a_server_beside_itself() {
    let goop = Plan::new(&Place::Here).arg("--set").arg("presence.rendezvous_host=true").arg("--port").arg("0").start();
    assert_eq!(goop.ready["roles"], serde_json::json!(["peer", "rendezvous"]));
    assert!(goop.ready["viewer"].is_string());
    assert_eq!(status(ask(&goop, "POST /publish", ALICE)), "204");
    goop.stop();
}

#[test]
fn a_restart_says_that_its_first_snapshot_is_not_complete() {
    let goop = server().arg("--set").arg("presence.ttl_seconds=2").arg("--set").arg("presence.heartbeat_seconds=1").start();
    let complete = |goop: &Goop| line_with(&mut ask(goop, "GET /api/v1/events", ""), "\"complete\"").contains("\"complete\":true");
    assert!(!complete(&goop));
    eventually(SOON, "one TTL later it is complete", || if complete(&goop) { Ok(()) } else { Err("not yet".into()) });
    let plan = goop.kill();
    let again = plan.start();
    assert!(!complete(&again), "it has forgotten everybody, and says so");
}

#[test]
fn who_falls_silent_is_told_offline() {
    let goop = server().arg("--set").arg("presence.ttl_seconds=2").arg("--set").arg("presence.heartbeat_seconds=1").start();
    let mut lines = ask(&goop, "GET /events", "");
    assert_eq!(status(ask(&goop, "POST /publish", ALICE)), "204");
    line_with(&mut lines, r#""type":"online""#);
    line_with(&mut lines, r#""type":"offline""#);
}

#[test]
fn with_open_streams_it_stops_within_its_deadline_and_ends_them() {
    let goop = server().start();
    let mut streams: Vec<_> = (0..20).map(|_| ask(&goop, "GET /events", "")).collect();
    streams.iter_mut().for_each(|stream| drop(line_with(stream, ": ok")));
    goop.stop();
    for mut stream in streams {
        stream.get_ref().set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut rest = String::new();
        while stream.read_line(&mut rest).unwrap() > 0 {}
        assert!(rest.ends_with("0\r\n\r\n"), "a proper end: {rest:?}");
    }
}

#[test]
fn metrics_have_a_listener_of_their_own_that_tells_whoever_reaches_it_and_nothing_else() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let goop = server().set(&format!("http.metrics_addr={port}")).start();
    let ask = |path: &str| {
        let mut stream = TcpStream::connect(port).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.5\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let numbers = ask("/metrics");
    assert!(numbers.starts_with("HTTP/1.1 200") && numbers.contains("goop_rendezvous_peers") && numbers.ends_with("# EOF\n"), "{numbers}");
    assert!(ask("/admin").starts_with("HTTP/1.1 404"));
    goop.stop();
}
