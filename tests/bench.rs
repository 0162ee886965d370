//! `goop bench` against the real server: what it measures is true at small loads too, and at those that docs/PERFORMANCE.md promises
//! to everybody.
#![allow(clippy::unwrap_used, reason = "a test fails where it stands")]

mod harness;

use std::process::Command;

use harness::goop_node::Plan;
use harness::{Goop, Place};
use serde_json::Value;

fn server() -> Goop {
    let plan = Plan::new(&Place::Here).arg("--rendezvous-only").arg("--port").arg("0");
    plan.arg("--set").arg("http.trusted_proxies=['127.0.0.0/8']").start()
}

fn measure(goop: &Goop, load: &str) -> Value {
    let mut bench = Command::new(env!("CARGO_BIN_EXE_goop"));
    bench.args(["bench", "board", "--url", goop.ready["public"].as_str().unwrap()]).args(load.split(' '));
    let done = bench.output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

#[test]
fn a_small_rate_is_kept_and_each_reader_is_told_everything() {
    let figures = measure(&server(), "--subscribers 5 --processes 2 --peers 3 --publishes 1.5 --seconds 3");
    let rate = figures["published_per_s"].as_f64().unwrap();
    assert!((1.0..2.0).contains(&rate), "{figures}");
    assert_eq!((&figures["share_delivered"], &figures["refused"]), (&Value::from(1.0), &Value::from(0)), "{figures}");
    assert!(figures["p99_ms"].as_f64().is_some(), "{figures}");
}

#[test]
fn signed_messages_are_taken_and_a_newcomer_learns_of_everybody() {
    let figures = measure(&server(), "--signed --heartbeats --joins 2 --subscribers 1 --peers 40 --publishes 20 --seconds 1");
    assert_eq!(figures["refused"], 0, "{figures}");
    assert!(figures["join_ms"]["median"].as_f64().is_some(), "{figures}");
}

#[test]
fn a_school_of_500_behind_one_address_reads_and_heartbeats_without_a_refusal() {
    let figures = measure(&server(), "--one-address --heartbeats --subscribers 500 --peers 500 --publishes 300 --seconds 4");
    assert_eq!((&figures["refused"], &figures["streams_ended"]), (&Value::from(0), &Value::from(0)), "{figures}");
    assert!(figures["published_per_s"].as_f64().unwrap() > 125.0, "everybody again: {figures}");
}
