use libp2p::identity::Keypair;

use super::*;

fn peer(seed: u8) -> PeerId {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap().public().to_peer_id()
}

fn addr(port: u16) -> Multiaddr {
    format!("/ip4/10.77.0.1/tcp/{port}").parse().unwrap()
}

fn seen(source: Source, instance: &str, who: u8, port: u16) -> Report {
    let ttl = (source == Source::Goop2Mdns).then_some(Duration::from_secs(3200));
    Report::Seen { source, instance: instance.into(), peer: peer(who), addrs: vec![addr(port)], ttl }
}

fn gone(source: Source, instance: &str) -> Report {
    Report::Gone { source, instance: instance.into() }
}

fn found(who: u8, ports: &[u16]) -> Option<Event> {
    Some(Event::Found { peer: peer(who), addrs: ports.iter().map(|port| addr(*port)).collect() })
}

const NOW: Moment = Moment::from_millis(1000);

#[test]
fn a_peer_is_found_once_however_often_and_wherever_it_is_seen() {
    let mut table = Table::default();
    assert_eq!(table.take(seen(Source::Mdns, "a", 1, 1), NOW), found(1, &[1]));
    assert_eq!(table.take(seen(Source::Mdns, "a", 1, 1), NOW), None);
    assert_eq!(table.take(seen(Source::Goop2Mdns, "b", 1, 1), NOW), None);
}

#[test]
fn the_first_goodbye_counts_and_the_second_is_silent() {
    let mut table = Table::default();
    table.take(seen(Source::Mdns, "a", 1, 1), NOW);
    table.take(seen(Source::Goop2Mdns, "b", 1, 1), NOW);
    assert_eq!(table.take(gone(Source::Goop2Mdns, "b"), NOW), Some(Event::Goodbye { peer: peer(1) }));
    assert_eq!(table.take(gone(Source::Mdns, "a"), NOW), None);
    assert_eq!(table.take(seen(Source::Mdns, "a", 1, 1), NOW), found(1, &[1]));
}

#[test]
fn new_addresses_under_a_new_name_are_no_goodbye() {
    let mut table = Table::default();
    table.take(seen(Source::Goop2Mdns, "old", 1, 1), NOW);
    assert_eq!(table.take(seen(Source::Goop2Mdns, "new", 1, 2), NOW), found(1, &[2, 1]));
    assert_eq!(table.take(gone(Source::Goop2Mdns, "old"), NOW), found(1, &[2]));
}

#[test]
fn attack_a_ttl_of_years_lapses_after_minutes() {
    let mut table = Table::default();
    let mut forever = seen(Source::Goop2Mdns, "a", 1, 1);
    if let Report::Seen { ttl, .. } = &mut forever {
        *ttl = Some(Duration::from_secs(u64::from(u32::MAX)));
    }
    table.take(forever.clone(), NOW);
    assert_eq!(table.take(forever.clone(), NOW + MAX_TTL / 2), None, "heard again in time");
    assert_eq!(table.take(forever, NOW + MAX_TTL * 2), found(1, &[1]), "forgotten, so found anew");
}

#[test]
fn attack_forged_instances_are_bounded_and_do_not_shut_out_the_next_peer() {
    let mut table = Table::default();
    for forged in 0..2000_u16 {
        let who = u8::try_from(forged % 250).unwrap();
        table.take(seen(Source::Mdns, &format!("forged{forged}"), who, 1), NOW);
    }
    assert!(table.entries.len() <= MAX_INSTANCES);
    assert!(table.evicted >= 2000 - MAX_INSTANCES as u64);
    assert_eq!(table.take(seen(Source::Mdns, "real", 251, 7), NOW), found(251, &[7]));
}

#[test]
fn attack_one_peer_has_few_instances_and_few_addresses() {
    let mut table = Table::default();
    let last = (0..50).filter_map(|port| table.take(seen(Source::Mdns, &format!("i{port}"), 1, port), NOW)).last();
    assert_eq!(last, found(1, &[49, 48, 47, 46]));
}

#[test]
fn after_a_change_of_interfaces_who_answers_is_found_once_more() {
    let mut table = Table::default();
    table.take(seen(Source::Goop2Mdns, "a", 1, 1), NOW);
    table.forget_lapsing();
    assert_eq!(table.take(seen(Source::Goop2Mdns, "a", 1, 1), NOW), found(1, &[1]));
}
