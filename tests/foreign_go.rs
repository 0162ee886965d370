//! Goop and a go-libp2p peer that behaves as goop2 does on the wire (`tests/foreign/go`), on one network.
#![allow(missing_docs, reason = "the names of the tests say it")]

mod harness;

use harness::foreign::Kind;
use harness::meeting::{self, Meeting};
use harness::{Family, Foreign, Goop, Lab, SOON};

fn whole_acquaintance(generation: &'static str) {
    if !meeting::is_possible(Kind::Go) {
        return;
    }
    let mut meeting = Meeting::of(Kind::Go, generation);
    meeting.labels_and_avatars();
    meeting.fetches_from_goop();
    meeting.serves_goop();
    meeting.chat();
    meeting.cannot_speak_as_another();
    meeting.goes_and_comes_back();
    meeting.hears_goop_leave();
}

#[test]
fn the_newest_goop2_generation_and_goop_get_along() {
    whole_acquaintance("new");
}

#[test]
fn the_first_goop2_generation_and_goop_get_along() {
    whole_acquaintance("seed");
}

#[test]
fn noise_alone_and_tls_alone_both_reach_goop() {
    if !meeting::is_possible(Kind::Go) {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let home = lab.host(lan, Family::V4);
    let goop = Goop::named(&home.place, "goop");
    for security in ["noise", "tls"] {
        let host = lab.host(lan, Family::V4);
        let foreign = Foreign::start_with(Kind::Go, &host, &["--label", security, "--security", security]);
        let connected = foreign.event("a connection", |event| event["event"] == "connected" && event["peer"] == goop.id());
        assert!(connected["security"].as_str().unwrap_or_default().contains(security), "{connected}");
        goop.sees(&foreign.id, SOON);
    }
}

#[test]
fn both_generations_and_goop_share_one_network() {
    if !meeting::is_possible(Kind::Go) {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let hosts: Vec<_> = (0..3).map(|_| lab.host(lan, Family::V4)).collect();
    let old = Foreign::start_with(Kind::Go, &hosts[0], &["--label", "old", "--generation", "seed"]);
    let new = Foreign::start_with(Kind::Go, &hosts[1], &["--label", "new"]);
    let goop = Goop::named(&hosts[2].place, "goop");
    for (foreign, other) in [(&old, &new), (&new, &old)] {
        goop.sees(&foreign.id, SOON);
        foreign.event("it hears goop", |event| event["event"] == "presence" && event["from"] == goop.id());
        foreign.event("it hears the other", |event| event["event"] == "presence" && event["from"] == other.id.as_str());
    }
}

#[test]
fn a_goop2_peer_is_given_a_link_to_a_file_and_can_fetch_it_until_it_is_taken_back() {
    if !meeting::is_possible(Kind::Go) {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let (left, right) = (lab.host(lan, Family::V4), lab.host(lan, Family::V4));
    let goop = Goop::named(&left.place, "goop");
    let mut foreign = Foreign::start_with(Kind::Go, &right, &["--label", "new"]);
    goop.sees(&foreign.id, SOON);
    let file = goop.data().join("holiday photo.jpg");
    std::fs::write(&file, b"not really a picture").expect("write a file");
    let sent = goop.cli(&["send", &foreign.id, &file.to_string_lossy()]);
    assert!(sent.status.success() && String::from_utf8_lossy(&sent.stdout).contains("link"), "{sent:?}");

    let is_link =
        |event: &serde_json::Value| event["event"] == "chat" && event["content"].as_str().is_some_and(|text| text.contains("/shared/"));
    let heard = foreign.event("it hears of the link", is_link);
    let link = &goop.api("files").expect("it answers")["files"][0];
    let path = link["link"].as_str().expect("a link").to_owned();
    assert!(heard["content"].as_str().is_some_and(|text| text.contains(&path.replace(' ', "%20"))), "{heard}");
    let fetched = foreign.fetch(&goop.id(), &[format!("/{path}")]);
    assert_eq!(fetched[0]["size"], 20, "{fetched:?}");
    let (status, _) = goop.change("POST", &format!("files/{}/cancel", link["number"]), &[]).expect("it answers");
    assert_eq!(status, 200);
    let gone = foreign.fetch(&goop.id(), &[format!("/{path}")]);
    assert!(gone[0]["size"] != 20, "{gone:?}");
}
