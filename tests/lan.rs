//! Two people on one network: hosts in network namespaces, real mDNS, the real binary, no configuration.
#![allow(missing_docs, reason = "the names of the tests say it")]

mod harness;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use harness::goop_node::Plan;
use harness::{Family, Goop, Lab, SOON, eventually, lab_is_possible};
use serde_json::json;

/// A TTL that does not make the tests wait for long, and a heartbeat that fits it.
const TTL: Duration = Duration::from_secs(6);
const SHORT_TTL: [&str; 4] = ["--set", "presence.ttl_seconds=6", "--set", "presence.heartbeat_seconds=2"];
/// What a loaded machine may add to what the issue allows.
const SLACK: Duration = Duration::from_secs(4);

fn with_short_ttl(place: &harness::Place, label: &str) -> Plan {
    let plan = Plan::new(place).label(label).file("index.html", format!("<p>site of {label}"));
    SHORT_TTL.iter().fold(plan, |plan, arg| plan.arg(arg))
}

/// Each sees the other's name, and opens the other's page.
fn meet(one: &Goop, one_label: &str, other: &Goop, other_label: &str) {
    for (here, there, label) in [(one, other, other_label), (other, one, one_label)] {
        let named = || match here.row(&there.id())? {
            row if row["label"] == label && row["online"] == true && row["path"] == "lan" => Ok(()),
            row => Err(row.to_string()),
        };
        eventually(SOON, &format!("the name {label} is seen on the LAN"), named);
        opens_the_page_of(here, there, label);
    }
}

fn opens_the_page_of(here: &Goop, there: &Goop, label: &str) {
    let (status, body) = here.get(&format!("api/v1/peers/{}/site/index.html", there.id())).expect("the viewer answers");
    assert_eq!((status, String::from_utf8_lossy(&body).as_ref()), (200, format!("<p>site of {label}").as_str()));
}

#[test]
fn two_hosts_without_configuration_see_each_other_open_sites_and_chat() {
    if !lab_is_possible() {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let (left, right) = (lab.host(lan, Family::V4), lab.host(lan, Family::V4));
    let alice = Goop::named(&left.place, "alice");
    let bob = Goop::named(&right.place, "bob");
    meet(&alice, "alice", &bob, "bob");

    let direct = alice.cli(&["chat", &bob.id(), "hello bob"]);
    assert!(direct.status.success(), "{direct:?}");
    assert_eq!(bob.hears(Some(&alice.id()), "hello bob")["from"], alice.id());
    let (status, answer) = bob.post("chat", &json!({ "content": "hello all" })).expect("the viewer answers");
    assert_eq!(status, 202, "{answer}");
    assert_eq!(alice.hears(None, "hello all")["from"], bob.id());

    let page = bob.cli(&["get", &alice.id()]);
    assert_eq!(String::from_utf8_lossy(&page.stdout), "<p>site of alice", "{page:?}");
    assert_eq!(alice.stdout().lines().count(), 1, "only the ready line may stand on stdout: {}", alice.stdout());
}

#[test]
fn whoever_joins_hears_at_once_who_is_there() {
    if !lab_is_possible() {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let hosts: Vec<_> = (0..4).map(|_| lab.host(lan, Family::V4)).collect();
    let slow = |n: usize| {
        let plan = Plan::new(&hosts[n].place).label(&format!("peer {n}"));
        plan.arg("--set").arg("presence.heartbeat_seconds=60").arg("--set").arg("presence.ttl_seconds=200").start()
    };
    let mut peers: Vec<Goop> = Vec::new();
    for n in 0..hosts.len() {
        peers.push(slow(n));
        for (m, there) in peers.iter().enumerate().take(n) {
            peers[n].sees(&there.id(), SOON);
            there.sees(&peers[n].id(), SOON);
            assert_eq!(peers[n].row(&there.id()).expect("it is there")["label"], format!("peer {m}"));
        }
    }
}

#[test]
fn peers_that_start_at_the_same_moment_all_see_each_other() {
    if !lab_is_possible() {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let hosts: Vec<_> = (0..6).map(|_| lab.host(lan, Family::V4)).collect();
    // Two at a time as well, for where there are more, others carry what one connection lost.
    for together in [2, 2, 2, 2, 2, 2, 6] {
        let peers = start_at_once(&hosts[..together]);
        for (here, there) in peers.iter().flat_map(|here| peers.iter().map(move |there| (here, there))) {
            if here.id() != there.id() {
                here.sees(&there.id(), SOON);
            }
        }
    }
}

fn start_at_once(hosts: &[harness::Host]) -> Vec<Goop> {
    let start = |(n, host): (usize, &harness::Host)| with_short_ttl(&host.place, &format!("peer {n}")).start();
    std::thread::scope(|threads| {
        let starting: Vec<_> = hosts.iter().enumerate().map(|host| threads.spawn(move || start(host))).collect();
        starting.into_iter().map(|peer| peer.join().expect("it starts")).collect()
    })
}

#[test]
fn a_clean_stop_is_seen_long_before_the_ttl() {
    if !lab_is_possible() {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let (left, right) = (lab.host(lan, Family::V4), lab.host(lan, Family::V4));
    let (alice, bob) = (Goop::named(&left.place, "alice"), Goop::named(&right.place, "bob"));
    meet(&alice, "alice", &bob, "bob");
    let gone = bob.id();
    bob.stop();
    alice.misses(&gone, Duration::from_secs(1) + SLACK);
}

#[test]
fn a_killed_peer_is_gone_after_the_ttl_and_comes_back_as_itself() {
    if !lab_is_possible() {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let (left, right) = (lab.host(lan, Family::V4), lab.host(lan, Family::V4));
    let (alice, bob) = (with_short_ttl(&left.place, "alice").start(), with_short_ttl(&right.place, "bob").start());
    meet(&alice, "alice", &bob, "bob");
    let id = bob.id();
    let plan = bob.kill();
    alice.misses(&id, TTL + Duration::from_secs(1) + SLACK);
    let again = plan.start();
    assert_eq!(again.id(), id);
    meet(&alice, "alice", &again, "bob");
}

#[test]
fn a_pulled_cable_is_noticed_after_the_ttl_and_heals_when_it_is_back() {
    if !lab_is_possible() {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let (left, right) = (lab.host(lan, Family::V4), lab.host(lan, Family::V4));
    let (alice, bob) = (with_short_ttl(&left.place, "alice").start(), with_short_ttl(&right.place, "bob").start());
    meet(&alice, "alice", &bob, "bob");
    lab.cut(&right, lan);
    alice.misses(&bob.id(), TTL + Duration::from_secs(1) + SLACK);
    bob.misses(&alice.id(), TTL + Duration::from_secs(1) + SLACK);
    lab.mend(&right, lan);
    alice.sees(&bob.id(), Duration::from_secs(3) + SLACK);
    bob.sees(&alice.id(), Duration::from_secs(3) + SLACK);
    meet(&alice, "alice", &bob, "bob");
}

#[test]
fn hosts_with_ipv6_alone_find_each_other() {
    if !lab_is_possible() {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let (left, right) = (lab.host(lan, Family::V6), lab.host(lan, Family::V6));
    let (alice, bob) = (Goop::named(&left.place, "alice"), Goop::named(&right.place, "bob"));
    meet(&alice, "alice", &bob, "bob");
}

#[test]
fn an_interface_added_after_the_start_is_used() {
    if !lab_is_possible() {
        return;
    }
    let (mut lab, home) = Lab::with_lan();
    let cafe = lab.lan();
    let (laptop, other, stranger) = (lab.host(home, Family::V4), lab.host(home, Family::V4), lab.host(cafe, Family::V4));
    let alice = Goop::named(&laptop.place, "alice");
    let bob = Goop::named(&other.place, "bob");
    let carol = Goop::named(&stranger.place, "carol");
    meet(&alice, "alice", &bob, "bob");
    assert!(alice.row(&carol.id()).is_err(), "the networks are not joined yet");
    lab.attach(&laptop, cafe, Family::V4);
    meet(&alice, "alice", &carol, "carol");
    meet(&alice, "alice", &bob, "bob");
}

#[test]
fn a_peer_that_starts_before_its_network_is_there_finds_it() {
    if !lab_is_possible() {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let (laptop, other) = (lab.lone_host(), lab.host(lan, Family::V4));
    let alice = Goop::named(&laptop.place, "alice");
    let bob = Goop::named(&other.place, "bob");
    lab.attach(&laptop, lan, Family::V4);
    meet(&alice, "alice", &bob, "bob");
}

#[test]
fn a_goop2_folder_comes_up_as_the_same_peer_and_stays_byte_identical() {
    if !lab_is_possible() {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let (left, right) = (lab.host(lan, Family::V4), lab.host(lan, Family::V4));
    let folder = tempfile::TempDir::new().expect("make a folder");
    let id = make_goop2_folder(folder.path());
    let before = snapshot(folder.path());

    let old = Plan::new(&left.place).data(folder.path()).start();
    let new = Goop::named(&right.place, "new");
    assert_eq!(old.id(), id);
    meet(&old, "old friend", &new, "new");
    assert!(old.ready["listen"].to_string().contains("/tcp/40123"), "p2p.listen_port of goop.json: {}", old.ready);
    old.stop();

    assert_eq!(snapshot(folder.path()), before);
    let beside: Vec<_> = std::fs::read_dir(folder.path()).expect("list it").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(beside.len(), 4, "ours lives in .goop alone: {beside:?}");
    assert!(folder.path().join(".goop").is_dir());
}

/// A peer folder as goop2 leaves it; answers the peer id of its key.
fn make_goop2_folder(folder: &Path) -> String {
    let key = libp2p::identity::Keypair::ed25519_from_bytes([7; 32]).expect("32 bytes are a key");
    std::fs::create_dir_all(folder.join("data")).expect("make data");
    std::fs::create_dir_all(folder.join("site")).expect("make site");
    std::fs::write(folder.join("data/identity.key"), key.to_protobuf_encoding().expect("it can be written")).expect("write the key");
    std::fs::write(folder.join("site/index.html"), "<p>site of old friend").expect("write the page");
    let config = json!({
        "identity": { "key_file": "data/identity.key" },
        "paths": { "site_root": "site", "site_source": "site/src", "site_stage": "site/stage" },
        "p2p": { "listen_port": 40123, "mdns_tag": "goop-mdns", "bridge_mode": false, "nacl_public_key": "AA==" },
        "presence": { "topic": "goop.presence.v1", "ttl_seconds": 20, "heartbeat_seconds": 5, "rendezvous_host": false,
            "rendezvous_port": 8787, "rendezvous_bind": "127.0.0.1", "rendezvous_wan": "", "rendezvous_only": false,
            "admin_password": "", "templates_dir": "templates", "peer_db_path": "", "relay_port": 0, "use_services": false },
        "profile": { "label": "old friend", "email": "", "verification_token": "" },
        "viewer": { "http_addr": "127.0.0.1:8790", "debug": false, "theme": "dark", "peer_offline_grace_min": 15 },
        "lua": { "enabled": false, "script_dir": "site/lua", "timeout_seconds": 5 }
    });
    let text = format!("\u{feff}{config:#}\n");
    std::fs::write(folder.join("goop.json"), text).expect("write goop.json");
    key.public().to_peer_id().to_string()
}

/// Every file that is not ours, and its bytes.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).expect("list a folder").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true if entry.file_name() == ".goop" => {}
                true => folders.push(path),
                false => drop(files.insert(path.clone(), std::fs::read(&path).expect("read a file"))),
            }
        }
    }
    files
}
