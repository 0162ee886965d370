//! Conversations between real nodes: what is kept whatever happens, what waits for whom, and what a block keeps out.
#![allow(missing_docs, reason = "the names of the tests say it")]

mod harness;

use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use harness::goop_node::Plan;
use harness::{Goop, Place, SOON, eventually, has, need, never};
use serde_json::{Value, json};

/// Nodes on loopback find each other only where they are dialled, so each keeps its port for a second start.
fn plan(label: &str) -> Plan {
    let port = free_port();
    let fast = ["--set", "p2p.loopback_only=true", "--set", "presence.ttl_seconds=6", "--set", "presence.heartbeat_seconds=2"];
    let plan = Plan::new(&Place::Here).label(label).arg("--listen-port").arg(&port.to_string());
    fast.iter().fold(plan, |plan, arg| plan.arg(arg))
}

/// Below the ports that systems give to outgoing connections, and another for each caller.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 8000).expect("below 8000");
    let mut ports = std::iter::from_fn(|| Some(12_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 8000));
    ports.find(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("one is free")
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
    alice.meets(&bob);
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
    alice.meets(&bob);
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
    alice.meets(&eve);
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
    eve.meets(&alice);
    say(&eve, &me, "after");
    assert_eq!(heard(&alice, &id), ["before", "after"]);
}

#[test]
fn a_muted_peer_is_kept_and_nobody_is_notified() {
    if !has("curl", "--version") {
        return;
    }
    let (alice, bob) = (plan("alice").start(), plan("bob").start());
    alice.meets(&bob);
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
    alice.meets(&bob);
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

/// Bytes that no two places of a file share.
fn bytes(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    (0..length.div_ceil(8)).flat_map(|_| next()).take(length).collect()
}

/// Offers a file and answers the sender's number of it.
fn offer(from: &Goop, to: &str, name: &str, content: &[u8]) -> Value {
    let file = from.data().join("to send");
    std::fs::write(&file, content).expect("write a file");
    let data = format!("@{}", file.display());
    let answer = from.change("POST", &format!("files?to={to}&name={name}"), &["-H", "Content-Type: x/y", "--data-binary", &data]);
    let (status, answer) = answer.expect("it answers");
    assert_eq!(status, 202, "{answer}");
    serde_json::from_str(&answer).expect("it is JSON")
}

fn files(node: &Goop) -> Vec<Value> {
    node.api("files").expect("it answers")["files"].as_array().expect("a list").clone()
}

/// The newest transfer of a node, once it is in this state.
fn file_is(node: &Goop, state: &str) -> Value {
    let look = || match files(node).first() {
        Some(file) if file["state"] == state => Ok(file.clone()),
        other => Err(format!("{other:?}")),
    };
    eventually(3 * SOON, &format!("a file that is {state}"), look).0
}

fn decide_file(node: &Goop, number: &Value, what: &str) -> (u16, String) {
    node.change("POST", &format!("files/{number}/{what}"), &[]).expect("it answers")
}

fn downloads(node: &Goop) -> Vec<String> {
    let folder = std::fs::read_dir(node.data().join("downloads")).into_iter().flatten().flatten();
    let mut names: Vec<_> = folder.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn spool_is_empty(node: &Goop) {
    let look = || match std::fs::read_dir(node.data().join("spool")).map_or(0, Iterator::count) {
        0 => Ok(()),
        left => Err(left.to_string()),
    };
    eventually(SOON, "no copy is left of what was to be sent", look);
}

#[test]
fn a_file_arrives_once_it_is_accepted_and_is_no_program_and_replaces_nothing() {
    use std::os::unix::fs::PermissionsExt;
    if !has("curl", "--version") {
        return;
    }
    let (alice, bob) = (plan("alice").start(), plan("bob").start());
    alice.meets(&bob);
    let content = bytes(3_000_001, 1);
    for expected in ["photo.jpg", "photo (2).jpg"] {
        let sent = offer(&alice, &bob.id(), "..%2F..%2Fphoto.jpg", &content);
        assert_eq!((&sent["state"], &sent["direction"], &sent["name"]), (&json!("offered"), &json!("out"), &json!("photo.jpg")));
        let asked = file_is(&bob, "offered");
        assert_eq!((&asked["peer"], &asked["size"], &asked["moved"]), (&json!(alice.id()), &json!(content.len()), &json!(0)));
        assert_eq!(decide_file(&bob, &asked["number"], "accept").0, 200);
        let arrived = file_is(&bob, "done");
        assert_eq!((&arrived["file"], &arrived["moved"]), (&json!(expected), &json!(content.len())));
        let path = bob.data().join("downloads").join(expected);
        assert_eq!(std::fs::read(&path).expect("it is there"), content);
        assert_eq!(std::fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
        let (status, body) = bob.get(&format!("api/v1/files/{}", arrived["number"])).expect("it answers");
        assert_eq!((status, body.len()), (200, content.len()));
        file_is(&alice, "done");
        spool_is_empty(&alice);
    }
    assert_eq!(downloads(&bob), ["photo (2).jpg", "photo.jpg"]);
    let number = files(&bob)[0]["number"].clone();
    assert_eq!(decide_file(&bob, &number, "accept").0, 409);
    assert_eq!(bob.delete(&format!("files/{number}")).expect("it answers").0, 204);
    assert_eq!((files(&bob).len(), downloads(&bob).len()), (1, 2), "what arrived stays");
}

#[test]
fn a_large_file_arrives_whole_through_crashes_of_both_sides() {
    if !has("curl", "--version") {
        return;
    }
    let (mut alice, mut bob) = (plan("alice").start(), plan("bob").start());
    alice.meets(&bob);
    let (a, b) = (alice.id(), bob.id());
    decide(&bob, &a, json!({ "favourite": true }));
    decide(&alice, &b, json!({ "favourite": true }));
    let content = bytes(50_000_000, 2);
    offer(&alice, &b, "large.bin", &content);
    let number = file_is(&bob, "offered")["number"].clone();
    assert_eq!(decide_file(&bob, &number, "accept").0, 200);
    let mut cuts = 0;
    let mut chance = bytes(64, rand_seed()).into_iter();
    while cuts < 4 && files(&bob)[0]["state"] != "done" {
        let before = files(&bob)[0]["moved"].as_u64().unwrap_or(0);
        let moves = || match files(&bob)[0]["moved"].as_u64().unwrap_or(0) {
            now if now > before || now == content.len() as u64 => Ok(()),
            now => Err(now.to_string()),
        };
        eventually(2 * SOON, "bytes move", moves);
        std::thread::sleep(Duration::from_millis(u64::from(chance.next().unwrap_or(0)) / 2));
        if cuts % 2 == 0 {
            bob = bob.kill().start();
        } else {
            alice = alice.kill().start();
        }
        cuts += 1;
    }
    let arrived = file_is(&bob, "done");
    assert!(std::fs::read(bob.data().join("downloads").join("large.bin")).expect("it is there") == content, "{arrived}");
    assert_eq!(downloads(&bob), ["large.bin"]);
    file_is(&alice, "done");
    assert!(cuts > 0, "it was cut at least once");
    spool_is_empty(&alice);
}

/// Another number at each run; a failure shows where the cuts were by what had moved.
fn rand_seed() -> u64 {
    u64::from(std::process::id())
}

#[test]
fn a_changed_byte_is_refused_and_nothing_gets_the_name() {
    if !has("curl", "--version") {
        return;
    }
    let (alice, bob) = (plan("alice").start(), plan("bob").start());
    alice.meets(&bob);
    let content = bytes(2_000_000, 3);
    offer(&alice, &bob.id(), "honest.bin", &content);
    let spool = std::fs::read_dir(alice.data().join("spool")).expect("there is a spool").flatten().next().expect("a copy");
    let mut forged = content;
    forged[1_234_567] ^= 1;
    std::fs::write(spool.path(), forged).expect("change it");
    let asked = file_is(&bob, "offered");
    decide_file(&bob, &asked["number"], "accept");
    let failed = file_is(&bob, "failed");
    assert_eq!(failed["why"], "what came is not what was offered");
    assert!(downloads(&bob).is_empty(), "{:?}", downloads(&bob));
    assert_eq!(file_is(&alice, "failed")["why"], "what arrived there is not what was sent");
}

#[test]
fn a_file_can_be_declined_paused_resumed_and_cancelled() {
    if !has("curl", "--version") {
        return;
    }
    let (alice, bob) = (plan("alice").start(), plan("bob").start());
    alice.meets(&bob);
    let content = bytes(20_000_000, 4);
    offer(&alice, &bob.id(), "no.bin", &content);
    decide_file(&bob, &file_is(&bob, "offered")["number"], "decline");
    file_is(&alice, "declined");
    spool_is_empty(&alice);
    assert_eq!(files(&bob)[0]["state"], "declined");

    let sent = offer(&alice, &bob.id(), "maybe.bin", &content);
    let number = file_is(&bob, "offered")["number"].clone();
    decide_file(&bob, &number, "accept");
    let paused = decide_file(&bob, &number, "pause");
    if paused.0 == 200 {
        never(Duration::from_secs(2), "a paused file stays where it is", || match &files(&bob)[0]["state"] {
            state if state == "paused" => Ok(()),
            state => Err(state.to_string()),
        });
        assert_eq!(decide_file(&bob, &number, "resume").0, 200);
    }
    file_is(&bob, "done");
    assert_eq!(decide_file(&alice, &sent["number"], "accept").0, 409, "one does not accept one's own");

    let sent = offer(&alice, &bob.id(), "back.bin", &content);
    file_is(&bob, "offered");
    assert_eq!(decide_file(&alice, &sent["number"], "cancel").0, 200);
    file_is(&bob, "cancelled");
    spool_is_empty(&alice);
}

#[test]
fn attack_a_flood_of_offers_is_bounded_and_a_block_ends_it() {
    if !has("curl", "--version") {
        return;
    }
    let (alice, eve) = (plan("alice").start(), plan("eve").start());
    alice.meets(&eve);
    let (mut taken, mut refused) = (0, 0);
    std::fs::write(eve.data().join("spam"), b"spam").expect("write a file");
    let data = format!("@{}", eve.data().join("spam").display());
    for n in 0..40 {
        let path = format!("files?to={}&name=spam{n}", alice.id());
        match eve.change("POST", &path, &["--data-binary", &data]).expect("it answers").0 {
            202 => taken += 1,
            502 => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((taken, refused), (3, 37), "a stranger has three offers waiting");
    assert_eq!(files(&alice).len(), 3);
    decide(&alice, &eve.id(), json!({ "blocked": true }));
    assert!(files(&alice).iter().all(|file| file["state"] == "cancelled"));
    let (status, _) = eve.change("POST", &format!("files?to={}&name=x", alice.id()), &["--data-binary", &data]).expect("it answers");
    assert_eq!(status, 502);
}

#[test]
fn a_disk_without_room_is_told_on_both_sides_and_the_file_comes_later() {
    if !has("curl", "--version") || !need(rustix::process::geteuid().is_root(), "root, to mount a small disk") {
        return;
    }
    let disk = harness::disk::SmallDisk::new("80m");
    let elsewhere = tempfile::TempDir::new().expect("make a folder");
    let small = format!("paths.downloads=\"{}\"", disk.path().join("in").display());
    let (alice, bob) = (plan("alice").start(), plan("bob").data(elsewhere.path()).arg("--set").arg(&small).start());
    alice.meets(&bob);
    let content = bytes(30_000_000, 5);
    offer(&alice, &bob.id(), "big.bin", &content);
    let number = file_is(&bob, "offered")["number"].clone();
    decide_file(&bob, &number, "accept");
    assert_eq!(file_is(&bob, "paused")["why"], "the disk has no room for it");
    let (status, answer) = bob.post("chat", &json!({ "to": alice.id(), "content": "no room yet" })).expect("it answers");
    assert_eq!(status, 202, "the node lives on: {answer}");
    disk.grow("200m");
    assert_eq!(decide_file(&bob, &number, "resume").0, 200);
    file_is(&bob, "done");
    assert!(std::fs::read(disk.path().join("in/big.bin")).expect("it is there") == content);
}

#[test]
fn files_are_sent_listed_accepted_and_declined_by_typing() {
    if !has("curl", "--version") {
        return;
    }
    let (alice, bob) = (plan("Alice").start(), plan("Bob").start());
    alice.meets(&bob);
    let file = alice.data().join("cat.jpg");
    std::fs::write(&file, b"a cat").expect("the file is written");
    for _ in 0..2 {
        assert!(alice.cli(&["send", "Bob", &file.to_string_lossy()]).status.success());
    }
    let offered = || if files(&bob).len() == 2 { Ok(()) } else { Err(format!("{:?}", files(&bob))) };
    eventually(SOON, "both are offered", offered);
    let numbers: Vec<String> = files(&bob).iter().map(|file| file["number"].to_string()).collect();
    let listed = String::from_utf8(bob.cli(&["files"]).stdout).expect("it is text");
    assert!(listed.contains("cat.jpg: offered") && listed.contains("from Alice") && listed.contains(&numbers[0]), "{listed}");
    let declined = bob.cli(&["files", "decline", &numbers[0]]);
    assert!(declined.status.success() && String::from_utf8_lossy(&declined.stdout).contains("declined"), "{declined:?}");
    assert!(bob.cli(&["files", "accept", &numbers[1]]).status.success());
    let arrived = || if downloads(&bob) == ["cat.jpg"] { Ok(()) } else { Err(format!("{:?}", files(&bob))) };
    eventually(SOON, "it is in the downloads", arrived);
    assert_eq!(bob.cli(&["files", "accept", &numbers[0]]).status.code(), Some(1), "what was declined is over");
    let nothing = bob.cli(&["files", "accept", "4711"]);
    let why = String::from_utf8(nothing.stderr).expect("it is text");
    assert!(nothing.status.code() == Some(1) && why.contains("no file has the number 4711; `goop files`"), "{why}");
    alice.stop();
    bob.stop();
}
