//! The figures of peers on a LAN, measured with the real binary in network namespaces; as root:
//!
//! ```text
//! cargo bench --bench lan                  all of them, about a quarter of an hour
//! cargo bench --bench lan -- ready pair    only these
//! ```
//!
//! Prints rows for the table in docs/PERFORMANCE.md. A condition is looked at every 50 ms, so that is how exact times are.
#![allow(missing_docs, reason = "a program, not a library")]

#[path = "../tests/harness/mod.rs"]
mod harness;

use std::time::Duration;

use goop::clock::Moment;
use harness::goop_node::Plan;
use harness::{Family, Goop, Host, Lab, Lan, Place, eventually, lab_is_possible, never};

const LONG: Duration = Duration::from_secs(60);

type Figure = (&'static str, fn());

const FIGURES: [Figure; 7] =
    [("ready", ready), ("pair", pair), ("stop", clean_stop), ("kill", killed), ("cable", cable), ("idle", idle), ("fifty", fifty)];

fn main() {
    let (flags, wanted): (Vec<String>, Vec<String>) = std::env::args().skip(1).partition(|arg| arg.starts_with('-'));
    let asked = flags.iter().any(|flag| flag == "--bench");
    if !asked || !lab_is_possible() {
        return;
    }
    println!("| figure | median | worst | of |\n|---|---|---|---|");
    for (name, measure) in FIGURES {
        if wanted.is_empty() || wanted.iter().any(|one| one == name) {
            measure();
        }
    }
}

fn row(figure: &str, mut times: Vec<Duration>) {
    times.sort();
    let (median, worst) = (times[times.len() / 2], times[times.len() - 1]);
    println!("| {figure} | {} ms | {} ms | {} |", median.as_millis(), worst.as_millis(), times.len());
}

fn ready() {
    let times = (0..20).map(|_| Plan::new(&Place::Here).start().start_time).collect();
    row("`goop run` to ready, a new identity each", times);
}

/// A network with a first peer and a place for a second.
fn street() -> (Lab, Lan, Goop, Host) {
    let (mut lab, lan) = Lab::with_lan();
    let (left, right) = (lab.host(lan, Family::V4), lab.host(lan, Family::V4));
    let first = Goop::named(&left.place, "first");
    (lab, lan, first, right)
}

fn see_each_other(one: &Goop, other: &Goop) -> Duration {
    let start = Moment::now();
    one.sees(&other.id(), LONG);
    other.sees(&one.id(), LONG);
    Moment::now().since(start)
}

fn pair() {
    let (_lab, _lan, first, right) = street();
    let times = (0..50).map(|n| see_each_other(&first, &Goop::named(&right.place, &format!("second {n}")))).collect();
    row("second peer ready → both see each other", times);
}

fn clean_stop() {
    let (_lab, _lan, first, right) = street();
    let measure = |n| {
        let second = Goop::named(&right.place, &format!("second {n}"));
        see_each_other(&first, &second);
        let (id, start) = (second.id(), Moment::now());
        second.signal(rustix::process::Signal::TERM);
        first.misses(&id, LONG);
        Moment::now().since(start)
    };
    row("SIGTERM → seen", (0..10).map(measure).collect());
}

fn killed() {
    let (_lab, _lan, first, right) = street();
    let measure = |n| {
        let second = Goop::named(&right.place, &format!("second {n}"));
        see_each_other(&first, &second);
        let id = second.id();
        second.kill();
        first.misses(&id, LONG)
    };
    row("`kill -9` → seen (TTL 20 s)", (0..3).map(measure).collect());
}

fn cable() {
    let (lab, lan, first, right) = street();
    let second = Goop::named(&right.place, "second");
    see_each_other(&first, &second);
    let (mut seen, mut healed) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        lab.cut(&right, lan);
        let both = [first.misses(&second.id(), LONG), second.misses(&first.id(), LONG)];
        seen.push(both[0] + both[1]);
        lab.mend(&right, lan);
        healed.push(see_each_other(&first, &second));
    }
    row("pulled cable → seen by both (TTL 20 s)", seen);
    row("cable back → both see each other", healed);
}

fn crowd(count: usize) -> (Lab, Lan, Vec<Goop>) {
    let (mut lab, lan) = Lab::with_lan();
    let peers = (0..count).map(|n| Goop::named(&lab.host(lan, Family::V4).place, &format!("peer {n}"))).collect();
    (lab, lan, peers)
}

/// Until everyone shows everyone else as online.
fn everyone_knows_everyone(peers: &[Goop]) -> Duration {
    let start = Moment::now();
    for peer in peers {
        eventually(LONG, "everyone knows everyone", || knows(peer, peers));
    }
    Moment::now().since(start)
}

fn knows(peer: &Goop, all: &[Goop]) -> Result<(), String> {
    let rows = peer.peers()?;
    let missing = |there: &&Goop| there.id() != peer.id() && !rows.iter().any(|row| row["peer_id"] == there.id() && row["online"] == true);
    match all.iter().filter(missing).count() {
        0 => Ok(()),
        count => Err(format!("{count} of {} are missing", all.len() - 1)),
    }
}

fn fifty() {
    let (mut lab, lan, mut peers) = crowd(50);
    row("50 peers: last one ready → everyone knows everyone", vec![everyone_knows_everyone(&peers)]);
    let times = (0..5).map(|n| {
        peers.remove(0).stop();
        peers.push(Goop::named(&lab.host(lan, Family::V4).place, &format!("newcomer {n}")));
        everyone_knows_everyone(&peers)
    });
    row("50 peers, one leaves and one joins → everyone knows everyone", times.collect());
}

fn idle() {
    let (_lab, _lan, peers) = crowd(21);
    everyone_knows_everyone(&peers);
    for when in ["the first minute", "the second minute"] {
        let minute = Duration::from_secs(60);
        let before: u64 = peers.iter().map(Goop::cpu_ticks).sum();
        never(minute, "a peer ends", || if peers.iter().all(|peer| peer.resident_kib() > 0) { Ok(()) } else { Err("gone".into()) });
        let after: u64 = peers.iter().map(Goop::cpu_ticks).sum();
        let percent = (after - before) as f64 / minute.as_secs_f64() / peers.len() as f64;
        let resident = peers.iter().map(Goop::resident_kib).max().unwrap_or_default();
        println!("| idle with 20 peers, {when} | {percent:.2} % of a core | {} MiB resident | {} |", resident / 1024, peers.len());
    }
}
