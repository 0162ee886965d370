//! `goop search` against real hubs and hostile ones.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

mod harness;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use goop::clients::superhub::{Answers, find};
use goop::config::base_url::BaseUrl;
use harness::goop_node::{Plan, run};
use harness::{Goop, Place, SOON, eventually};
use serde_json::{Value, json};
use tempfile::TempDir;

const PASSWORD: &str = "admin:correct horse";

fn hub() -> Goop {
    let plan = Plan::new(&Place::Here).arg("--superhub").arg("--rendezvous-only").arg("--port").arg("0");
    plan.set("superhub.probe=false").set("presence.admin_password=correct horse").start()
}

fn url(hub: &Goop) -> String {
    hub.ready["public"].as_str().unwrap().trim_end_matches('/').to_owned()
}

fn list(hub: &Goop, name: &str, rendezvous: &str) {
    let listing = json!({ "community": name, "rendezvous": rendezvous, "type": "open", "tags": ["games"] }).to_string();
    let curl = ["-u", PASSWORD, "-H", "Content-Type: application/json", "--data", &listing];
    let (status, body) = Place::Here.http(&format!("{}/api/v1/communities", url(hub)), &curl).unwrap();
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
}

fn search(data: &Path, hubs: &[&str], query: &str) -> Value {
    let hubs = format!("discovery.hubs={}", json!(hubs));
    let said = run(&["search", query, "--json", "--set", &hubs, "--data", data.to_str().unwrap()]);
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    serde_json::from_slice(&said.stdout).unwrap()
}

fn names(said: &Value) -> Vec<&str> {
    said["communities"].as_array().unwrap().iter().map(|found| found["community"].as_str().unwrap()).collect()
}

#[test]
fn what_was_searched_is_found_again_when_every_hub_is_down() {
    let (hub, data) = (hub(), TempDir::new().unwrap());
    list(&hub, "Chess Club", "https://rv.example/c/chess");
    let address = url(&hub);
    let said = search(data.path(), &[&address, "http://127.0.0.1:1"], "che");
    assert_eq!((names(&said), &said["local"]), (vec!["Chess Club"], &json!(false)));
    assert_eq!(said["communities"][0]["health"], "unknown");
    assert_eq!((said["answered"].as_array().unwrap().len(), said["failed"].as_array().unwrap().len()), (1, 1));
    drop(hub);
    let said = search(data.path(), &[&address], "club ches");
    assert_eq!((names(&said), &said["local"]), (vec!["Chess Club"], &json!(true)));
    let words = run(&["search", "chess", "--hub", &address, "--data", data.path().to_str().unwrap()]);
    let words = String::from_utf8_lossy(&words.stdout).into_owned();
    assert!(words.contains("No hub answers") && words.contains("https://rv.example/c/chess"), "{words}");
}

#[test]
fn a_running_peer_keeps_what_its_hubs_list_without_being_asked() {
    let hub = hub();
    for number in 0..60 {
        list(&hub, &format!("Club {number}"), &format!("https://rv.example/c/club-{number}"));
    }
    let peer = Plan::new(&Place::Here).arg("--hub").arg(&url(&hub)).start();
    let file = peer.data().join("communities.ndjson");
    let look = || {
        let lines = std::fs::read_to_string(&file).unwrap_or_default().lines().count();
        if lines == 60 { Ok(()) } else { Err(format!("{lines} listings")) }
    };
    eventually(SOON, "both pages are kept", look);
    let address = url(&hub);
    drop(hub);
    assert_eq!(names(&search(peer.data(), &[&address], "club 59")), ["Club 59"]);
}

#[test]
fn hubs_that_are_named_while_a_peer_runs_are_asked_what_they_list() {
    let (hub, data) = (hub(), TempDir::new().unwrap());
    list(&hub, "Chess Club", "https://rv.example/c/chess");
    let peer = Plan::new(&Place::Here).data(data.path()).start();
    std::fs::write(data.path().join("goop.toml"), format!("discovery.hubs = [\"{}\"]\n", url(&hub))).unwrap();
    peer.signal(rustix::process::Signal::HUP);
    let kept = || match std::fs::read_to_string(data.path().join("communities.ndjson")) {
        Ok(text) if text.contains("Chess Club") => Ok(()),
        other => Err(format!("{other:?}")),
    };
    eventually(SOON, "the new hub's listings are kept", kept);
    assert!(!peer.log().contains("needs a restart"));
}

#[test]
fn the_same_community_of_two_hubs_is_shown_once() {
    let (one, other) = (scripted(|socket| answer(socket, &page(1))), scripted(|socket| answer(socket, &page(2))));
    let answers = ask(&[&one, &other]);
    assert_eq!(answers.answered.len(), 2);
    assert_eq!(answers.communities.len(), 2, "both list the first");
}

/// Who answers first does not speak for the others: ids are public, and an address behind one is nobody's word but the hub's.
#[test]
fn attack_the_quickest_hub_leads_elsewhere_nothing_that_another_lists() {
    let evil = page(1).replace("https://rv.example", "https://evil.example");
    let evil = scripted(move |socket| answer(socket, &evil));
    let good = scripted(|socket| {
        std::thread::sleep(Duration::from_millis(100));
        answer(socket, &page(1));
    });
    let answers = ask(&[&evil, &good]);
    let places: Vec<(&str, &str)> =
        answers.communities.iter().map(|found| (found.listing.rendezvous.as_str(), found.hub.trim_end_matches('/'))).collect();
    assert_eq!(places, [("https://evil.example", &*evil), ("https://rv.example", &*good)]);
}

#[test]
fn without_a_hub_the_command_searches_what_is_kept_and_says_what_to_set() {
    let data = TempDir::new().unwrap();
    let id = goop::proto::directory::ListingId::from_bytes([1; 16]).to_string();
    let kept = json!({ "hub": "https://hub.example/", "at": 1, "id": id, "community": "Chess Club", "rendezvous": "https://rv.example/c/chess", "type": "open" });
    std::fs::write(data.path().join("found.ndjson"), kept.to_string() + "\n").unwrap();
    let said = run(&["search", "chess", "--data", data.path().to_str().unwrap()]);
    let words = String::from_utf8_lossy(&said.stdout);
    assert!(said.status.success() && words.contains("https://rv.example/c/chess") && words.contains("discovery.hubs"), "{said:?}");
}

#[test]
fn attack_hostile_hubs_cost_bounded_time_and_memory_and_hide_nobody_else() {
    let endless = scripted(|mut socket| {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"communities\":[");
        while socket.write_all(&[b' '; 8192]).is_ok() {}
    });
    let slow = scripted(|mut socket| {
        let _ = socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while socket.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let huge = scripted(|mut socket| drop(socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")));
    let wrong = scripted(|socket| answer(socket, r#"{"communities":{"0":[]},"next":7}"#));
    let no_json = scripted(|socket| answer(socket, "<html><script>alert(1)</script>"));
    let inner = TcpListener::bind("127.0.0.1:0").unwrap();
    let inward = format!("http://{}/secret", inner.local_addr().unwrap());
    let redirect = scripted(move |mut socket| {
        let _ = socket.write_all(format!("HTTP/1.1 302 Found\r\nLocation: {inward}\r\nContent-Length: 0\r\n\r\n").as_bytes());
    });
    let hostile = scripted(|socket| {
        let markup = json!({ "id": "x", "community": "<script>", "rendezvous": "javascript:alert(1)", "type": "open" });
        answer(socket, &json!({ "communities": [markup, 7, null, "x"], "next": null }).to_string());
    });
    let good = scripted(|socket| answer(socket, &page(1)));
    let answers = ask(&[&endless, &slow, &huge, &wrong, &no_json, &redirect, &hostile, &good]);
    assert_eq!(answers.communities.len(), 1, "{answers:?}");
    assert_eq!(answers.answered.len(), 2, "the good one, and the one that lists nothing that is fine: {answers:?}");
    assert_eq!(answers.failed.len(), 6, "{answers:?}");
    inner.set_nonblocking(true).unwrap();
    assert!(inner.accept().is_err(), "nobody knocks where a hub points to");
}

fn ask(hubs: &[&str]) -> Answers {
    let hubs: Vec<BaseUrl> = hubs.iter().map(|hub| BaseUrl::parse(hub).unwrap()).collect();
    tokio::runtime::Runtime::new().unwrap().block_on(find(&hubs, "chess"))
}

/// A page with so many listings, of which all hubs have the first.
fn page(listings: u8) -> String {
    let listing = |number: u8| {
        let id = goop::proto::directory::ListingId::from_bytes([number; 16]).to_string();
        json!({ "id": id, "community": format!("Chess {number}"), "rendezvous": "https://rv.example", "type": "open" })
    };
    json!({ "communities": (1..=listings).map(listing).collect::<Vec<_>>(), "next": null }).to_string()
}

/// A hub that answers each connection so, once its request has come.
fn scripted(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            let mut request = [0; 4096];
            let _ = socket.read(&mut request);
            answer(socket);
        }
    });
    url
}

fn answer(mut socket: TcpStream, body: &str) {
    let length = body.len();
    let _ =
        write!(socket, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
}
