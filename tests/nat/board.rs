//! Two peers behind two routers who know nothing but the URL of a public rendezvous server, which is a relay too, or is none.

use serde_json::Value;

use super::harness::goop_node::Plan;
use super::harness::natlab::{NatLab, PUBLIC, Router, natlab_is_possible};
use super::harness::{Goop, SOON, eventually};
use super::{ASKED_BACK, becomes_direct, count, holds_a_place};

fn server(lab: &NatLab) -> Plan {
    Plan::new(&lab.public).label("server").arg("--rendezvous-only").arg("--bind").arg("0.0.0.0").arg("--port").arg("8787")
}

fn url(path: &str) -> String {
    format!("http://{PUBLIC}:8787{path}")
}

/// Both sides, each in the other's list by the server's word alone.
fn met(lab: &NatLab, plan: impl Fn(Plan) -> Plan) -> (Goop, Goop) {
    let side = |place, label: &str| {
        let peer = Plan::new(place).label(label).arg("--rendezvous-wan").arg(&url("")).set("discovery.mdns=false");
        plan(peer.file("index.html", format!("<p>site of {label}"))).start()
    };
    let (left, right) = (side(&lab.left.host, "left"), side(&lab.right.host, "right"));
    let (row, _) = left.sees(&right.id(), SOON);
    right.sees(&left.id(), SOON);
    assert_eq!((&row["sources"], &row["path"]), (&serde_json::json!([format!("{PUBLIC}:8787")]), &Value::from("not-tried")));
    (left, right)
}

/// `left` knows by which relay `right` is found.
fn knows_the_way(left: &Goop, right: &Goop) {
    holds_a_place(right);
    eventually(SOON, "the other's address through the relay", || match left.row(&right.id())? {
        row if row["addrs"].to_string().contains("/p2p-circuit") => Ok(()),
        row => Err(row.to_string()),
    });
}

/// `goop peers --json` says that `right` is unreachable and `why`, after its site was asked for in vain; on a loaded machine not at once.
fn is_unreachable(left: &Goop, right: &Goop, why: &str) {
    eventually(ASKED_BACK, "it is listed as unreachable", || {
        let got = left.cli(&["get", &right.id(), "/"]);
        assert!(!got.status.success(), "{}", String::from_utf8_lossy(&got.stdout));
        let list: Value = serde_json::from_slice(&left.cli(&["peers", "--json"]).stdout).expect("it prints JSON");
        let row = list["peers"].as_array().into_iter().flatten().find(|row| row["peer_id"] == right.id()).expect("it is listed");
        let says_so = row["path"] == "unreachable" && row["online"] == true && row["reason"].to_string().contains(why);
        if says_so { Ok(()) } else { Err(format!("{row}; {}", String::from_utf8_lossy(&got.stderr))) }
    });
}

#[test]
fn peers_behind_two_routers_meet_on_a_board_that_relays_and_become_direct() {
    if !natlab_is_possible() {
        return;
    }
    let lab = NatLab::new(Router::Cone);
    let server = server(&lab).set("p2p.relay_server=true").start();
    assert_eq!(server.ready["roles"], serde_json::json!(["relay", "rendezvous"]));
    let (status, body) = lab.other.http(&url("/relay"), &[]).expect("it answers");
    let said: Value = serde_json::from_slice(&body).expect("it is JSON");
    assert_eq!((status, &said["peer_id"]), (200, &Value::from(server.id())));
    assert!(said["addrs"][0].as_str().is_some_and(|addr| addr.starts_with(&format!("/ip4/{PUBLIC}/tcp/"))), "{said}");
    let (left, right) = met(&lab, |plan| plan);
    knows_the_way(&left, &right);
    let got = left.cli(&["get", &right.id(), "/"]);
    assert_eq!(String::from_utf8_lossy(&got.stdout), "<p>site of right", "{}", String::from_utf8_lossy(&got.stderr));
    becomes_direct(&left);
    assert_eq!(left.row(&right.id()).expect("it is listed")["path"], "direct");
}

#[test]
fn where_punching_fails_the_boards_relay_carries_the_site() {
    if !natlab_is_possible() {
        return;
    }
    let lab = NatLab::new(Router::Symmetric);
    let _server = server(&lab).set("p2p.relay_server=true").start();
    let (left, right) = met(&lab, |plan| plan);
    knows_the_way(&left, &right);
    let got = left.cli(&["get", &right.id(), "/"]);
    assert_eq!(String::from_utf8_lossy(&got.stdout), "<p>site of right", "{}", String::from_utf8_lossy(&got.stderr));
    assert_eq!(left.row(&right.id()).expect("it is listed")["path"], "relayed");
    assert_eq!(count(&left, "punched_total"), Ok(0));
}

#[test]
fn with_the_relay_off_the_list_says_unreachable_and_why() {
    if !natlab_is_possible() {
        return;
    }
    let lab = NatLab::new(Router::Cone);
    let _server = server(&lab).start();
    assert_eq!(lab.other.http(&url("/relay"), &[]).map(|(status, _)| status), Ok(404));
    let (left, right) = met(&lab, |plan| plan);
    is_unreachable(&left, &right, "no address is known");
}

#[test]
fn where_punching_fails_and_the_boards_relay_may_carry_no_data_the_list_says_unreachable_and_why() {
    if !natlab_is_possible() {
        return;
    }
    let lab = NatLab::new(Router::Symmetric);
    let _server = server(&lab).set("p2p.relay_server=true").start();
    let (left, right) = met(&lab, |plan| plan.set("p2p.relay_data=false"));
    knows_the_way(&left, &right);
    is_unreachable(&left, &right, "no relay may carry the data");
}
