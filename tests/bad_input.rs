//! Whatever comes from outside, a peer goes on serving its neighbours: a victim, a good neighbour, and an attacker on go-libp2p.
#![allow(missing_docs, reason = "the names of the tests say it")]

mod harness;

use std::time::Duration;

use harness::foreign::Kind;
use harness::goop_node::Plan;
use harness::mdns_packets::{self, FakePeer};
use harness::{Family, Foreign, Goop, Host, Lab, Lan, SOON, lab_is_possible, never};
use serde_json::{Value, json};

const SITE: &str = "/goop/site/1.0.0";
const CHAT: &str = "/goop/chat/1.0.0";
const MQ: &str = "/goop/mq/1.0.0";
const CONTENT: &str = "/goop/content/1.0.0";
const AVATAR: &str = "/goop/avatar/1.0.0";

/// An unoptimised build may hold this much whatever is thrown at it; endless input would pass it within seconds.
const RESIDENT_KIB: u64 = 80 * 1024;
/// A stream on which nothing moves ends after ten seconds; a loaded machine gets some more.
const HOLD_MS: u64 = 16_000;
/// What a sender may get rid of before it is cut off: the largest message, and what flow control lets wait.
const TAKEN_AT_MOST: u64 = 4 << 20;

/// A network with the three of them on it.
struct Street {
    victim: Goop,
    neighbour: Goop,
    attacker: Foreign,
    victim_host: Host,
    dark_host: Host,
    lan: Lan,
    lab: Lab,
}

impl Street {
    /// All three know each other; `None` where this machine cannot.
    fn new() -> Option<Self> {
        if !lab_is_possible() || !Kind::Go.is_there() {
            return None;
        }
        let (mut lab, lan) = Lab::with_lan();
        let (victim_host, right, dark) = (lab.host(lan, Family::V4), lab.host(lan, Family::V4), lab.host(lan, Family::V4));
        let victim = Goop::named(&victim_host.place, "victim");
        let neighbour = Goop::named(&right.place, "neighbour");
        let attacker = Foreign::start_with(Kind::Go, &dark, &["--label", "attacker"]);
        let street = Self { victim, neighbour, attacker, victim_host, dark_host: dark, lan, lab };
        street.victim.sees(&street.neighbour.id(), SOON);
        street.victim.sees(&street.attacker.id, SOON);
        street.attacker.event("it knows the victim", |event| event["event"] == "connected" && event["peer"] == street.victim.id());
        Some(street)
    }

    fn attacker_address(&self) -> String {
        self.dark_host.address(self.lan, Family::V4)
    }

    /// The neighbour opens the victim's page, each sees the other, and the victim has not grown.
    fn is_still_good(&self) {
        self.neighbour.opens_the_page_of(&self.victim, "victim");
        self.victim.opens_the_page_of(&self.neighbour, "neighbour");
        self.victim.sees(&self.neighbour.id(), SOON);
        self.neighbour.sees(&self.victim.id(), SOON);
        let resident = self.victim.resident_kib();
        assert!(resident < RESIDENT_KIB, "{resident} KiB resident");
    }

    /// Someone who comes only now is found as well.
    fn welcomes_a_newcomer(&mut self) {
        let host = self.lab.host(self.lan, Family::V4);
        let newcomer = Goop::named(&host.place, "newcomer");
        newcomer.sees(&self.victim.id(), SOON);
        self.victim.sees(&newcomer.id(), SOON);
        newcomer.opens_the_page_of(&self.victim, "victim");
    }

    /// `count` streams that write `text` once and stay open; answers the number of the command.
    fn streams(&mut self, protocol: &str, text: &str, count: u64) -> u64 {
        self.attack(json!({ "protocol": protocol, "first": text, "count": count }))
    }

    /// Four streams that write `first` and then never stop to write; answers the number of the command.
    fn endless(&mut self, protocol: &str, first: &str) -> u64 {
        self.attack(json!({ "protocol": protocol, "first": first, "send": "A".repeat(64 * 1024), "repeat": 1000, "count": 4 }))
    }

    fn attack(&mut self, mut streams: Value) -> u64 {
        streams["cmd"] = "streams".into();
        streams["peer"] = self.victim.id().into();
        streams["hold_ms"] = HOLD_MS.into();
        self.attacker.send(streams)
    }
}

fn number(answer: &Value, key: &str) -> u64 {
    answer[key].as_u64().unwrap_or_else(|| panic!("no {key} in {answer}"))
}

#[test]
fn an_endless_line_is_cut_off_on_every_protocol_that_reads_one() {
    let Some(mut street) = Street::new() else { return };
    let requests = [(SITE, "GET /"), (CHAT, "{\"content\":\""), (MQ, "{\"payload\":\""), (MQ, "{\"payload\":["), (CHAT, "")];
    let running: Vec<_> = requests.iter().map(|(protocol, first)| (protocol, street.endless(protocol, first))).collect();
    street.is_still_good();
    for (protocol, command) in running {
        let answer = street.attacker.answer(command);
        assert_eq!(answer["ended"], answer["opened"], "{protocol}: {answer}");
        let each = number(&answer, "sent") / number(&answer, "opened").max(1);
        assert!(each < TAKEN_AT_MOST, "{protocol} took {each} bytes of an endless line");
    }
    street.is_still_good();
}

#[test]
fn protocols_that_read_nothing_do_not_take_endless_input() {
    let Some(mut street) = Street::new() else { return };
    let running: Vec<_> = [CONTENT, AVATAR].map(|protocol| street.endless(protocol, "")).into();
    street.is_still_good();
    for command in running {
        let answer = street.attacker.answer(command);
        let each = number(&answer, "sent") / number(&answer, "opened").max(1);
        assert!(each < 4 * TAKEN_AT_MOST, "{each} bytes went somewhere: {answer}");
    }
    street.is_still_good();
}

#[test]
fn half_a_request_is_dropped_after_a_while_and_hinders_nobody() {
    let Some(mut street) = Street::new() else { return };
    let running: Vec<_> = [(SITE, "GET /ind"), (MQ, "{\"id\":\""), (CHAT, "{")]
        .map(|(protocol, half)| (protocol, street.streams(protocol, half, 300)))
        .into();
    street.is_still_good();
    for (protocol, command) in running {
        let answer = street.attacker.answer(command);
        assert_eq!(answer["ended"], answer["opened"], "{protocol}: half-open streams are still open: {answer}");
    }
    street.is_still_good();
}

#[test]
fn unknown_protocols_and_garbage_get_an_end_and_no_more() {
    let Some(mut street) = Street::new() else { return };
    let unknown = street.streams("/goop/nonsense/9.9.9", "hello", 200);
    assert_eq!(street.attacker.answer(unknown)["opened"], 0, "an unknown protocol was accepted");
    let garbage =
        ["\u{0}\u{1}\u{2}\n", "GET\n", "{\"type\":\n", "{\"id\":1}\n", "null\n", "GET /../../etc/passwd\n", "ENC:%%%\n", "[[[[[[[[\n"];
    for (text, protocol) in garbage.iter().flat_map(|text| [SITE, MQ, CHAT].map(|protocol| (text, protocol))) {
        let command = street.streams(protocol, text, 5);
        let answer = street.attacker.answer(command);
        assert_eq!(answer["ended"], answer["opened"], "{protocol} after {text:?}: {answer}");
        assert!(!answer["head"].as_str().unwrap_or_default().contains("root:"), "{answer}");
    }
    street.is_still_good();
}

#[test]
fn presence_about_another_is_not_believed() {
    let Some(mut street) = Street::new() else { return };
    let (neighbour, nobody) = (street.neighbour.id(), libp2p::PeerId::random().to_string());
    for n in 0..10 {
        for (about, kind) in [(&neighbour, "offline"), (&nobody, "online")] {
            street.attacker.ask(json!({ "cmd": "publish", "peer": about, "content": kind })).expect("it can publish");
        }
        let row = street.victim.row(&neighbour).expect("the neighbour has a row");
        assert!(row["online"] == true && row["label"] == "neighbour", "after lie {n}: {row}");
    }
    never(Duration::from_secs(2), "a lie was believed", || match (street.victim.row(&neighbour)?, street.victim.row(&nobody)) {
        (row, _) if row["online"] != true => Err(row.to_string()),
        (_, Ok(ghost)) => Err(ghost.to_string()),
        _ => Ok(()),
    });
    street.is_still_good();
}

#[test]
fn oversized_garbled_and_flooded_gossip_hinders_nobody() {
    let Some(mut street) = Street::new() else { return };
    let large = json!({ "cmd": "gossip", "send": "x", "repeat": 200_000 });
    let deep = json!({ "cmd": "gossip", "send": "[", "repeat": 4_000 });
    let wrong = json!({ "cmd": "gossip", "send": "{\"type\":\"online\",\"peerId\":42}", "count": 50 });
    let id = street.attacker.id.clone();
    let flood = format!("{{\"type\":\"update\",\"peerId\":\"{id}\",\"content\":\"flood {{n}}\",\"ts\":{{n}}}}");
    let flood = json!({ "cmd": "gossip", "send": flood, "count": 5_000 });
    for attack in [large, deep, wrong, flood] {
        let _ = street.attacker.ask(attack);
        street.is_still_good();
    }
    street.welcomes_a_newcomer();
}

#[test]
fn five_thousand_connections_leave_room_for_a_neighbour_and_a_newcomer() {
    let Some(mut street) = Street::new() else { return };
    let address = street.victim_host.address(street.lan, Family::V4);
    let port = street.victim.tcp_address(&address).split('/').nth(4).expect("a port").to_owned();
    let command = json!({ "cmd": "connections", "addr": format!("{address}:{port}"), "count": 5_000, "hold_ms": 30_000 });
    let running = street.attacker.send(command);
    street.is_still_good();
    street.welcomes_a_newcomer();
    let answer = street.attacker.answer(running);
    assert_eq!(answer["ended"], answer["opened"], "silent connections are still open: {answer}");
    street.is_still_good();
}

#[test]
fn hostile_mdns_packets_are_hints_at_most() {
    let Some(mut street) = Street::new() else { return };
    let dark = street.attacker_address();
    let ghosts: Vec<_> = (0..1_000).map(|_| libp2p::PeerId::random().to_string()).collect();
    let mut packets = mdns_packets::malformed();
    let fakes = ghosts.iter().map(|id| FakePeer { id, address: &dark, port: 9 });
    packets.extend(fakes.map(|fake| mdns_packets::announcement(&fake)));
    packets.push(mdns_packets::announcement(&FakePeer { id: &street.neighbour.id(), address: &dark, port: 9 }));
    let hex: Vec<String> = packets.iter().map(|packet| packet.iter().map(|byte| format!("{byte:02x}")).collect()).collect();
    let send = json!({ "cmd": "datagrams", "addr": "224.0.0.251:5353", "hex": hex, "count": 3 });
    street.attacker.ask(send).expect("it can send datagrams");
    street.is_still_good();
    let online = street.victim.peers().expect("the viewer answers").into_iter().filter(|row| row["online"] == true);
    let ghosts: Vec<_> = online.filter(|row| ghosts.iter().any(|id| row["peer_id"] == id.as_str())).collect();
    assert!(ghosts.is_empty(), "peers that nobody has met are shown as online: {ghosts:?}");
    street.welcomes_a_newcomer();
}

#[test]
fn a_site_folder_that_disappears_is_missed_until_it_is_back() {
    if !lab_is_possible() {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let (left, right) = (lab.host(lan, Family::V4), lab.host(lan, Family::V4));
    let (victim, neighbour) = (Goop::named(&left.place, "victim"), Goop::named(&right.place, "neighbour"));
    neighbour.opens_the_page_of(&victim, "victim");
    let (site, away) = (victim.data().join("site"), victim.data().join("away"));
    std::fs::rename(&site, &away).expect("move the folder");
    let (status, body) = neighbour.get(&format!("api/v1/peers/{}/site/index.html", victim.id())).expect("the viewer answers");
    assert!((400..600).contains(&status), "{status} {}", String::from_utf8_lossy(&body));
    std::fs::rename(&away, &site).expect("move it back");
    neighbour.opens_the_page_of(&victim, "victim");
}

#[test]
fn a_disk_that_fills_up_stops_neither_serving_nor_stopping() {
    if !lab_is_possible() {
        return;
    }
    let (mut lab, lan) = Lab::with_lan();
    let (left, right) = (lab.host(lan, Family::V4), lab.host(lan, Family::V4));
    let disk = harness::disk::SmallDisk::new("1m");
    let plan = Plan::new(&left.place).data(disk.path()).label("victim").file("index.html", "<p>site of victim");
    let victim = plan.start();
    let neighbour = Goop::named(&right.place, "neighbour");
    neighbour.sees(&victim.id(), SOON);
    disk.fill();
    neighbour.opens_the_page_of(&victim, "victim");
    let (status, answer) = victim.post("chat", &json!({ "to": neighbour.id(), "content": "no room here" })).expect("it answers");
    assert_eq!(status, 507, "{answer}");
    let (status, answer) = neighbour.post("chat", &json!({ "to": victim.id(), "content": "nor here" })).expect("it answers");
    assert_eq!(status, 502, "what cannot be kept is not acknowledged: {answer}");
    disk.clear();
    let (status, answer) = victim.post("chat", &json!({ "to": neighbour.id(), "content": "room again" })).expect("it answers");
    assert_eq!(status, 202, "{answer}");
    neighbour.hears(Some(&victim.id()), "room again");
    victim.stop();
}
