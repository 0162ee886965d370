//! `goop doctor`: each thing that can be wrong is made wrong, found, and ends in something to type.
#![allow(missing_docs, clippy::unwrap_used, reason = "the names of the tests say it, and a failed step fails the test")]

mod harness;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};

use goop::clock::Moment;
use goop::doctor::PATIENCE;
use harness::goop_node::{BINARY, Plan, run};
use harness::{Family, Host, Lab, Lan, Place, has, lab_is_possible};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Settings with which nothing of this machine's own network is looked at.
const QUIET: [&str; 6] = ["--set", "discovery.mdns=false", "--set", "p2p.loopback_only=true", "--set", "viewer.http_addr=\"127.0.0.1:0\""];

/// The exit code, and what was found.
fn told(output: &Output) -> (i32, Value) {
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {output:?}"));
    (output.status.code().unwrap(), report)
}

fn examine(more: &[&str]) -> (i32, Value) {
    let data = TempDir::new().unwrap();
    told(&run(&[&["doctor", "--json", "--data", data.path().to_str().unwrap()], &QUIET[..], more].concat()))
}

/// The first finding of `check`.
fn of(report: &Value, check: &str) -> Value {
    let all = report["findings"].as_array().unwrap();
    all.iter().find(|finding| finding["check"] == check).unwrap_or_else(|| panic!("nothing of {check}: {report:#}")).clone()
}

fn is(finding: &Value, look: &str, word: &str) {
    assert_eq!((&finding["look"], &finding["word"]), (&json!(look), &json!(word)), "{finding:#}");
    let ends = look == "good" || finding["todo"] != "" && finding["copy"] != json!([]);
    assert!(ends, "what is wrong ends in something to type: {finding:#}");
}

/// A server that answers `GET <path>` with what `answer` says, whole; without that, 404. Answers where it is.
fn server(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let answer = std::sync::Arc::new(answer);
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let answer = answer.clone();
            std::thread::spawn(move || serve(socket, &*answer));
        }
    });
    host
}

fn serve(mut socket: TcpStream, answer: &dyn Fn(&str) -> Option<Vec<u8>>) {
    let mut head = [0; 4096];
    let length = socket.read(&mut head).unwrap_or_default();
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let said = answer(&path).unwrap_or_else(|| b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_vec());
    let _ = socket.write_all(&said);
    if said.ends_with(b"\r\n\r\n") && head.contains("event-stream") {
        // The head of a stream, and nothing after it for as long as somebody reads.
        let _ = socket.read(&mut [0; 1]);
    }
}

fn whole(headers: &str, body: &str) -> Option<Vec<u8>> {
    Some(format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes())
}

#[test]
fn a_machine_without_trouble_is_well_and_the_code_says_so() {
    let (code, report) = examine(&["--set", "presence.rendezvous_only=true", "--set", "presence.rendezvous_port=0"]);
    assert_eq!((code, &report["well"]), (0, &json!(true)), "{report:#}");
    is(&of(&report, "folder"), "good", "writable");
    is(&of(&report, "ports"), "good", "free");
    assert_eq!(of(&report, "node")["word"], "does not run");
}

#[test]
fn a_rendezvous_server_that_is_not_there_is_told_by_where_it_fails() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (code, report) = examine(&["--set", &format!("presence.rendezvous_wan=\"http://{closed}\"")]);
    assert_eq!(code, 1, "{report:#}");
    is(&of(&report, "rendezvous"), "bad", "no connection");
    let (_, report) =
        examine(&["--set", "presence.rendezvous_wan=\"http://rv.invalid\"", "--set", "discovery.hubs=[\"http://hub.invalid\"]"]);
    is(&of(&report, "rendezvous"), "bad", "unknown name");
    is(&of(&report, "hub"), "bad", "unknown name");
    let other = server(|_| None);
    let (_, report) = examine(&["--set", &format!("presence.rendezvous_wan=\"http://{other}\"")]);
    is(&of(&report, "rendezvous"), "bad", "something else");
}

#[test]
fn a_server_without_the_community_and_a_page_that_is_no_server_are_told_from_one_that_serves() {
    let server = Plan::new(&Place::Here).arg("--rendezvous-host").arg("--port").arg("0").start();
    let (board, viewer) = (server.ready["public"].as_str().unwrap(), server.ready["viewer"].as_str().unwrap());
    let rendezvous = |url: &str| of(&examine(&["--set", &format!("presence.rendezvous_wan=\"{url}\"")]).1, "rendezvous");
    is(&rendezvous(board), "good", "answers");
    is(&rendezvous(&format!("{}/c/nix", board.trim_end_matches('/'))), "bad", "no such community");
    is(&rendezvous(viewer), "bad", "something else");
}

#[test]
fn a_board_that_is_named_as_a_hub_is_said_to_be_none() {
    let server = Plan::new(&Place::Here).arg("--rendezvous-host").arg("--port").arg("0").start();
    let (_, report) = examine(&["--set", &format!("discovery.hubs=[\"{}\"]", server.ready["public"].as_str().unwrap())]);
    let hub = of(&report, "hub");
    is(&hub, "bad", "no super hub");
    assert!(!hub.to_string().contains("https://"), "{hub}");
}

#[test]
fn a_proxy_that_holds_a_stream_back_and_a_clock_that_is_wrong_are_found() {
    let date = "date: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    let host = server(move |path| match path {
        "/healthz" => whole(date, "ok"),
        "/.well-known/goop" => whole(date, r#"{"peer_id":"12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5"}"#),
        "/api/v1/events" => Some(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec()),
        _ => None,
    });
    let (code, report) = examine(&["--set", &format!("presence.rendezvous_wan=\"http://{host}\"")]);
    assert_eq!(code, 1, "{report:#}");
    is(&of(&report, "rendezvous"), "bad", "held back");
    is(&of(&report, "clock"), "bad", "wrong");
}

#[test]
fn attack_a_server_that_never_ends_and_writes_escapes_neither_holds_the_doctor_nor_drives_the_terminal() {
    let escapes = server(|path| {
        let location =
            "HTTP/1.1 302 Found\r\nlocation: https://evil.example/\x1b[2J';rm -rf ~;'\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
        (path == "/healthz").then(|| location.as_bytes().to_vec())
    });
    let endless = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = endless.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut socket in endless.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let _ = socket.read(&mut [0; 4096]);
                let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
                while socket.write_all(&[b'x'; 1024]).is_ok() {}
            });
        }
    });
    let data = TempDir::new().unwrap();
    let servers = format!("presence.rendezvous_wan=[\"http://{escapes}\", \"http://{place}\"]");
    let began = Moment::now();
    let said = run(&[&["doctor", "--data", data.path().to_str().unwrap(), "--set", &servers], &QUIET[..]].concat());
    let took = Moment::now().since(began);
    assert!(took < PATIENCE * 2, "{took:?}");
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(said.status.code() == Some(1) && text.contains("too long") && !text.contains('\x1b'), "{text}");
    assert!(!text.contains("'; rm") && !text.contains("';rm -rf ~;'"), "what a server says stays one word: {text}");
}

#[test]
fn a_port_that_another_program_has_is_told_with_its_name() {
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = format!("p2p.listen_port={}", listener.local_addr().unwrap().port());
    let (code, report) = examine(&["--set", "p2p.loopback_only=false", "--set", &port]);
    let found = of(&report, "ports");
    is(&found, "bad", "taken");
    assert!(code == 1 && found["said"].as_str().unwrap().contains(&format!("process {}", std::process::id())), "{found:#}");
}

#[test]
fn a_server_that_may_open_few_files_is_told() {
    let data = TempDir::new().unwrap();
    let few = "ulimit -n 512; exec \"$0\" doctor --json --set presence.rendezvous_only=true --set presence.rendezvous_port=0 --data \"$1\"";
    let said = Command::new("sh").args(["-c", few, BINARY]).arg(data.path()).output().unwrap();
    let (code, report) = told(&said);
    is(&of(&report, "open-files"), "bad", "few");
    assert_eq!(code, 1);
}

#[test]
fn a_configuration_with_faults_is_told_as_ever() {
    let data = TempDir::new().unwrap();
    let said = run(&["doctor", "--data", data.path().to_str().unwrap(), "--set", "p2p.listen_prot=1"]);
    assert!(said.status.code() == Some(4) && String::from_utf8_lossy(&said.stderr).contains("listen_port"), "{said:?}");
}

#[test]
fn a_running_peer_is_asked_and_its_page_says_the_same() {
    if !has("curl", "--version") {
        return;
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let goop = Plan::new(&Place::Here).set("p2p.loopback_only=true").arg("--rendezvous-wan").arg(&format!("http://{closed}")).start();
    let (code, report) = told(&goop.cli(&["doctor", "--json"]));
    is(&of(&report, "rendezvous"), "bad", "no connection");
    assert_eq!(
        (code, &of(&report, "ports")["word"], &of(&report, "nat")["word"]),
        (1, &json!("listens"), &json!("not known")),
        "{report:#}"
    );
    let (status, page) = goop.get("doctor").unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(status == 200 && page.contains("no connection") && page.contains("curl -v"), "{page}");
    let home = String::from_utf8(goop.get("").unwrap().1).unwrap();
    assert!(home.contains("href=\"/doctor\""), "Home leads there");
    goop.stop();
}

#[test]
fn a_running_server_without_pages_is_looked_at_from_outside() {
    let goop = Plan::new(&Place::Here).arg("--rendezvous-only").arg("--port").arg("0").start();
    let peer =
        Plan::new(&Place::Here).set("p2p.loopback_only=true").arg("--rendezvous-wan").arg(goop.ready["public"].as_str().unwrap()).start();
    let (code, report) = told(&goop.cli(&["doctor", "--json"]));
    assert_eq!((code, &of(&report, "ports")["word"]), (0, &json!("listens")), "{report:#}");
    let (_, report) = told(&peer.cli(&["doctor", "--json"]));
    is(&of(&report, "rendezvous"), "good", "answers");
    is(&of(&report, "clock"), "good", "right");
    assert!(of(&report, "rendezvous")["said"].as_str().unwrap().contains("its stream comes through"), "{report:#}");
    peer.stop();
    goop.stop();
}

/// What the doctor says on a host of a lab.
fn on_host(host: &Host) -> (i32, Value) {
    let data = TempDir::new().unwrap();
    let mut command = host.place.command(BINARY);
    let command = command.args(["doctor", "--json", "--data"]).arg(data.path()).env_remove("RUST_LOG");
    told(&command.output().unwrap())
}

fn nft(host: &Host, rules: &str) {
    let done = host.place.command("nft").arg(rules).output().unwrap();
    assert!(done.status.success(), "{rules}: {}", String::from_utf8_lossy(&done.stderr));
}

fn lab() -> (Lab, Lan, Host) {
    let (mut lab, lan) = Lab::with_lan();
    let host = lab.host(lan, Family::V4);
    (lab, lan, host)
}

#[test]
fn multicast_that_works_is_told_from_an_interface_that_knows_none() {
    if !lab_is_possible() {
        return;
    }
    let (_lab, lan, host) = lab();
    is(&of(&on_host(&host).1, "multicast"), "good", "works");
    host.ip(&["link", "set", &lan.interface(), "multicast", "off"]);
    let (code, report) = on_host(&host);
    is(&of(&report, "multicast"), "bad", "off");
    assert_eq!(code, 1);
}

#[test]
fn a_firewall_that_keeps_multicast_out_is_seen_and_told_how_to_open() {
    if !lab_is_possible() || !has("nft", "--version") {
        return;
    }
    let (_lab, _, host) = lab();
    is(&of(&on_host(&host).1, "firewall"), "good", "none in the way");
    nft(&host, "table inet wall { chain in { type filter hook input priority 0; policy drop; iif lo accept; }; }");
    let (code, report) = on_host(&host);
    assert_eq!(code, 1, "{report:#}");
    is(&of(&report, "multicast"), "bad", "nothing comes back");
    let firewall = of(&report, "firewall");
    is(&firewall, "warn", "is on");
    assert_eq!(firewall["copy"][0], "sudo nft insert rule inet wall in udp dport 5353 accept");
    nft(&host, "insert rule inet wall in udp dport 5353 accept");
    is(&of(&on_host(&host).1, "multicast"), "good", "works");
}

#[test]
fn a_machine_on_no_network_is_told_so() {
    if !lab_is_possible() {
        return;
    }
    let mut lab = Lab::new();
    let host = lab.lone_host();
    let found = of(&on_host(&host).1, "multicast");
    assert_eq!((&found["look"], &found["word"], &found["copy"][0]), (&json!("warn"), &json!("none"), &json!("ip address")));
}
