//! How fast a super hub's directory is with a million listings, beside a plain FTS5 table of the same listings in the same run:
//!
//! ```text
//! cargo bench --bench directory                          everything, with a million listings: about ten minutes
//! cargo bench --bench directory -- search                only this; fill, one, search, plain, start, kill
//! GOOP_BENCH_LISTINGS=100000 GOOP_BENCH_DIR=/tmp/d cargo bench --bench directory
//! ```
//!
//! The folder of `GOOP_BENCH_DIR` is kept and used again. The hub is the real binary and is asked over HTTP on loopback, so each figure
//! holds the parser, the JSON and the kernel too. Prints rows for docs/PERFORMANCE.md.
#![allow(missing_docs, clippy::unwrap_used, reason = "a program that measures; a failed step ends it")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use goop::clock::Moment;
use rusqlite::Connection;

#[path = "directory/hub.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod hub;
#[path = "directory/listings.rs"]
mod listings;

use hub::Hub;
use listings::Random;

/// Clients that type at the same time.
const CLIENTS: u64 = 8;
/// Between two keys of one client, where it is a person.
const KEY: Duration = Duration::from_millis(100);

/// Gets the folder, and how many listings there are to be.
type Scenario = fn(&Path, u64);

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (flags, wanted): (Vec<_>, Vec<_>) = args.iter().partition(|arg| arg.starts_with('-'));
    if !flags.iter().any(|flag| *flag == "--bench") {
        return;
    }
    let temporary = tempfile::tempdir().unwrap();
    let folder = std::env::var_os("GOOP_BENCH_DIR").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    std::fs::create_dir_all(&folder).unwrap();
    let count: u64 = std::env::var("GOOP_BENCH_LISTINGS").map_or(1_000_000, |count| count.parse().unwrap());
    println!("| figure | seen |\n|---|---|");
    let scenarios: [(&str, Scenario); 6] =
        [("fill", fill), ("one", one), ("search", search), ("plain", plain), ("start", start), ("kill", kill)];
    for (_, run) in scenarios.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|one| one == name)) {
        run(&folder, count);
    }
}

fn row(figure: &str, seen: impl std::fmt::Display) {
    println!("| {figure} | {seen} |");
}

fn seconds(since: Moment) -> f64 {
    Moment::now().since(since).as_secs_f64()
}

/// Bulk import, as one client does it.
fn fill(folder: &Path, count: u64) {
    let hub = Hub::start(folder);
    let there = hub.count();
    let began = Moment::now();
    let mut client = hub.client();
    for first in (there..count).step_by(1000) {
        let lines: String = (first..count.min(first + 1000)).map(|number| listings::json(number).to_string() + "\n").collect();
        client.import(&lines);
    }
    let imported = count.saturating_sub(there);
    if imported > 0 {
        row("bulk import, acknowledged listings a second", format!("{:.0}", imported as f64 / seconds(began)));
    }
    row("listings", hub.count());
    row("resident after that", format!("{} MiB", hub.resident_kib() / 1024));
    drop(hub);
    let size = std::fs::metadata(folder.join("directory.db")).unwrap().len();
    row("on disk a listing, store and index", format!("{:.2} KB", size as f64 / count as f64 / 1000.0));
}

/// One listing after the other: each waits for its own answer.
fn one(folder: &Path, count: u64) {
    let hub = Hub::start(folder);
    let mut client = hub.client();
    let (began, mut made) = (Moment::now(), 0);
    while seconds(began) < 5.0 {
        client.create(&listings::json(count + made));
        made += 1;
    }
    row("one by one, acknowledged listings a second", format!("{:.0}", made as f64 / seconds(began)));
}

/// Eight clients type names of listings, with a typing error in each tenth.
fn search(folder: &Path, count: u64) {
    let hub = Hub::start(folder);
    std::thread::sleep(Duration::from_secs(8));
    row("the index was tidied by itself, after the start, in seconds", format!("{:.0}", hub.until_idle()));
    // What was never looked at is on the disk; a hub that people type at has been typed at before.
    all_type(&hub, count, 100, Duration::ZERO);
    for (how, pause) in [("a key every 100 ms", KEY), ("as fast as they can", Duration::ZERO)] {
        let mut waits = all_type(&hub, count, 1, pause);
        waits.sort_unstable();
        let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        let (p50, p99, worst) = (at(0.5), at(0.99), at(1.0));
        row(
            &format!("search, {CLIENTS} clients, {how}: p50 / p99 / worst of {}", waits.len()),
            format!("{p50:.2} / {p99:.2} / {worst:.2} ms"),
        );
    }
    for query in ["c", "ch", "che", "ches", "chess", "chess cl", "chwss", "photografy", "community berlin"] {
        row(&format!("`{query}`, best of 20"), format!("{:.2} ms", best(&hub, query)));
    }
    row("resident while searched", format!("{} MiB", hub.resident_kib() / 1024));
}

fn best(hub: &Hub, query: &str) -> f64 {
    let mut client = hub.client();
    (0..20).map(|_| client.search(query).as_secs_f64() * 1e3).fold(f64::MAX, f64::min)
}

/// What each search of all clients took, as one who asks sees it.
fn all_type(hub: &Hub, count: u64, seed: u64, pause: Duration) -> Vec<Duration> {
    std::thread::scope(|scope| {
        let typing: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(move || type_names(hub, seed + client, count, pause))).collect();
        typing.into_iter().flat_map(|client| client.join().unwrap()).collect()
    })
}

fn type_names(hub: &Hub, seed: u64, count: u64, pause: Duration) -> Vec<Duration> {
    let (mut connection, mut random, mut waits) = (hub.client(), Random::new(seed), Vec::new());
    let began = Moment::now();
    while seconds(began) < 15.0 {
        let name = listings::typed(&mut random, count);
        for end in (1..=name.len()).filter(|end| name.is_char_boundary(*end)) {
            waits.push(connection.search(&name[..end]));
            std::thread::sleep(pause);
        }
    }
    waits
}

/// The same listings in a table as one would make it first, and the same beginning of a word looked for in both.
fn plain(folder: &Path, count: u64) {
    let path = folder.join("plain.db");
    let there = path.exists();
    let plain = Connection::open(&path).unwrap();
    if !there {
        plain
            .execute_batch("PRAGMA journal_mode = OFF; CREATE VIRTUAL TABLE plain USING fts5 (name, tags, text, prefix = '2 3'); BEGIN")
            .unwrap();
        let mut insert = plain.prepare("INSERT INTO plain VALUES (?1, ?2, ?3)").unwrap();
        for number in 0..count {
            let (name, tags, text) = listings::columns(number);
            insert.execute((name, tags, text)).unwrap();
        }
        plain.execute_batch("COMMIT").unwrap();
    }
    let hub = Hub::start(folder);
    for start in ["ch", "che", "ches"] {
        let mut query = plain.prepare("SELECT rowid FROM plain WHERE plain MATCH ?1 ORDER BY rank LIMIT 20").unwrap();
        let mut time = || {
            let began = Moment::now();
            query.query_map([format!("{start}*")], |row| row.get::<_, i64>(0)).unwrap().count();
            seconds(began) * 1e3
        };
        let theirs = (0..5).map(|_| time()).fold(f64::MAX, f64::min);
        let ours = best(&hub, start);
        row(
            &format!("`{start}`: plain FTS5 in its process, goop over HTTP, ratio"),
            format!("{theirs:.1} ms, {ours:.2} ms, {:.0} times", theirs / ours),
        );
    }
}

/// From the start of the process to its first search.
fn start(folder: &Path, _count: u64) {
    let mut took: Vec<f64> = (0..5)
        .map(|_| {
            let began = Moment::now();
            let hub = Hub::start(folder);
            hub.client().search("chess");
            seconds(began) * 1e3
        })
        .collect();
    took.sort_by(f64::total_cmp);
    row("start to the first search answered, median / worst of 5", format!("{:.0} / {:.0} ms", took[2], took[4]));
}

/// Killed 200 times while it writes: what was acknowledged is there, and the database is whole.
fn kill(_folder: &Path, _count: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for round in 0..200 {
        let hub = Hub::start(folder.path());
        assert_eq!(hub.missing(acknowledged), 0, "round {round}: an acknowledged listing is gone");
        acknowledged += hub.write_until_killed(acknowledged, Duration::from_millis(40 + round % 7 * 10));
    }
    let whole: String =
        Connection::open(folder.path().join("directory.db")).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    row("killed 200 times while writing: acknowledged, missing, integrity_check", format!("{acknowledged}, 0, {whole}"));
}
