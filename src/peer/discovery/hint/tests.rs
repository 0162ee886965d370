use libp2p::identity::Keypair;
use proptest::prelude::*;

use super::super::interfaces::Subnet;
use super::*;

fn peer(seed: u8) -> PeerId {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap().public().to_peer_id()
}

fn lan() -> Subnets {
    [Subnet { interface: "eth0".into(), index: 2, addr: "10.77.0.1".parse().unwrap(), prefix_len: 24 }].into_iter().collect()
}

fn believed(strings: &[String], same_host: bool) -> Result<(PeerId, Vec<String>), Refused> {
    let origin = Origin { me: peer(1), subnets: &lan(), same_host, zone: &|_| Some("eth0".into()) };
    let (peer, addrs) = believe(strings.iter().map(String::as_bytes), &origin)?;
    Ok((peer, addrs.iter().map(Multiaddr::to_string).collect()))
}

fn of(seed: u8, addr: &str) -> String {
    format!("dnsaddr={addr}/p2p/{}", peer(seed))
}

#[test]
fn own_subnet_comes_first_and_link_local_last_with_its_zone() {
    let strings = ["/ip6/fe80::5/tcp/1", "/ip4/10.77.0.5/udp/1/quic-v1", "/ip4/10.77.0.5/tcp/1"].map(|addr| of(2, addr));
    let id = peer(2);
    let expected = ["/ip4/10.77.0.5/udp/1/quic-v1", "/ip4/10.77.0.5/tcp/1", "/ip6zone/eth0/ip6/fe80::5/tcp/1"];
    assert_eq!(believed(&strings, false), Ok((id, expected.map(|addr| format!("{addr}/p2p/{id}")).to_vec())));
}

#[test]
fn attack_an_address_said_again_and_again_leaves_room_for_the_others() {
    let one_two = ["/ip4/10.77.0.5/tcp/1", "/ip4/10.77.0.6/tcp/1"].map(|addr| of(2, addr));
    let strings: Vec<String> = one_two.iter().cycle().take(40).cloned().chain([of(2, "/ip4/10.77.0.7/tcp/1")]).collect();
    assert_eq!(believed(&strings, false).unwrap().1.len(), 3);
    let listen: Vec<Multiaddr> = strings.iter().map(|text| text[KEY.len()..].parse().unwrap()).collect();
    assert_eq!(advertised(peer(2), &listen, false).len(), 3);
}

#[test]
fn attack_loopback_addresses_from_another_host_are_not_dialled() {
    let strings = [of(2, "/ip4/127.0.0.1/tcp/22"), of(2, "/ip6/::1/tcp/22"), of(2, "/ip6/::ffff:127.0.0.1/tcp/22")];
    assert_eq!(believed(&strings, false), Err(Refused::NoAddress));
    assert_eq!(believed(&strings, true).unwrap().1.len(), 2);
}

#[test]
fn attack_addresses_no_lan_peer_can_have_are_not_dialled() {
    let outside = [
        "/ip4/8.8.8.8/tcp/1",
        "/ip4/192.168.9.9/tcp/1",
        "/ip4/10.88.0.2/tcp/1",
        "/ip4/169.254.169.254/tcp/80",
        "/ip6/fd00::9/tcp/1",
        "/ip6/2001:db8::1/tcp/1",
        "/ip4/224.0.0.1/tcp/1",
        "/ip4/0.0.0.0/tcp/1",
        "/ip6/::/tcp/1",
        "/ip6/ff02::1/tcp/1",
    ];
    let odd = ["/ip4/10.77.0.5/tcp/0", "/dns4/a.example/tcp/1", "/ip4/10.77.0.5/tcp/1/ws", "/ip4/10.77.0.5/udp/1", "/unix/a", "", "/ip4/1"];
    for addr in outside.into_iter().chain(odd) {
        assert_eq!(believed(&[of(2, addr)], false), Err(Refused::NoAddress), "{addr}");
    }
    let through_a_relay = format!("dnsaddr=/ip4/10.77.0.5/tcp/1/p2p/{}/p2p-circuit/p2p/{}", peer(2), peer(3));
    assert_eq!(believed(&[through_a_relay], false), Err(Refused::NoAddress));
}

#[test]
fn attack_a_record_with_two_peers_is_refused_whole() {
    assert_eq!(believed(&[of(2, "/ip4/10.77.0.5/tcp/1"), of(3, "/ip4/10.77.0.6/tcp/1")], false), Err(Refused::SeveralPeers));
}

#[test]
fn our_own_record_and_one_without_a_peer_are_no_hints() {
    assert_eq!(believed(&[of(1, "/ip4/10.77.0.5/tcp/1")], false), Err(Refused::Mine));
    assert_eq!(believed(&["dnsaddr=/ip4/10.77.0.5/tcp/1".into()], false), Err(Refused::NoAddress));
}

#[test]
fn a_public_address_is_believed_on_our_own_subnet_only() {
    let public: Subnets =
        [Subnet { interface: "e".into(), index: 1, addr: "198.51.100.1".parse().unwrap(), prefix_len: 24 }].into_iter().collect();
    let origin = Origin { me: peer(1), subnets: &public, same_host: false, zone: &|_| None };
    let ask = |addr: &str| believe([of(2, addr).as_bytes()], &origin).is_ok();
    assert!(ask("/ip4/198.51.100.7/tcp/1") && !ask("/ip4/198.51.101.7/tcp/1"));
    assert!(!ask("/ip6/fe80::1/tcp/1"), "no zone is known");
}

#[test]
fn tcp_is_announced_before_quic_and_loopback_not_at_all() {
    let listen =
        ["/ip4/127.0.0.1/tcp/1", "/ip4/10.77.0.1/udp/1/quic-v1", "/ip6/fd00::1/tcp/1", "/ip4/10.77.0.1/tcp/1", "/ip6/fe80::1/tcp/1"];
    let listen: Vec<Multiaddr> = listen.iter().map(|addr| addr.parse().unwrap()).collect();
    let ours: Vec<String> = advertised(peer(1), &listen, false).iter().map(Multiaddr::to_string).collect();
    let expected = ["/ip4/10.77.0.1/tcp/1", "/ip6/fd00::1/tcp/1", "/ip4/10.77.0.1/udp/1/quic-v1", "/ip6/fe80::1/tcp/1"];
    assert_eq!(ours, expected.map(|addr| format!("{addr}/p2p/{}", peer(1))));
}

#[test]
fn loopback_is_announced_alone_in_loopback_mode_or_when_nothing_else_is_routable() {
    let parse = |addrs: &[&str]| addrs.iter().map(|addr| addr.parse().unwrap()).collect::<Vec<Multiaddr>>();
    let both = parse(&["/ip4/127.0.0.1/tcp/1", "/ip4/10.77.0.1/tcp/1", "/ip4/0.0.0.0/tcp/1"]);
    let loopback = advertised(peer(1), &both, true);
    assert_eq!(loopback, [format!("/ip4/127.0.0.1/tcp/1/p2p/{}", peer(1)).parse().unwrap()]);
    assert_eq!(advertised(peer(1), &parse(&["/ip4/127.0.0.1/tcp/1"]), false), loopback);
    assert_eq!(advertised(peer(1), &parse(&["/ip4/127.0.0.1/tcp/1", "/ip6/fe80::1/tcp/1"]), false).len(), 2);
}

#[test]
fn someone_elses_address_is_never_announced_as_ours() {
    let listen = [format!("/ip4/10.77.0.1/tcp/1/p2p/{}", peer(2)).parse().unwrap()];
    assert!(advertised(peer(1), &listen, false).is_empty());
}

proptest! {
    #[test]
    fn attack_any_strings_give_at_most_eight_addresses_of_one_peer(strings in proptest::collection::vec("(dnsaddr=)?(/ip4/10.77.0.[0-9]{1,2}|/ip6/fe80::[0-9]|/ip4/127.0.0.1|.{0,9})(/tcp/[0-9]{1,5}|/udp/9/quic-v1|.{0,5})", 0..80), seed in 2..5u8) {
        let strings: Vec<String> = strings.into_iter().map(|string| format!("{string}/p2p/{}", peer(seed))).collect();
        if let Ok((who, addrs)) = believed(&strings, false) {
            prop_assert!(addrs.len() <= MAX_ADDRS && who == peer(seed));
            prop_assert!(addrs.iter().all(|addr| addr.ends_with(&peer(seed).to_string()) && !addr.contains("127.0.0.1")));
        }
    }

    #[test]
    fn attack_any_bytes_never_panic(strings in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..10)) {
        let origin = Origin { me: peer(1), subnets: &lan(), same_host: true, zone: &|_| None };
        let _ = believe(strings.iter().map(Vec::as_slice), &origin);
    }
}
