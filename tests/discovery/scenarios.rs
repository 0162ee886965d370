//! What people do with their networks.

use std::time::{Duration, Instant};

use goop::peer::discovery::DEFAULT_TAG;

use super::host::{Host, Seen, peer, unique_tag};
use super::lan::{Lan, link_local};

const SECOND: Duration = Duration::from_secs(1);
const A: &str = "/ip4/10.77.0.1/tcp/4101 /ip4/10.77.0.1/udp/4101/quic-v1 /ip4/127.0.0.1/tcp/4101";
const B: &str = "/ip4/10.77.0.2/tcp/4102 /ip4/127.0.0.1/tcp/4102";

/// How long it was until `until`, which must have happened.
fn took(since: Instant, until: Option<Instant>, what: &str) -> Duration {
    let elapsed = until.unwrap_or_else(|| panic!("{what}: never")).saturating_duration_since(since);
    eprintln!("{what}: {elapsed:?}");
    elapsed
}

/// Two hosts with these addresses find each other, and the second one's goodbye is heard in time.
fn meet(lan: &mut Lan, tag: &str, addrs: [&[&str]; 2], listen: [&str; 2], parts: [&str; 2], limit: Duration) {
    let (a, b) = (lan.joined(addrs[0]), lan.joined(addrs[1]));
    let [listen_a, listen_b] = [(&a, listen[0]), (&b, listen[1])].map(|(host, text)| with_link_local(host, text));
    let first = Host::start(Some(&a), tag, 1, &listen_a);
    let mut second = Host::start(Some(&b), tag, 2, &listen_b);
    let ready = Instant::now();
    assert!(took(ready, first.finds(peer(2), parts[1]), "the early one finds") < limit);
    assert!(took(ready, second.finds(peer(1), parts[0]), "the late one finds") < limit);
    let stopped = second.stop();
    assert!(took(stopped, first.hears_goodbye_of(peer(2)), "goodbye") < SECOND * 3 / 2);
    assert!(second.ends_within(SECOND * 2));
}

/// `LINK-LOCAL` in the text becomes the host's fe80:: address.
fn with_link_local(host: &str, text: &str) -> String {
    if text.contains("LINK-LOCAL") { text.replace("LINK-LOCAL", &link_local(host)) } else { text.to_owned() }
}

#[test]
fn two_hosts_find_each_other_within_a_second_and_hear_the_goodbye() {
    let Some(mut lan) = Lan::new() else { return };
    let quic = "/ip4/10.77.0.1/udp/4101/quic-v1/p2p/";
    meet(&mut lan, DEFAULT_TAG, [&["10.77.0.1/24"], &["10.77.0.2/24"]], [A, B], [quic, "/ip4/10.77.0.2/tcp/4102/p2p/"], SECOND);
}

/// The library answers a question late if it announced the same within the last second (RFC 6762, 6.).
#[test]
fn with_a_tag_of_their_own_the_later_host_waits_a_second_at_most() {
    let Some(mut lan) = Lan::new() else { return };
    meet(&mut lan, &unique_tag(), [&["10.77.0.1/24"], &["10.77.0.2/24"]], [A, B], ["/ip4/10.77.0.1/", "/ip4/10.77.0.2/"], SECOND * 2);
}

#[test]
fn hosts_with_ipv6_only_find_each_other() {
    let Some(mut lan) = Lan::new() else { return };
    let listen = ["/ip6/fd00:77::1/tcp/4101 /ip6/::1/tcp/4101", "/ip6/fd00:77::2/tcp/4102 /ip6/::1/tcp/4102"];
    for tag in [DEFAULT_TAG, &unique_tag()] {
        let addrs: [&[&str]; 2] = [&["fd00:77::1/64"], &["fd00:77::2/64"]];
        meet(&mut lan, tag, addrs, listen, ["/ip6/fd00:77::1/tcp/4101/", "/ip6/fd00:77::2/tcp/4102/"], SECOND * 5);
        lan.unplug_all();
    }
}

#[test]
fn hosts_with_nothing_but_link_local_addresses_find_each_other_with_zones() {
    let Some(mut lan) = Lan::new() else { return };
    let zones = ["/ip6zone/eth0/ip6/fe80::"; 2];
    for tag in [DEFAULT_TAG, &unique_tag()] {
        meet(&mut lan, tag, [&[], &[]], ["/ip6/LINK-LOCAL/tcp/4101", "/ip6/LINK-LOCAL/tcp/4102"], zones, SECOND * 5);
        lan.unplug_all();
    }
}

#[test]
fn an_interface_that_appears_after_the_start_is_used_within_two_seconds() {
    for tag in [DEFAULT_TAG, &unique_tag()] {
        let Some(mut lan) = Lan::new() else { return };
        let (a, b) = (lan.joined(&["10.77.0.1/24"]), lan.host());
        let first = Host::start(Some(&a), tag, 1, A);
        let mut second = Host::start(Some(&b), tag, 2, "/ip4/127.0.0.1/tcp/4102");
        lan.plug_in(&b, &["10.77.0.2/24"]);
        let plugged = Instant::now();
        second.tell(B);
        let mut told = false;
        let found = second.wait(SECOND * 5, |seen| {
            told |= matches!(seen, Seen::Interfaces(3..));
            matches!(seen, Seen::Found(who, _) if *who == peer(1))
        });
        assert!(took(plugged, found.map(|(at, _)| at), "the newcomer finds") < SECOND * 5 / 2);
        assert!(told || second.wait(SECOND * 2, |seen| matches!(seen, Seen::Interfaces(3..))).is_some(), "the owner is told");
        assert!(took(plugged, first.finds(peer(2), "/ip4/10.77.0.2/tcp/"), "the newcomer is found") < SECOND * 5 / 2);
    }
}

#[test]
fn new_addresses_are_told_without_a_goodbye() {
    for tag in [DEFAULT_TAG, &unique_tag()] {
        let Some(mut lan) = Lan::new() else { return };
        let (a, b) = (lan.joined(&["10.77.0.1/24"]), lan.joined(&["10.77.0.2/24"]));
        let first = Host::start(Some(&a), tag, 1, A);
        let mut second = Host::start(Some(&b), tag, 2, B);
        assert!(first.finds(peer(2), "/tcp/4102/").is_some());
        second.tell("/ip4/10.77.0.2/tcp/5555");
        let (_, seen) = first
            .wait(SECOND * 5, |seen| match seen {
                Seen::Goodbye(_) => true,
                Seen::Found(_, addrs) => addrs.iter().any(|addr| addr.contains("/tcp/5555/")),
                _ => false,
            })
            .expect("the new address is heard");
        assert!(matches!(seen, Seen::Found(..)), "{seen:?}");
    }
}

#[test]
fn two_processes_on_one_host_share_port_5353_and_find_each_other() {
    let Some(mut lan) = Lan::new() else { return };
    let alone = lan.host();
    let (one, two) = ("/ip4/127.0.0.1/tcp/4101", "/ip4/127.0.0.1/tcp/4102");
    let (first, second) = (Host::start(Some(&alone), DEFAULT_TAG, 1, one), Host::start(Some(&alone), DEFAULT_TAG, 2, two));
    assert!(first.finds(peer(2), two).is_some() && second.finds(peer(1), one).is_some());
    let third = Host::start(Some(&alone), &unique_tag(), 3, "/ip4/127.0.0.1/tcp/4103");
    let stranger = |seen: &Seen| matches!(seen, Seen::Found(..));
    assert_eq!(third.wait(SECOND * 2, stranger), None, "another tag is another world");
}

#[test]
fn loopback_only_hosts_find_each_other_everywhere() {
    let tag = unique_tag();
    let (one, two) = ("/ip4/127.0.0.1/tcp/4101 /ip4/192.0.2.1/tcp/4101", "/ip4/127.0.0.1/tcp/4102");
    let (first, second) = (Host::start(None, &tag, 1, one), Host::start(None, &tag, 2, two));
    assert!(first.finds(peer(2), "/ip4/127.0.0.1/tcp/4102").is_some());
    let (_, seen) = second.wait(SECOND * 10, |seen| matches!(seen, Seen::Found(..))).unwrap();
    assert_eq!(seen, Seen::Found(peer(1), vec![format!("/ip4/127.0.0.1/tcp/4101/p2p/{}", peer(1))]));
}

#[test]
fn when_the_cable_is_back_the_others_are_found_again_within_three_seconds() {
    for tag in [DEFAULT_TAG, &unique_tag()] {
        let Some(mut lan) = Lan::new() else { return };
        let (a, b) = (lan.joined(&["10.77.0.1/24"]), lan.joined(&["10.77.0.2/24"]));
        let first = Host::start(Some(&a), tag, 1, A);
        let _second = Host::start(Some(&b), tag, 2, B);
        assert!(first.finds(peer(2), "/tcp/4102/").is_some());
        lan.cable(&a, "down");
        let without = first.wait(SECOND * 3, |seen| *seen == Seen::Interfaces(2));
        assert!(without.is_some(), "nothing but loopback is left");
        let _ = first.wait(SECOND * 2, |seen| *seen == Seen::Goodbye(peer(2)));
        lan.cable(&a, "up");
        let back = Instant::now();
        assert!(took(back, first.finds(peer(2), "/tcp/4102/"), "found again") < SECOND * 3);
    }
}
