use std::net::IpAddr;

use proptest::prelude::*;

use super::*;

/// Packets of goop2 and packets it reacted to, by name.
fn recorded(name: &str) -> Vec<u8> {
    let lines = include_str!("recorded.txt").lines();
    let hex = lines.filter_map(|line| line.split_once(' ')).find(|(known, _)| *known == name).unwrap().1;
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn strings(packet: &Packet) -> Vec<String> {
    packet.present.iter().flat_map(|one| &one.strings).map(|string| String::from_utf8(string.clone()).unwrap()).collect()
}

fn service() -> Service {
    Service {
        instance: "k".repeat(40),
        strings: vec!["dnsaddr=/ip4/10.0.0.1/tcp/1/p2p/x".into(), "dnsaddr=/ip4/10.0.0.1/udp/1/quic-v1/p2p/x".into()],
        addresses: vec!["10.0.0.1".parse().unwrap(), "fe80::1".parse().unwrap()],
    }
}

const GOOP2: [&str; 2] = [
    "dnsaddr=/ip4/127.0.0.1/tcp/40005/p2p/12D3KooWHFd1gyNYFqxt7ke9FY2VoVVWY2XSPhvL9vg2pB6wQGfa",
    "dnsaddr=/ip4/10.88.0.5/tcp/40005/p2p/12D3KooWHFd1gyNYFqxt7ke9FY2VoVVWY2XSPhvL9vg2pB6wQGfa",
];

#[test]
fn answers_and_announcements_of_both_generations_of_goop2_are_understood() {
    for name in ["answer-seed", "announcement-seed", "answer-new"] {
        let packet = decode(&recorded(name)).unwrap();
        assert_eq!(strings(&packet), GOOP2, "{name}");
        assert_eq!((packet.present[0].ttl, packet.asks.is_some(), packet.gone.len()), (3200, false, 0), "{name}");
    }
}

#[test]
fn whatever_form_goop2_accepts_is_accepted() {
    for name in ["everything-in-the-answer-section", "no-ptr", "query-bit", "two-addresses", "other-strings-first"] {
        let packet = decode(&recorded(name)).unwrap();
        assert!(strings(&packet).iter().any(|string| string.starts_with("dnsaddr=/ip4/10.88.0.6/tcp/4")), "{name}: {packet:?}");
    }
}

#[test]
fn a_goodbye_names_who_left() {
    let packet = decode(&recorded("goodbye")).unwrap();
    assert_eq!((packet.gone, packet.present), (vec!["withhostrecord".to_owned()], vec![]));
}

#[test]
fn goop2s_question_is_a_question_and_its_probe_is_ignored() {
    assert_eq!(decode(&recorded("question-seed")).unwrap().asks, Some(vec![]));
    assert!(decode(&recorded("question-for-two-names")).unwrap().asks.is_some());
    assert_eq!(decode(&recorded("known-answer-question")).unwrap().asks.unwrap().len(), 1);
    assert_eq!(decode(&recorded("probe-seed")), Err(WireError::Probe));
}

#[test]
fn our_question_is_goop2s_to_the_byte_but_for_the_id() {
    let (ours, goop2s) = (question().unwrap(), recorded("question-seed"));
    assert_eq!(ours[2..], goop2s[2..]);
}

#[test]
fn our_answer_has_what_goop2_demands_in_one_packet() {
    let message = Message::from_vec(&service().answer().unwrap()).unwrap();
    assert!(message.metadata.authoritative && message.queries.is_empty() && message.authorities.is_empty());
    let records: Vec<&Record> = message.answers.iter().chain(&message.additionals).collect();
    assert_eq!(message.answers[0].name.to_ascii(), "goop-mdns.local.");
    let instance = format!("{}.goop-mdns.local.", "k".repeat(40));
    assert!(records.iter().all(|record| record.ttl > 0));
    let target = records.iter().find_map(|record| match &record.data {
        RData::SRV(srv) if record.name.to_ascii() == instance => Some(srv.target.clone()),
        _ => None,
    });
    let host = |record: &&&Record| matches!(record.data, RData::A(_) | RData::AAAA(_)) && Some(&record.name) == target.as_ref();
    assert_eq!(records.iter().filter(host).count(), 2);
    assert!(records.iter().any(|record| matches!(&record.data, RData::TXT(txt) if txt.txt_data.len() == 2)));
}

#[test]
fn our_own_answer_and_goodbye_read_back() {
    let service = service();
    let heard = decode(&service.answer().unwrap()).unwrap();
    assert_eq!((heard.present[0].name.as_str(), strings(&heard)), (service.instance.as_str(), service.strings.clone()));
    let left = decode(&service.goodbye().unwrap()).unwrap();
    assert_eq!((left.gone, left.present.len()), (vec![service.instance], 0));
}

#[test]
fn other_peoples_mdns_is_not_even_parsed() {
    assert!(!concerns_us(b"\x05_http\x04_tcp\x05local\0"));
    assert!(concerns_us(&recorded("question-seed")) && concerns_us(&recorded("capitals")));
}

#[test]
fn attack_thousands_of_instances_in_a_packet_are_cut_off() {
    let mut message = response();
    for number in 0..250 {
        let name = Name::from_labels([format!("i{number}").as_bytes(), LABEL, LOCAL]).unwrap();
        message.add_answer(Record::from_rdata(name, u32::MAX, RData::TXT(TXT::new(vec!["x".into()]))));
    }
    assert_eq!(decode(&written(&message).unwrap()).unwrap().present.len(), MAX_INSTANCES);
}

#[test]
fn attack_compression_loops_and_oversize_are_malformed() {
    let mut looping = question().unwrap();
    looping.truncate(12);
    looping.extend_from_slice(b"\xc0\x0c\x00\x0c\x00\x01");
    let mut endless = question().unwrap();
    endless[4..6].copy_from_slice(&[0xff, 0xff]);
    for bytes in [looping, endless, vec![0; MAX_PACKET + 1], vec![]] {
        assert!(matches!(decode(&bytes), Err(WireError::Malformed(_))));
    }
}

proptest! {
    #[test]
    fn attack_junk_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        let _ = (concerns_us(&bytes), decode(&bytes));
    }

    #[test]
    fn attack_damaged_packets_never_panic(flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12), cut in any::<prop::sample::Index>()) {
        let mut bytes = recorded("answer-seed");
        for (at, value) in flips {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        if let Ok(packet) = decode(&bytes) {
            prop_assert!(packet.present.len() + packet.gone.len() <= MAX_INSTANCES + 1);
        }
    }

    #[test]
    fn any_service_survives_the_round_trip(
        instance in "[a-z0-9]{32,63}",
        strings in proptest::collection::vec("dnsaddr=[ -~]{0,247}", 1..8),
        v4 in any::<[u8; 4]>(),
    ) {
        let service = Service { instance, strings, addresses: vec![IpAddr::from(v4)] };
        let bytes = service.answer().unwrap();
        prop_assert!(bytes.len() <= MAX_PACKET && concerns_us(&bytes));
        let packet = decode(&bytes).unwrap();
        prop_assert_eq!(&packet.present[0].name, &service.instance);
        prop_assert_eq!(super::tests::strings(&packet), service.strings);
    }
}
