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
