//! Which addresses a peer tells the world, and which of a stranger's it may be made to dial (THREATS 4).
//!
//! Whoever is on a rendezvous can name any address, so that others knock there. Therefore an address counts only in a message that its
//! peer has signed, and only if it is one of these, at most [`KEPT_ADDRS`] of them:
//!
//! - a public one: global unicast as THREATS 37 has it, so no address of this machine, of somebody's home, or of the network's own;
//! - a private one that lies on one of *our* subnets: two people in one house whose mDNS does not reach each other. Anywhere else
//!   it would lead to a stranger's printer;
//! - loopback, where this peer keeps to loopback itself;
//! - a circuit through a relay whose own address is one of these.
//!
//! TCP and QUIC on IP addresses only: a name could mean another place for each who asks. What is told is chosen alike: public addresses
//! first, then private ones, which only housemates will use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::proto::presence::{KEPT_ADDRS, MAX_ADDR};

/// Those of a stranger's addresses that may be dialled, without their `/p2p/<peer>`. `ours` tells whether an address is on one of
/// our own subnets, `loopback` whether this peer keeps to loopback.
pub fn dialable(addrs: &[Multiaddr], peer: &PeerId, ours: impl Fn(IpAddr) -> bool, loopback: bool) -> Vec<Multiaddr> {
    let allowed = |ip: IpAddr| if ip.is_loopback() { loopback } else { is_public(ip) || (is_private(ip) && ours(ip)) };
    let mut kept = Vec::new();
    for place in addrs.iter().take(KEPT_ADDRS).filter_map(|addr| Place::parse(addr, peer)).filter(|place| allowed(place.ip)) {
        if !kept.contains(&place.addr) {
            kept.push(place.addr);
        }
    }
    kept
}

/// Those of our own addresses that are told, the most useful first. Loopback ones only where there is nothing else.
pub fn published(ours: impl IntoIterator<Item = Multiaddr>, me: &PeerId) -> Vec<Multiaddr> {
    let mut places: Vec<(u8, Multiaddr)> = Vec::new();
    for place in ours.into_iter().filter(|addr| addr.to_string().len() <= MAX_ADDR).filter_map(|addr| Place::parse(&addr, me)) {
        if let Some(rank) = place.rank()
            && places.iter().all(|(_, known)| *known != place.addr)
        {
            places.push((rank, place.addr));
        }
    }
    places.sort_by_key(|(rank, _)| *rank);
    let best_is_loopback = places.first().is_some_and(|(rank, _)| *rank == LOOPBACK);
    places.into_iter().filter(|(rank, _)| *rank != LOOPBACK || best_is_loopback).map(|(_, addr)| addr).take(KEPT_ADDRS).collect()
}

/// The IP address that a multiaddr starts with; IPv4 in IPv6 clothes counts as IPv4.
pub fn ip_of(addr: &Multiaddr) -> Option<IpAddr> {
    addr.iter().find_map(|part| ip_of_part(&part))
}

/// Whether packets to `ip` go to the internet, to one machine: global unicast, and none of the special ranges (RFC 6890).
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let protocols = (a, b, c) == (192, 0, 0) || (a, b, c) == (192, 88, 99);
    let benchmarks = a == 198 && (b == 18 || b == 19);
    let nowhere = a == 0 || a >= 224 || ip.is_loopback() || ip.is_private() || ip.is_link_local() || ip.is_documentation();
    !(shared || protocols || benchmarks || nowhere)
}

/// Of 2000::/3 without documentation, Teredo and 6to4, which wrap an IPv4 address of anyone's choice.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let documentation = (a, b) == (0x2001, 0xdb8) || (a == 0x3fff && b < 0x1000);
    let special = a == 0x2001 && b < 0x200;
    a & 0xe000 == 0x2000 && !documentation && !special && a != 0x2002
}

/// Whether somebody's network may use `ip` for one of its machines: not public, and neither this machine, a link nor many of them.
fn is_private(ip: IpAddr) -> bool {
    let possible = match ip.to_canonical() {
        IpAddr::V4(v4) => (1..224).contains(&v4.octets()[0]) && !v4.is_link_local(),
        IpAddr::V6(v6) => v6.segments()[0] != 0 && !v6.is_multicast() && !v6.is_unicast_link_local(),
    };
    possible && !ip.to_canonical().is_loopback() && !is_public(ip)
}

/// Loopback comes last.
const LOOPBACK: u8 = 3;

/// An address of a form that we can dial.
struct Place {
    /// Without the peer at its end.
    addr: Multiaddr,
    /// Where the first packet goes.
    ip: IpAddr,
    relayed: bool,
}

impl Place {
    /// `/ip4|ip6/…/tcp/…` or `/ip4|ip6/…/udp/…/quic-v1`, then perhaps `/p2p/<relay>/p2p-circuit`, then perhaps `/p2p/<peer>`.
    fn parse(addr: &Multiaddr, peer: &PeerId) -> Option<Self> {
        let whole: Vec<Protocol<'_>> = addr.iter().collect();
        let parts = whole.strip_suffix(&[Protocol::P2p(*peer)]).unwrap_or(&whole);
        let (ip, rest) = match parts {
            [ip, Protocol::Tcp(1..), rest @ ..] | [ip, Protocol::Udp(1..), Protocol::QuicV1, rest @ ..] => (ip_of_part(ip)?, rest),
            _ => return None,
        };
        let relayed = match rest {
            [] => false,
            [Protocol::P2p(relay), Protocol::P2pCircuit] => relay != peer,
            _ => return None,
        };
        (rest.is_empty() || relayed).then(|| Self { addr: parts.iter().cloned().collect(), ip, relayed })
    }

    /// How useful the address is to others, smallest first; `None` if it is to nobody.
    fn rank(&self) -> Option<u8> {
        match self.ip {
            ip if is_public(ip) => Some(u8::from(self.relayed)),
            ip if is_private(ip) => Some(2),
            ip if ip.is_loopback() => Some(LOOPBACK),
            _ => None,
        }
    }
}

fn ip_of_part(part: &Protocol<'_>) -> Option<IpAddr> {
    match part {
        Protocol::Ip4(ip) => Some(IpAddr::V4(*ip)),
        Protocol::Ip6(ip) => Some(IpAddr::V6(*ip).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(addrs: &[&str]) -> Vec<Multiaddr> {
        addrs.iter().map(|addr| addr.parse().unwrap()).collect()
    }

    fn dialled(addrs: &[&str], loopback: bool) -> Vec<String> {
        let ours = |ip: IpAddr| matches!(ip, IpAddr::V4(v4) if v4.octets()[..3] == [192, 168, 1]);
        dialable(&list(addrs), &PeerId::random(), ours, loopback).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn public_addresses_of_both_transports_are_dialled() {
        let relay = PeerId::random();
        let circuit = format!("/ip4/45.45.45.10/tcp/4001/p2p/{relay}/p2p-circuit");
        let good = ["/ip4/45.45.45.21/tcp/40001", "/ip6/2a01:4f8::1/udp/4/quic-v1", "/ip4/9.9.9.9/udp/4/quic-v1", &circuit];
        assert_eq!(dialled(&good, false), good);
    }

    #[test]
    fn a_private_address_is_dialled_on_our_own_subnet_only_and_loopback_where_we_keep_to_it() {
        let private = ["/ip4/192.168.1.5/tcp/1", "/ip4/192.168.2.5/tcp/1", "/ip4/10.0.0.1/tcp/1", "/ip4/127.0.0.1/tcp/1"];
        assert_eq!(dialled(&private, false), private[..1]);
        assert_eq!(dialled(&private, true), [private[0], private[3]]);
    }

    #[test]
    fn attack_no_special_range_and_no_name_is_dialled() {
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "10.1.1.1",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.251",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert_eq!(dialled(&[&format!("/ip4/{ip}/tcp/80")], false), [""; 0], "{ip}");
            assert_eq!(dialled(&[&format!("/ip6/::ffff:{ip}/tcp/80")], false), [""; 0], "mapped {ip}");
        }
        for ip in [
            "::",
            "::1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "fc00::1",
            "fe80::1",
            "ff02::fb",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "3fff::1",
        ] {
            assert_eq!(dialled(&[&format!("/ip6/{ip}/tcp/80")], false), [""; 0], "{ip}");
        }
        let me = PeerId::random();
        let inner = format!("/ip4/127.0.0.1/tcp/1/p2p/{me}/p2p-circuit");
        let other = format!("/ip4/45.45.45.1/tcp/1/p2p/{me}");
        let strange = [
            "/dns4/victim.example/tcp/80",
            "/dnsaddr/victim.example",
            "/ip4/45.45.45.1/tcp/0",
            "/ip4/45.45.45.1/udp/53",
            "/ip4/45.45.45.1/tcp/80/http",
            "/ip4/45.45.45.1/tcp/80/ws",
            "/memory/7",
            "/p2p-circuit",
            &inner,
            &other,
        ];
        assert_eq!(dialled(&strange, false), [""; 0]);
    }

    #[test]
    fn attack_a_thousand_addresses_leave_eight() {
        let many: Vec<String> = (1..=1000).map(|port| format!("/ip4/45.45.45.1/tcp/{port}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(dialled(&many, false).len(), KEPT_ADDRS);
    }

    #[test]
    fn public_addresses_are_told_first_and_loopback_only_where_there_is_nothing_else() {
        let me = PeerId::random();
        let told = |addrs: &[&str]| published(list(addrs), &me).iter().map(ToString::to_string).collect::<Vec<_>>();
        let mixed =
            ["/ip4/127.0.0.1/tcp/1", "/ip4/10.88.0.9/tcp/1", "/ip4/45.45.45.1/tcp/1", "/ip6/fe80::1/tcp/1", "/ip4/45.45.45.1/tcp/1"];
        assert_eq!(told(&mixed), ["/ip4/45.45.45.1/tcp/1", "/ip4/10.88.0.9/tcp/1"]);
        assert_eq!(told(&["/ip4/127.0.0.1/tcp/1"]), ["/ip4/127.0.0.1/tcp/1"]);
        let with_peer = format!("/ip4/45.45.45.1/tcp/1/p2p/{me}");
        assert_eq!(told(&[&with_peer]), ["/ip4/45.45.45.1/tcp/1"]);
    }
}
