//! Conversations between real nodes: what is kept whatever happens, what waits for whom, and what a block keeps out.
#![allow(missing_docs, reason = "the names of the tests say it")]

mod harness;

use std::time::Duration;

use harness::goop_node::Plan;
use harness::{Goop, Place, SOON, eventually, has, need, never};
use serde_json::{Value, json};

/// Nodes on loopback find each other only where they are dialled, so each keeps its port for a second start.
fn plan(label: &str) -> Plan {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
    let fast = ["--set", "p2p.loopback_only=true", "--set", "presence.ttl_seconds=6", "--set", "presence.heartbeat_seconds=2"];
    let plan = Plan::new(&Place::Here).label(label).arg("--listen-port").arg(&port.to_string());
    fast.iter().fold(plan, |plan, arg| plan.arg(arg))
}

fn meet(one: &Goop, other: &Goop) {
    let (status, answer) = one.post("peers", &json!({ "addr": other.tcp_address("127.0.0.1") })).expect("it answers");
    assert_eq!(status, 200, "{answer}");
    one.sees(&other.id(), SOON);
    other.sees(&one.id(), SOON);
}

fn decide(node: &Goop, peer: &str, what: Value) {
    let (status, answer) = node.put(&format!("contacts/{peer}"), &what).expect("it answers");
    assert_eq!(status, 200, "{answer}");
}

/// Says something and answers the message as it stands then.
fn say(from: &Goop, to: &str, content: &str) -> Value {
    let (status, answer) = from.post("chat", &json!({ "to": to, "content": content })).expect("it answers");
    assert_eq!(status, 202, "{answer}");
    serde_json::from_str(&answer).expect("it is JSON")
}

fn heard(node: &Goop, peer: &str) -> Vec<String> {
    let answer = node.api(&format!("chat?peer={peer}")).expect("it answers");
    answer["messages"].as_array().expect("a list").iter().map(|message| message["content"].as_str().unwrap_or("?").to_owned()).collect()
}

fn hears_exactly(node: &Goop, peer: &str, expected: &[&str]) {
    let all = || if heard(node, peer) == expected { Ok(()) } else { Err(format!("{:?}", heard(node, peer))) };
    eventually(2 * SOON, &format!("{expected:?} are heard"), all);
}

#[test]
fn a_message_waits_for_an_absent_favourite_and_arrives_once_and_in_order_whoever_restarts() {
    if !has("curl", "--version") {
        return;
    }
    let (alice, bob) = (plan("alice").start(), plan("bob").start());
    meet(&alice, &bob);
    decide(&alice, &bob.id(), json!({ "favourite": true }));
    let known = || match alice.api("contacts")?["contacts"][0]["label"] == "bob" {
        true => Ok(()),
        false => Err("not yet".to_owned()),
    };
    eventually(SOON, "bob's name is noted", known);
    let (id, me) = (bob.id(), alice.id());
    assert_eq!(say(&alice, &id, "zero")["state"], "delivered");
    let bob = bob.stop();
    alice.misses(&id, SOON);
    assert_eq!(say(&alice, &id, "one")["state"], "waiting");
    assert_eq!(say(&alice, &id, "two")["state"], "waiting");

    let alice = alice.kill().start();
    let away = alice.row(&id).expect("a favourite stays in the list");
    assert_eq!((&away["label"], &away["online"], &away["favourite"]), (&json!("bob"), &json!(false), &json!(true)));
    assert_eq!(say(&alice, &id, "three")["state"], "waiting");

    let bob = bob.start();
    hears_exactly(&bob, &me, &["zero", "one", "two", "three"]);
    let delivered = || {
        let kept = alice.api(&format!("chat?peer={id}"))?;
        let all = kept["messages"].as_array().is_some_and(|all| all.iter().all(|message| message["state"] == "delivered"));
        if all { Ok(()) } else { Err(kept.to_string()) }
    };
    eventually(SOON, "alice knows that they arrived", delivered);
    let bob = bob.kill().start();
    assert_eq!(heard(&bob, &me), ["zero", "one", "two", "three"], "what was acknowledged is there after a crash");
}

#[test]
fn what_was_answered_survives_a_crash_and_what_was_forgotten_does_not() {
    if !has("curl", "--version") {
        return;
    }
    let (alice, bob) = (plan("alice").start(), plan("bob").start());
    meet(&alice, &bob);
    let (id, me) = (bob.id(), alice.id());
    let contents: Vec<String> = (0..15).map(|n| format!("message {n}")).collect();
    contents.iter().for_each(|content| drop(say(&alice, &id, content)));
    let (alice, bob) = (alice.kill().start(), bob.kill().start());
    assert_eq!((heard(&alice, &id), heard(&bob, &me)), (contents.clone(), contents));
    let listed = bob.api("conversations").expect("it answers");
    assert_eq!((&listed["unread"], &listed["conversations"][0]["peer"]), (&json!(15), &json!(me)));
    let last = listed["conversations"][0]["last"]["number"].clone();
    bob.post("chat/read", &json!({ "peer": me, "number": last })).expect("it answers");
    bob.delete("conversations").expect("it answers");
    let bob = bob.kill().start();
    assert_eq!(bob.api("conversations").expect("it answers"), json!({ "conversations": [], "unread": 0 }));
}

#[test]
fn a_block_really_blocks_and_ends_when_it_is_lifted() {
    if !has("curl", "--version") {
        return;
    }
    let alice = plan("alice").file("index.html", "<p>site of alice").start();
    let eve = plan("eve").file("index.html", "<p>site of eve").start();
    meet(&alice, &eve);
    let (id, me) = (eve.id(), alice.id());
    say(&eve, &me, "before");
    decide(&alice, &id, json!({ "blocked": true }));
    let refused = |what: &str, (status, answer): (u16, String)| assert!(status >= 500, "{what}: {status} {answer}");
    refused("chat", eve.post("chat", &json!({ "to": me, "content": "while blocked" })).expect("it answers"));
    let (status, body) = eve.get(&format!("api/v1/peers/{me}/site/index.html")).expect("it answers");
    refused("site", (status, String::from_utf8_lossy(&body).into_owned()));
    // The handshake may finish on her side before alice knows who it is, and closes.
    eve.post("peers", &json!({ "addr": alice.tcp_address("127.0.0.1") })).expect("it answers");
    refused("chat after a dial", eve.post("chat", &json!({ "to": me, "content": "still blocked" })).expect("it answers"));
    assert!(alice.row(&id).is_err(), "a blocked peer is not in the list");
    let alice = alice.stop().start();
    eve.post("peers", &json!({ "addr": alice.tcp_address("127.0.0.1") })).expect("it answers");
    refused("after a restart", eve.post("chat", &json!({ "to": me, "content": "and still" })).expect("it answers"));
    never(Duration::from_secs(3), "nothing of a blocked peer is kept", || match heard(&alice, &id).len() {
        1 => Ok(()),
        _ => Err(format!("{:?}", heard(&alice, &id))),
    });

    decide(&alice, &id, json!({ "blocked": false }));
    meet(&eve, &alice);
    say(&eve, &me, "after");
    assert_eq!(heard(&alice, &id), ["before", "after"]);
}

#[test]
fn a_muted_peer_is_kept_and_nobody_is_notified() {
    if !has("curl", "--version") {
        return;
    }
    let (alice, bob) = (plan("alice").start(), plan("bob").start());
    meet(&alice, &bob);
    decide(&alice, &bob.id(), json!({ "muted": true }));
    let events = alice.listen();
    say(&bob, &alice.id(), "psst");
    let said = events.wait(SOON, 0, |line| line.strip_prefix("data: ").filter(|data| data.contains("psst")).map(str::to_owned));
    let event: Value = serde_json::from_str(&said.expect("the event comes")).expect("it is JSON");
    assert_eq!((&event["type"], &event["muted"]), (&json!("chat"), &json!(true)));
    assert_eq!(heard(&alice, &bob.id()), ["psst"]);
}

/// THREATS 54.
#[test]
fn a_full_disk_is_told_and_loses_nothing_that_was_answered() {
    if !has("curl", "--version") || !need(rustix::process::geteuid().is_root(), "root, to mount a small disk") {
        return;
    }
    let disk = harness::disk::SmallDisk::new("2m");
    let (alice, bob) = (plan("alice").data(disk.path()).start(), plan("bob").start());
    meet(&alice, &bob);
    let id = bob.id();
    say(&alice, &id, "before");
    disk.fill();
    let full = |content: &str| {
        let (status, answer) = alice.post("chat", &json!({ "to": id, "content": content })).expect("it answers");
        assert!(status == 507 && answer.contains("disk-full"), "{status} {answer}");
    };
    full(&"x".repeat(60_000));
    full("small");
    let (status, _) = bob.post("chat", &json!({ "to": alice.id(), "content": "no room" })).expect("it answers");
    assert_eq!(status, 502, "what is not kept is not acknowledged");
    assert_eq!(heard(&alice, &id), ["before"]);
    disk.clear();
    say(&alice, &id, "after");
    let alice = alice.kill().start();
    assert_eq!(heard(&alice, &id), ["before", "after"]);
}
