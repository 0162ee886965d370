//! Peers behind routers that let nobody in: they meet through a relay, directly where the routers allow it.
#![allow(missing_docs, reason = "the names of the tests say it")]

mod harness;

#[path = "nat/board.rs"]
mod board;

use std::time::Duration;

use harness::foreign::Kind;
use harness::goop_node::Plan;
use harness::natlab::{NatLab, PUBLIC, Router, natlab_is_possible};
use harness::{Foreign, Goop, Place, SOON, eventually, file_bytes, has, write_files};
use tempfile::TempDir;

/// AutoNAT first asks after three seconds, and the router swallows each of two dials for ten.
const ASKED_BACK: Duration = Duration::from_secs(60);

fn relay(lab: &NatLab) -> Goop {
    relay_plan(lab).start()
}

fn relay_plan(lab: &NatLab) -> Plan {
    Plan::new(&lab.public).label("relay").set("p2p.relay_server=true").set("discovery.mdns=false")
}

fn relay_address(relay: &Goop) -> String {
    relay.tcp_address(PUBLIC)
}

fn peer(place: &Place, label: &str, relay: &Goop) -> Plan {
    let relays = format!("p2p.relays=[\"{}\"]", relay_address(relay));
    Plan::new(place).label(label).file("index.html", format!("<p>site of {label}")).set(&relays)
}

/// The one counter of the peer of this name.
fn count(goop: &Goop, name: &str) -> Result<u64, String> {
    let (_, text) = goop.get("metrics")?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("goop_peer_{name}"))?.split_whitespace().last()?.parse().ok());
    value.ok_or(text)
}

fn holds_a_place(goop: &Goop) {
    eventually(SOON, "it has a place on the relay", || match count(goop, "relays_held ")? {
        0 => Err("none".into()),
        places => Ok(places),
    });
}

/// One relayed connection became direct.
fn becomes_direct(goop: &Goop) {
    assert_eq!(count(goop, "relayed_opened_total"), Ok(1));
    eventually(SOON, "both routers are punched", || match count(goop, "punched_total")? {
        0 => Err("not yet".into()),
        punched => Ok(punched),
    });
}

/// The way to `there` through the relay, as a person is told it.
fn through(relay: &Goop, there: &Goop) -> String {
    format!("{}/p2p-circuit/p2p/{}", relay_address(relay), there.id())
}

fn nat(goop: &Goop, wanted: &str) {
    let look = || match goop.api("self")? {
        me if me["nat"] == wanted => Ok(()),
        me => Err(me.to_string()),
    };
    eventually(ASKED_BACK, &format!("it knows that it is {wanted}"), look);
}

#[test]
fn private_and_public_peers_are_told_apart() {
    if !natlab_is_possible() {
        return;
    }
    let lab = NatLab::new(Router::Cone);
    let relay = relay(&lab);
    let private = peer(&lab.left.host, "private", &relay).start();
    let public = peer(&lab.other, "public", &relay).set("discovery.mdns=false").start();
    nat(&private, "private");
    nat(&public, "public");
    let external = public.api("self").expect("it answers")["external"].to_string();
    assert!(external.contains("/ip4/45.45.45.11/"), "{external}");
    eventually(SOON, "who is public leaves its place on the relay to others", || match count(&public, "relays_held ")? {
        0 => Ok(()),
        places => Err(places.to_string()),
    });
    assert_eq!(count(&private, "relays_held "), Ok(1));
}

#[test]
fn behind_home_routers_peers_meet_through_the_relay_and_become_direct() {
    if !natlab_is_possible() {
        return;
    }
    let lab = NatLab::new(Router::Cone);
    let relay = relay(&lab);
    let (left, right) = (peer(&lab.left.host, "left", &relay).start(), peer(&lab.right.host, "right", &relay).start());
    holds_a_place(&right);
    let got = left.cli(&["get", &through(&relay, &right), "/"]);
    assert_eq!(String::from_utf8_lossy(&got.stdout), "<p>site of right", "{}", String::from_utf8_lossy(&got.stderr));
    becomes_direct(&left);
}

#[test]
fn who_has_no_place_on_the_relay_still_punches_through_it() {
    if !natlab_is_possible() {
        return;
    }
    let lab = NatLab::new(Router::Cone);
    let relay = relay(&lab);
    let left = Plan::new(&lab.left.host).label("left").start();
    let right = peer(&lab.right.host, "right", &relay).set("p2p.relay_data=false").start();
    holds_a_place(&right);
    let got = left.cli(&["get", &through(&relay, &right), "/"]);
    assert_eq!(String::from_utf8_lossy(&got.stdout), "<p>site of right", "{}", String::from_utf8_lossy(&got.stderr));
}

#[test]
fn where_punching_fails_a_site_is_fetched_through_the_relay() {
    if !natlab_is_possible() {
        return;
    }
    let lab = NatLab::new(Router::Symmetric);
    let relay = relay(&lab);
    let big: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let left = peer(&lab.left.host, "left", &relay).start();
    let right = peer(&lab.right.host, "right", &relay).file("big.bin", &big).start();
    holds_a_place(&right);
    let got = left.cli(&["get", &through(&relay, &right), "big.bin"]);
    assert!(got.stdout == big, "{} bytes; {}", got.stdout.len(), String::from_utf8_lossy(&got.stderr));
    assert_eq!((count(&left, "relayed_opened_total"), count(&left, "punched_total")), (Ok(1), Ok(0)));
}

#[test]
fn a_slow_line_is_not_taken_for_a_dead_one_while_bytes_move_through_the_relay() {
    if !natlab_is_possible() || !has("tc", "-V") {
        return;
    }
    let lab = NatLab::new(Router::Symmetric);
    let relay = relay(&lab);
    let big: Vec<u8> = (0..1_500_000_u32).map(|n| (n % 251) as u8).collect();
    let left = peer(&lab.left.host, "left", &relay).start();
    let right = peer(&lab.right.host, "right", &relay).file("big.bin", &big).start();
    holds_a_place(&right);
    lab.right.slow_down();
    let got = left.cli(&["get", &through(&relay, &right), "big.bin"]);
    assert!(got.stdout == big, "{} bytes; {}", got.stdout.len(), String::from_utf8_lossy(&got.stderr));
}

#[test]
fn where_punching_fails_and_no_relay_may_carry_data_the_peer_is_unreachable_and_says_why() {
    if !natlab_is_possible() {
        return;
    }
    let lab = NatLab::new(Router::Symmetric);
    let relay = relay(&lab);
    let allows = |plan: Plan, yes: bool| plan.set(&format!("p2p.relay_data={yes}")).start();
    for (ours, theirs, reason) in
        [(false, true, "no relay may carry the data"), (true, false, "takes nothing of this kind through a relay")]
    {
        let left = allows(peer(&lab.left.host, "left", &relay), ours);
        let right = allows(peer(&lab.right.host, "right", &relay), theirs);
        holds_a_place(&right);
        let got = left.cli(&["get", &through(&relay, &right), "/"]);
        let said = String::from_utf8_lossy(&got.stderr).into_owned();
        assert!(!got.status.success() && said.contains(reason), "{said}");
    }
}

#[test]
fn a_relay_that_was_gone_is_used_again() {
    if !natlab_is_possible() {
        return;
    }
    let lab = NatLab::new(Router::Cone);
    let plan = relay_plan(&lab).set("p2p.listen_port=4001");
    let relay = plan.start();
    let right = peer(&lab.right.host, "right", &relay).start();
    holds_a_place(&right);
    let plan = relay.kill();
    eventually(SOON, "it knows that the relay is gone", || match count(&right, "relays_held ")? {
        0 => Ok(()),
        places => Err(places.to_string()),
    });
    let _relay = plan.start();
    holds_a_place(&right);
}

#[test]
fn a_router_that_speaks_upnp_lets_others_in() {
    if !natlab_is_possible() || !has("miniupnpd", "--version") {
        return;
    }
    let lab = NatLab::new(Router::Cone);
    let _upnp = lab.left.allow_upnp();
    let relay = relay(&lab);
    let left = peer(&lab.left.host, "left", &relay).start();
    let outside = format!("/ip4/{}/tcp/", lab.left.wan);
    let (addr, _) = eventually(SOON, "the router opened a port", || {
        let me = left.api("self")?;
        let mut external = me["external"].as_array().into_iter().flatten().filter_map(|addr| addr.as_str());
        external.find(|addr| addr.starts_with(&outside)).map(str::to_owned).ok_or(me.to_string())
    });
    nat(&left, "public");
    let stranger = Plan::new(&lab.right.host).label("stranger").start();
    let got = stranger.cli(&["get", &addr, "/"]);
    assert_eq!(String::from_utf8_lossy(&got.stdout), "<p>site of left", "{}", String::from_utf8_lossy(&got.stderr));
    assert_eq!(count(&stranger, "relayed_opened_total"), Ok(0));
}

/// goop2's newest uses a relay so: a place on it, punching, and streams over limited connections.
fn goop2(place: &Place, relay: &Goop, site: &TempDir) -> Foreign {
    write_files(site.path(), 2, 0);
    let site = site.path().to_string_lossy().into_owned();
    Foreign::start_at(Kind::Go, place, &["--relay", &relay_address(relay), "--mdns", "", "--site", &site])
}

fn meets_goop2(kind: Router) {
    if !natlab_is_possible() || !Kind::Go.is_there() {
        return;
    }
    let (lab, site) = (NatLab::new(kind), TempDir::new().expect("make a folder"));
    let relay = relay(&lab);
    let goop = peer(&lab.right.host, "goop", &relay).start();
    holds_a_place(&goop);
    let mut goop2 = goop2(&lab.left.host, &relay, &site);
    goop2.event("it has a place on our relay too, and punches", |event| event["event"] == "punching");
    let got = goop.cli(&["get", &format!("{}/p2p-circuit/p2p/{}", relay_address(&relay), goop2.id), "f1.bin"]);
    assert!(got.stdout == file_bytes(1, 0), "{}", String::from_utf8_lossy(&got.stderr));
    match kind {
        Router::Cone => becomes_direct(&goop),
        Router::Symmetric => assert_eq!(count(&goop, "punched_total"), Ok(0)),
    }
    let page = goop2.fetch(&goop.id(), &["index.html".to_owned()]);
    assert_eq!(page[0]["size"], "<p>site of goop".len(), "{page:?}");
}

#[test]
fn goop2s_newest_has_a_place_on_our_relay_and_becomes_direct() {
    meets_goop2(Router::Cone);
}

#[test]
fn goop2s_newest_is_reached_through_our_relay_where_punching_fails() {
    meets_goop2(Router::Symmetric);
}
