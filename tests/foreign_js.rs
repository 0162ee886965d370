//! Goop and a js-libp2p peer (`tests/foreign/js`), on one network.
#![allow(missing_docs, reason = "the names of the tests say it")]

mod harness;

use harness::foreign::Kind;
use harness::meeting::{self, Meeting};

fn whole_acquaintance(generation: &'static str) {
    if !meeting::is_possible(Kind::Js) {
        return;
    }
    let mut meeting = Meeting::of(Kind::Js, generation);
    meeting.labels_and_avatars();
    meeting.fetches_from_goop();
    meeting.serves_goop();
    meeting.chat();
    meeting.cannot_speak_as_another();
    meeting.goes_and_comes_back();
    meeting.hears_goop_leave();
}

#[test]
fn a_js_peer_and_goop_get_along_in_the_newer_dialect() {
    whole_acquaintance("new");
}

#[test]
fn a_js_peer_and_goop_get_along_in_the_older_dialect() {
    whole_acquaintance("seed");
}
