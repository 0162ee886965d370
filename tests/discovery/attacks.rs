//! A neighbour who floods and forges (THREATS 48).

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use goop::peer::discovery::DEFAULT_TAG;
use hickory_proto::op::{Message, MessageType, OpCode};
use hickory_proto::rr::rdata::{A, PTR, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record};

use super::host::{Host, ROLE, peer};
use super::lan::Lan;
use super::wire::{GROUP, socket};

const FLOOD: Duration = Duration::from_secs(3);

/// Not a test of its own: forges instances under both names as fast as it can, with junk in between.
#[test]
fn a_spoofer() {
    if std::env::var(ROLE).is_err() {
        return;
    }
    let ours = socket(Ipv4Addr::new(10, 77, 0, 3));
    println!("\nSEEN ready");
    let _ = std::io::stdin().read_line(&mut String::new());
    let mut packets = ["goop-mdns.local.", "_goop-mdns._udp.local."].map(forged).map(|packet| (numbers(&packet), packet));
    let until = Instant::now() + FLOOD;
    let mut number: u32 = 0;
    while Instant::now() < until {
        number += 1;
        for (starts, packet) in &mut packets {
            renumber(packet, starts, number);
            let _ = ours.send_to(packet, GROUP);
        }
        let _ = ours.send_to(&[0xc0; 8000], GROUP);
    }
    println!("\nSEEN interfaces {number}");
    let _ = std::io::stdin().read_line(&mut String::new());
    std::process::exit(0);
}

const NUMBER: &[u8] = b"000000";

/// Thirty made-up instances of made-up peers, for years.
fn forged(service: &str) -> Vec<u8> {
    let mut message = Message::new(0, MessageType::Response, OpCode::Query);
    let service = Name::from_ascii(service).unwrap();
    for each in 0..30 {
        let label = format!("forged000000x{each}");
        let (instance, host) = (service.prepend_label(label.as_str()).unwrap(), Name::from_ascii(format!("{label}.local.")).unwrap());
        let who = peer(10 + each);
        let strings = vec![format!("peer={who}"), format!("dnsaddr=/ip4/10.77.0.9/tcp/1/p2p/{who}")];
        let mut add = |name: &Name, data| {
            message.add_answer(Record::from_rdata(name.clone(), u32::MAX / 2, data));
        };
        add(&service, RData::PTR(PTR(instance.clone())));
        add(&instance, RData::SRV(SRV::new(0, 0, 1, host.clone())));
        add(&instance, RData::TXT(TXT::new(strings)));
        add(&host, RData::A(A(Ipv4Addr::new(10, 77, 0, 9))));
    }
    message.to_vec().unwrap()
}

/// Where the number stands in a template.
fn numbers(template: &[u8]) -> Vec<usize> {
    (0..template.len() - NUMBER.len()).filter(|at| template[*at..].starts_with(NUMBER)).collect()
}

/// The same with other instance names.
fn renumber(packet: &mut [u8], starts: &[usize], number: u32) {
    let digits = format!("{:06}", number % 1_000_000);
    for start in starts {
        packet[*start..*start + NUMBER.len()].copy_from_slice(digits.as_bytes());
    }
}

#[test]
fn attack_a_spoofer_that_floods_both_names_neither_fills_memory_nor_hides_the_next_peer() {
    let Some(mut lan) = Lan::new() else { return };
    let hosts = ["10.77.0.1/24", "10.77.0.2/24", "10.77.0.3/24"].map(|addr| lan.joined(&[addr]));
    let mut us = Host::start(Some(&hosts[0]), DEFAULT_TAG, 1, "/ip4/10.77.0.1/tcp/4101");
    let mut spoofer = Host::play(Some(&hosts[2]), "discovery::attacks::a_spoofer", "spoofer");
    spoofer.tell("go");
    let done = spoofer.wait(FLOOD * 4, |_| true).expect("the flood ends");
    eprintln!("{done:?}, resident {} MiB", us.resident() >> 20);
    assert!(us.resident() < 128 << 20, "{} bytes", us.resident());
    let late = Host::start(Some(&hosts[1]), DEFAULT_TAG, 2, "/ip4/10.77.0.2/tcp/4102");
    assert!(us.finds(peer(2), "/ip4/10.77.0.2/").is_some(), "a real peer is still found");
    assert!(late.finds(peer(1), "/ip4/10.77.0.1/").is_some(), "and finds us");
    us.stop();
    assert!(us.ends_within(Duration::from_secs(2)));
}
