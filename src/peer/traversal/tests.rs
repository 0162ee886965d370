use super::*;
use crate::proto::relay_choice::Wish;

fn circuit() -> (PeerId, Multiaddr) {
    let relay = PeerId::random();
    (relay, format!("/ip4/45.45.45.10/tcp/4001/p2p/{relay}/p2p-circuit/p2p/{}", PeerId::random()).parse().unwrap())
}

fn traversal(relay_data: bool) -> Traversal {
    Traversal::new(&Options { relay_data, ..Options::default() }, false, Moment::START)
}

#[test]
fn a_circuit_names_its_relay_and_where_it_is() {
    let (relay, circuit) = circuit();
    assert_eq!(relay_of(&circuit), Some((relay, "/ip4/45.45.45.10/tcp/4001".parse().unwrap())));
    assert_eq!(relay_of(&"/p2p-circuit".parse().unwrap()), None);
}

fn circuits(traversal: &mut Traversal, now: Moment) -> Vec<Wish> {
    traversal.relays.listening();
    traversal.relays.poll(0.0, now)
}

#[test]
fn attack_a_server_cannot_make_peers_knock_at_one_place_after_the_other() {
    let (mut traversal, at) = (traversal(true), |seconds| Moment::START + Duration::from_secs(seconds));
    let name = |traversal: &mut Traversal, server, seconds| {
        let relay = PeerId::random();
        let counts = traversal.names(server, relay, at(seconds));
        if counts {
            traversal.relays.add(relay, vec!["/ip4/45.45.45.9/tcp/25".parse().unwrap()], at(seconds));
        }
        counts
    };
    assert_eq!((0..3000).filter(|second| name(&mut traversal, 0, *second)).count(), 10, "one in five minutes");
    assert!(name(&mut traversal, 1, 3000), "other servers are heard");
    let dialled = circuits(&mut traversal, at(3000)).into_iter().filter(|wish| matches!(wish, Wish::Dial(..))).count();
    assert_eq!(dialled, 2, "what a server named before is forgotten");
}

#[test]
fn attack_a_named_relay_leads_nowhere_but_to_few_places_on_the_internet() {
    let relay = PeerId::random();
    let places = |addrs: &[String], loopback| {
        let addrs: Vec<Multiaddr> = addrs.iter().map(|addr| addr.parse().unwrap()).collect();
        named_places(&addrs, &relay, loopback).len()
    };
    for bad in
        ["/ip4/192.168.1.1/tcp/80", "/ip4/127.0.0.1/tcp/80", "/ip6/fd00::1/tcp/1", "/dns4/a.b/tcp/443", "/ip4/169.254.169.254/tcp/80"]
    {
        assert_eq!(places(&[bad.to_owned()], false), 0, "{bad}");
    }
    assert_eq!(places(&[format!("/ip4/45.45.45.10/tcp/1/p2p/{}/p2p-circuit", PeerId::random())], false), 0);
    assert_eq!(places(&(1..9).map(|n| format!("/ip4/45.45.45.{n}/tcp/1/p2p/{relay}")).collect::<Vec<_>>(), false), 4);
    assert_eq!(places(&["/ip4/127.0.0.1/tcp/4001".to_owned()], true), 1);
}

#[test]
fn attack_no_server_says_where_the_relay_of_the_owner_or_of_another_server_is() {
    let (configured, other, now) = (PeerId::random(), PeerId::random(), Moment::START);
    let relays = vec![(configured, "/ip4/45.45.45.10/tcp/4001".parse().unwrap())];
    let mut traversal = Traversal::new(&Options { relays, ..Options::default() }, false, now);
    assert!(!traversal.names(0, configured, now));
    assert!(traversal.names(0, other, now) && traversal.names(0, other, now) && !traversal.names(1, other, now));
}

#[test]
fn data_goes_only_through_relays_that_carry_a_page_and_only_if_allowed() {
    let (relay, circuit) = circuit();
    assert!(!traversal(false).may_carry(&circuit));
    let mut traversal = traversal(true);
    assert!(traversal.may_carry(&circuit));
    traversal.limited(relay, Some(128 * 1024));
    assert!(!traversal.may_carry(&circuit));
    traversal.limited(relay, Some(16 * 1024 * 1024));
    assert!(traversal.may_carry(&circuit));
}
