use super::*;

const LIMITS: StreamLimits = StreamLimits { total: 10_000, per_address: 100 };
const NOW: Moment = Moment::from_millis(1_000_000);

fn ip(network: u32, host: u32) -> IpAddr {
    std::net::Ipv4Addr::from_bits((45 << 24) + (network << 8) + host).into()
}

fn fill(gate: &Arc<StreamGate>, addresses: impl IntoIterator<Item = IpAddr>) -> Vec<StreamSlot> {
    addresses.into_iter().filter_map(|address| gate.enter(address, NOW).ok()).collect()
}

#[test]
fn attack_one_address_gets_its_share_and_no_more() {
    let gate = StreamGate::new(LIMITS);
    assert_eq!(fill(&gate, [ip(1, 1); 5000]).len(), 100);
    assert_eq!(gate.taken(), 0, "a slot is given back when its stream ends");
    let held = fill(&gate, [ip(1, 1); 100]);
    assert_eq!(gate.enter(ip(1, 1), NOW).err(), Some(Refused::StreamsOfAddress));
    drop(held);
    assert!(gate.enter(ip(1, 1), NOW).is_ok());
}

#[test]
fn attack_one_network_gets_half_and_the_rest_of_the_world_the_other() {
    let gate = StreamGate::new(LIMITS);
    let held = fill(&gate, (0..20_000).map(|n| ip(1, n % 256)));
    assert_eq!(held.len(), 5000);
    assert_eq!(gate.enter(ip(1, 1), NOW).err(), Some(Refused::StreamsKept));
    assert_eq!(fill(&gate, (0..4000).map(|n| ip(2 + n, 1))).len(), 4000, "strangers from elsewhere still come in");
}

#[test]
fn attack_two_hundred_networks_leave_room_for_others_and_for_known_peers() {
    let gate = StreamGate::new(LIMITS);
    let (known, stranger) = (ip(7, 9), ip(900, 1));
    gate.signed(known, NOW);
    let attackers = fill(&gate, (0..200_000).map(|n| ip(n % 200, n / 200 % 256)));
    assert!(attackers.len() < 9_300, "{} slots were taken", attackers.len());
    assert!(gate.enter(stranger, NOW).is_ok(), "a network that holds nothing yet");
    let flood = fill(&gate, (0..20_000).map(|n| ip(1000 + n, 1)));
    assert_eq!(gate.taken(), 9_500, "the last 5 % are kept");
    assert_eq!(gate.enter(stranger, NOW).err(), Some(Refused::StreamsKept));
    let ours = fill(&gate, [known; 50]);
    assert_eq!((ours.len(), attackers.len() + flood.len()), (50, 9_500), "known ones come in, and nobody was put out");
}

#[test]
fn an_address_is_known_for_ten_minutes() {
    let gate = StreamGate::new(StreamLimits { total: 20, per_address: 20 });
    gate.signed(ip(1, 1), NOW);
    let _held = fill(&gate, (0..20).map(|n| ip(100 + n, 1)));
    assert_eq!(gate.taken(), 19);
    let later = NOW + Duration::from_secs(600);
    assert_eq!(gate.enter(ip(1, 1), later).err(), Some(Refused::StreamsKept));
    assert!(gate.enter(ip(1, 1), NOW + Duration::from_secs(599)).is_ok());
}

#[test]
fn the_house_is_never_more_than_full_even_for_known_peers() {
    let gate = StreamGate::new(LIMITS);
    let all: Vec<_> = (0..15_000).map(|n| ip(n, 1)).collect();
    all.iter().for_each(|address| gate.signed(*address, NOW));
    let held = fill(&gate, all);
    assert_eq!(held.len(), 10_000);
    assert_eq!(gate.enter(ip(20_000, 1), NOW).err(), Some(Refused::StreamsTaken));
}

#[test]
fn this_machine_may_fill_the_house_by_itself() {
    let gate = StreamGate::new(StreamLimits { total: 1000, per_address: 1000 });
    assert_eq!(fill(&gate, ["127.0.0.1".parse().unwrap(); 2000]).len(), 950);
}
