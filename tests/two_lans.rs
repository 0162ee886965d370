//! THREATS 70: one connection across a router must not join the presence of two networks.
#![allow(missing_docs, reason = "the names of the tests say it")]

mod harness;

use std::collections::BTreeSet;
use std::time::Duration;

use harness::foreign::Kind;
use harness::goop_node::Plan;
use harness::{Family, Foreign, Goop, Host, Lab, SOON, lab_is_possible, never};
use serde_json::json;

/// Long enough for several heartbeats of two seconds to cross, if they could.
const SEVERAL_HEARTBEATS: Duration = Duration::from_secs(8);

fn peer(host: &Host, label: &str) -> Goop {
    let plan = Plan::new(&host.place).label(label).file("index.html", format!("<p>site of {label}"));
    plan.arg("--set").arg("presence.heartbeat_seconds=2").start()
}

fn known(goop: &Goop) -> Result<BTreeSet<String>, String> {
    Ok(goop.peers()?.iter().filter_map(|row| Some(row["peer_id"].as_str()?.to_owned())).collect())
}

/// `addr` is dialled as a person who was told it would; the answer names the peer.
fn dial(here: &Goop, addr: &str) {
    let (status, answer) = here.post("peers", &json!({ "addr": addr })).expect("the viewer answers");
    assert!((200..300).contains(&status), "{status} {answer}");
}

#[test]
fn one_wan_connection_carries_sites_but_no_gossip_from_lan_to_lan() {
    if !lab_is_possible() {
        return;
    }
    let mut lab = Lab::new();
    let (north, south) = (lab.lan(), lab.lan());
    let (a1, a2) = (lab.host(north, Family::V4), lab.host(north, Family::V4));
    let (b1, b2) = (lab.host(south, Family::V4), lab.host(south, Family::V4));
    lab.router([north, south], &[(&a1, north), (&b1, south)]);
    let (anna, albert) = (peer(&a1, "anna"), peer(&a2, "albert"));
    let (berta, boris) = (peer(&b1, "berta"), peer(&b2, "boris"));
    for (here, there) in [(&anna, &albert), (&berta, &boris)] {
        here.sees(&there.id(), SOON);
        there.sees(&here.id(), SOON);
    }

    dial(&anna, &berta.tcp_address(&b1.address(south, Family::V4)));
    anna.opens_the_page_of(&berta, "berta");
    berta.opens_the_page_of(&anna, "anna");

    never(SEVERAL_HEARTBEATS, "presence crossed the WAN connection", || {
        only(&albert, &[&anna])?;
        only(&boris, &[&berta])?;
        only(&anna, &[&albert, &berta])?;
        only(&berta, &[&boris, &anna])
    });
    assert_ne!(anna.row(&berta.id()).map_or(json!("direct"), |row| row["path"].clone()), "lan");
    anna.opens_the_page_of(&berta, "berta");
}

/// Nobody but these is in the table.
fn only(goop: &Goop, allowed: &[&Goop]) -> Result<(), String> {
    let allowed: BTreeSet<String> = allowed.iter().map(|there| there.id()).collect();
    let known = known(goop)?;
    if known.is_subset(&allowed) { Ok(()) } else { Err(format!("{known:?} is more than {allowed:?}")) }
}

#[test]
fn a_foreign_peer_that_gossips_over_the_wan_is_neither_heard_nor_told() {
    if !lab_is_possible() || !Kind::Go.is_there() {
        return;
    }
    let mut lab = Lab::new();
    let (north, south) = (lab.lan(), lab.lan());
    let (a1, a2, far) = (lab.host(north, Family::V4), lab.host(north, Family::V4), lab.host(south, Family::V4));
    lab.router([north, south], &[(&a1, north), (&far, south)]);
    let (anna, albert) = (peer(&a1, "anna"), peer(&a2, "albert"));
    anna.sees(&albert.id(), SOON);
    let mut stranger = Foreign::start_with(Kind::Go, &far, &["--label", "stranger"]);

    stranger.ask(json!({ "cmd": "dial", "addr": anna.tcp_address(&a1.address(north, Family::V4)) })).expect("anna can be dialled");
    let label = stranger.ask(json!({ "cmd": "content", "peer": anna.id() })).expect("anna tells her name to whoever asks");
    assert_eq!(label["content"], "anna");
    never(SEVERAL_HEARTBEATS, "gossip crossed the WAN connection", || {
        stranger.ask(json!({ "cmd": "publish", "peer": stranger.id.clone(), "content": "online" }))?;
        match stranger.has_seen(|event| event["event"] == "presence") {
            true => Err("the stranger heard presence".into()),
            false => only(&albert, &[&anna]).and_then(|()| match anna.row(&stranger.id) {
                Ok(row) if row["online"] == true => Err(row.to_string()),
                _ => Ok(()),
            }),
        }
    });
}
