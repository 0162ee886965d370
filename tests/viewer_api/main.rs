//! The viewer as programs, pages and attackers see it: over real sockets, with a peer that follows a script.

#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod apart;
mod avatar;
mod communities;
mod events;
mod files;
mod hosts;
mod origin;
mod page;
mod peers;
mod settings;
mod site;
#[path = "../stage/mod.rs"]
mod stage;
mod talk;

use std::time::Duration;

use stage::{Answer, Play, Stage};

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
