//! Holds the floors of the house (the head of `src/lib.rs`): a room uses rooms on its own floor or below, roles never use each other,
//! nobody uses the roof, and the rules stay pure. rustc checks none of this.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

use std::fs;
use std::path::Path;

#[path = "floors/source.rs"]
mod source;

use source::{Source, sources};

/// Every room and its floor. A new top-level module must be put on one.
const FLOORS: &[(&str, u8)] = &[
    ("clock", 0),
    ("identity", 0),
    ("config", 0),
    ("proto", 1),
    ("http", 2),
    ("db", 2),
    ("p2p", 2),
    ("clients", 2),
    ("doctor", 2),
    ("shutdown", 2),
    ("systemd", 2),
    ("telemetry", 2),
    ("peer", ROLES),
    ("rendezvous", ROLES),
    ("superhub", ROLES),
    ("viewer", 4),
    ("cli", ROOF),
    ("node", ROOF),
    ("main", ROOF),
    ("lib", ROOF),
];
const RULES: &str = "proto";
const ROLES: u8 = 3;
const ROOF: u8 = 5;

/// What the rules may not touch, as words in their code.
const IMPURE: &[&str] = &[
    "tokio",
    "rand",
    "async",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::fs",
    "std::env",
    "std::io",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "SystemTime",
    "Instant",
    "now()",
    "random()",
];

/// File names that say nothing about what is inside.
const NAMELESS: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc", "mod"];

fn floor(room: &str) -> Option<u8> {
    FLOORS.iter().find(|(name, _)| *name == room).map(|(_, floor)| *floor)
}

/// Why `from` may not use `to`.
fn objection(from: &str, to: &str) -> Option<String> {
    if from == to {
        return None;
    }
    let (Some(own), Some(other)) = (floor(from), floor(to)) else {
        return Some(format!("`{from}` or `{to}` stands on no floor: put it into FLOORS in tests/floors.rs"));
    };
    match () {
        () if other > own => Some(format!("`{from}` (floor {own}) may not use `{to}` (floor {other}): only its own floor and those below")),
        () if own == ROLES && other == ROLES => Some(format!("roles never use each other: node.rs hands `{to}` to `{from}`")),
        () => None,
    }
}

fn broken_floors(source: &Source) -> Vec<String> {
    let rooms = source.rooms_used(|name| floor(name).is_some());
    let objections = rooms.into_iter().filter_map(|(line, to)| Some((line, objection(&source.room, &to)?)));
    objections.map(|(line, why)| format!("{}:{line}: {why}", source.path)).collect()
}

fn impurities(source: &Source) -> Vec<String> {
    if source.room != RULES {
        return Vec::new();
    }
    let found = source.words(IMPURE);
    found.into_iter().map(|(line, word)| format!("{}:{line}: the rules are pure, `{word}` is not", source.path)).collect()
}

fn nameless(source: &Source) -> Option<String> {
    let name = Path::new(&source.path).file_stem()?.to_str()?;
    NAMELESS.contains(&name).then(|| format!("{}: a file is named after what is in it, `{name}` says nothing", source.path))
}

fn read_all() -> Vec<Source> {
    let all = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(all.iter().any(|source| source.room == "lib"), "the sources were not found");
    all
}

fn none(complaints: Vec<String>) {
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

#[test]
fn every_room_uses_only_its_own_floor_and_those_below() {
    none(read_all().iter().flat_map(broken_floors).collect());
}

#[test]
fn the_rules_are_pure() {
    none(read_all().iter().flat_map(impurities).collect());
}

#[test]
fn every_file_is_named_after_what_is_in_it() {
    none(read_all().iter().filter_map(nameless).collect());
}

#[test]
fn every_top_level_module_stands_on_a_floor() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let modules = lib.lines().filter_map(|line| line.trim().trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'));
    none(modules.filter(|room| floor(room).is_none()).map(|room| format!("src/lib.rs: `{room}` is not in FLOORS")).collect());
}

fn complaints(path: &str, text: &str) -> Vec<String> {
    let source = Source::new(path, text);
    broken_floors(&source).into_iter().chain(impurities(&source)).chain(nameless(&source)).collect()
}

#[test]
fn a_stair_taken_upwards_is_seen_however_it_is_written() {
    let upwards = [
        ("src/proto/x.rs", "use crate::http::Listener;"),
        ("src/clock.rs", "fn f() { crate::proto::chat::f() }"),
        ("src/p2p.rs", "use crate::{\n  clock::Moment,\n  peer::{self, Path},\n};"),
        ("src/peer/actor.rs", "use crate::viewer;"),
        ("src/peer/actor.rs", "use super::super::rendezvous::Board;"),
        ("src/http.rs", "use super::viewer::Page;"),
        ("src/viewer.rs", "use crate::cli::Args;"),
        ("src/http.rs", "#[cfg(test)] mod tests { use crate::peer::Path; }"),
        ("src/peer.rs", "use crate::{clock, superhub};"),
        ("src/peer.rs", "use crate::cellar::Wine;"),
    ];
    for (path, text) in upwards {
        let complaints = complaints(path, text);
        assert_eq!(complaints.len(), 1, "{path}: {text}: {complaints:?}");
        assert!(complaints[0].starts_with(path));
    }
    assert!(complaints("src/p2p.rs", "use crate::{\n  clock::Moment,\n  peer::{self, Path},\n};")[0].starts_with("src/p2p.rs:3:"));
}

#[test]
fn what_is_allowed_is_not_complained_about() {
    let fine = [
        ("src/peer/actor.rs", "use crate::{clock::Moment, proto::{chat, presence::table::Change}, p2p};\nuse super::Path;"),
        ("src/main.rs", "use goop::cli; fn main() { crate::node::f() }"),
        ("src/cli.rs", "use crate::node::Node;"),
        ("src/peer.rs", "/// Not [`crate::viewer`].\n// crate::cli\nconst A: &str = \"crate::viewer\"; const C: char = '\"';"),
        ("src/peer/streams/site.rs", "use super::super::Path; use super::StreamError;"),
        ("src/proto/x.rs", "#[cfg(test)]\nmod tests { fn f() { PeerId::random() } }"),
        ("src/proto/x/tests.rs", "fn f() { PeerId::random() }"),
    ];
    for (path, text) in fine {
        assert_eq!(complaints(path, text), [""; 0], "{path}: {text}");
    }
}

#[test]
fn impure_rules_and_nameless_files_are_seen() {
    let impure = [
        "use tokio::sync::mpsc;",
        "let t = Moment::now();",
        "use std::net::{IpAddr, UdpSocket};",
        "use std::fs;",
        "rand::rng()",
        "async fn f() {}",
    ];
    for text in impure {
        assert_eq!(complaints("src/proto/x.rs", text).len(), 1, "{text}");
        assert_eq!(complaints("src/peer/x.rs", text), [""; 0], "{text}");
    }
    assert_eq!(complaints("src/peer/utils.rs", "").len(), 1);
    assert_eq!(complaints("src/peer/mod.rs", "").len(), 1);
}
