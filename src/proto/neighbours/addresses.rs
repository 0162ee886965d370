//! Where a LAN peer can be dialled: which of the addresses that mDNS names are believed, and which are kept.

use std::net::IpAddr;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::proto::signed::addrs::ip_of;

/// Addresses kept for one peer.
pub(super) const KEPT: usize = 8;
/// Addresses of one peer that are dialled at once; the next dial tries others (THREATS 4).
pub(super) const DIALLED: usize = 3;
/// Addresses of one report that are looked at.
const LOOKED_AT: usize = 64;

/// The addresses of one peer: first the one that worked, then what mDNS said last.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    proven: Option<Multiaddr>,
    hints: Vec<Multiaddr>,
    /// Whom their dials burden, so that it need not be read from them again and again.
    hosts: Vec<Option<IpAddr>>,
    failed: bool,
}

impl Addresses {
    /// Newer hints stand before older ones; those that have failed go when there are new ones.
    pub(super) fn hint(&mut self, mut found: Vec<Multiaddr>) {
        if !std::mem::take(&mut self.failed) {
            let older = std::mem::take(&mut self.hints).into_iter().filter(|addr| !found.contains(addr)).collect::<Vec<_>>();
            found.extend(older);
        }
        found.truncate(KEPT);
        self.hints = found;
        self.note_hosts();
    }

    /// A dial of this address led to the peer.
    pub(super) fn prove(&mut self, addr: &Multiaddr) {
        self.proven = Some(without_peer(addr));
        self.failed = false;
        self.note_hosts();
    }

    /// A dial failed: what was said anew replaces them.
    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    /// The next dial tries other hints.
    pub(super) fn rotate(&mut self) {
        let tried = if self.proven.is_some() { DIALLED - 1 } else { DIALLED };
        let turns = tried.min(self.hints.len());
        self.hints.rotate_left(turns);
    }

    /// What to dial, the most promising first.
    pub(super) fn all(&self) -> impl Iterator<Item = &Multiaddr> {
        let hints = self.hints.iter().filter(|addr| Some(*addr) != self.proven.as_ref());
        self.proven.iter().chain(hints).take(KEPT)
    }

    /// Whose hosts they name; `None` is this one.
    pub(super) fn hosts(&self) -> &[Option<IpAddr>] {
        &self.hosts
    }

    fn note_hosts(&mut self) {
        let mut hosts: Vec<_> = self.all().map(host_of).collect();
        hosts.sort_unstable();
        hosts.dedup();
        self.hosts = hosts;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.proven.is_none() && self.hints.is_empty()
    }
}

/// At most [`KEPT`] of `addrs`: those that a LAN peer of this id can have, without `/p2p`, in their order.
pub(super) fn on_the_lan(addrs: &[Multiaddr], peer: &PeerId, ours: impl Fn(IpAddr) -> bool) -> Vec<Multiaddr> {
    let mut kept = Vec::new();
    for addr in addrs.iter().take(LOOKED_AT).filter(|addr| is_dialable(addr, peer, &ours)) {
        let addr = without_peer(addr);
        if kept.len() < KEPT && !kept.contains(&addr) {
            kept.push(addr);
        }
    }
    kept
}

/// Whom a dial of the address burdens; nobody, where it is loopback, which only this host can name.
pub(super) fn host_of(addr: &Multiaddr) -> Option<IpAddr> {
    ip_of(addr).filter(|ip| !ip.is_loopback())
}

fn without_peer(addr: &Multiaddr) -> Multiaddr {
    addr.iter().filter(|part| !matches!(part, Protocol::P2p(_))).collect()
}

/// An IP address of a LAN, then TCP or QUIC, then nothing but perhaps the right peer: no names, relays, proxies or web sockets.
fn is_dialable(addr: &Multiaddr, peer: &PeerId, ours: impl Fn(IpAddr) -> bool) -> bool {
    let mut parts = addr.iter().peekable();
    let zoned = parts.next_if(|part| matches!(part, Protocol::Ip6zone(_))).is_some();
    let ip = match parts.next() {
        Some(Protocol::Ip4(ip)) if !zoned => IpAddr::V4(ip),
        Some(Protocol::Ip6(ip)) if zoned == ip.is_unicast_link_local() => IpAddr::V6(ip),
        _ => return false,
    };
    let transport = match parts.next() {
        Some(Protocol::Tcp(port)) => port != 0,
        Some(Protocol::Udp(port)) => port != 0 && parts.next() == Some(Protocol::QuicV1),
        _ => false,
    };
    let whose = parts.next();
    let theirs = whose.is_none() || whose == Some(Protocol::P2p(*peer));
    transport && theirs && parts.next().is_none() && is_lan(ip.to_canonical(), ours)
}

/// An address elsewhere is none of the LAN's business, and to dial one at a stranger's word is an attack on it or joins two networks
/// (THREATS 4, 48, 70).
fn is_lan(ip: IpAddr, ours: impl Fn(IpAddr) -> bool) -> bool {
    let nobody = match ip {
        IpAddr::V4(v4) => v4.is_unspecified() || v4.is_broadcast() || v4.is_multicast(),
        IpAddr::V6(v6) => v6.is_unspecified() || v6.is_multicast(),
    };
    !nobody && ours(ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    /// 10.0.0.0/16, fd00::/64, link-local and loopback.
    fn ours(ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(v4) => v4.octets()[..2] == [10, 0] || v4.is_loopback(),
            IpAddr::V6(v6) => v6.segments()[..4] == [0xfd00, 0, 0, 0] || v6.is_unicast_link_local() || v6.is_loopback(),
        }
    }

    fn kept(list: &[&str], peer: &PeerId) -> Vec<String> {
        let list: Vec<Multiaddr> = list.iter().map(|text| addr(text)).collect();
        on_the_lan(&list, peer, ours).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lan_addresses_of_both_transports_are_taken() {
        let good = [
            "/ip4/10.0.0.5/tcp/40001",
            "/ip4/10.0.0.1/udp/4/quic-v1",
            "/ip4/127.0.0.1/tcp/1",
            "/ip6/fd00::1/tcp/1",
            "/ip6zone/eth0/ip6/fe80::1/tcp/1",
            "/ip6/::1/udp/9/quic-v1",
        ];
        assert_eq!(kept(&good, &PeerId::random()), good);
    }

    #[test]
    fn attack_mdns_cannot_make_us_dial_other_networks_names_or_relays() {
        let (peer, other) = (PeerId::random(), PeerId::random());
        let bad = [
            "/ip4/8.8.8.8/tcp/53",
            "/ip4/10.1.0.1/tcp/1",
            "/ip4/192.168.1.5/tcp/1",
            "/ip4/169.254.169.254/tcp/80",
            "/ip6/fd01::1/tcp/1",
            "/ip6/fe80::1/tcp/1",
            "/ip6zone/eth0/ip6/fd00::1/tcp/1",
            "/ip6zone/eth0/ip4/10.0.0.1/tcp/1",
            "/ip4/100.64.0.1/tcp/1",
            "/ip6/2001:db8::1/tcp/1",
            "/ip6/::ffff:8.8.8.8/tcp/1",
            "/ip4/0.0.0.0/tcp/1",
            "/ip4/255.255.255.255/tcp/1",
            "/ip4/224.0.0.251/udp/5353/quic-v1",
            "/ip6/ff02::fb/udp/5353/quic-v1",
            "/ip4/10.0.0.1/tcp/0",
            "/ip4/10.0.0.1/udp/1",
            "/ip4/10.0.0.1",
            "/ip4/10.0.0.1/tcp/80/ws",
            "/dns4/victim.example/tcp/443",
            &format!("/ip4/10.0.0.1/tcp/1/p2p/{other}"),
            &format!("/ip4/10.0.0.1/tcp/1/p2p/{other}/p2p-circuit/p2p/{peer}"),
        ];
        assert_eq!(kept(&bad, &peer), [""; 0]);
    }

    #[test]
    fn attack_a_thousand_addresses_leave_eight_and_the_proven_one_stays() {
        let peer = PeerId::random();
        let many: Vec<Multiaddr> = (0..1000).map(|n| addr(&format!("/ip4/10.0.0.1/tcp/{}/p2p/{peer}", n + 1))).collect();
        let mut addresses = Addresses::default();
        addresses.prove(&addr("/ip4/10.0.0.9/tcp/9"));
        for some in many.chunks(10) {
            addresses.hint(on_the_lan(some, &peer, ours));
        }
        assert_eq!(addresses.all().count(), KEPT);
        assert_eq!(addresses.all().next(), Some(&addr("/ip4/10.0.0.9/tcp/9")));
    }

    #[test]
    fn what_has_failed_goes_when_something_new_is_said() {
        let mut addresses = Addresses::default();
        addresses.hint(vec![addr("/ip4/10.0.0.1/tcp/1")]);
        addresses.hint(vec![addr("/ip4/10.0.0.1/tcp/2")]);
        assert!(addresses.all().eq(&[addr("/ip4/10.0.0.1/tcp/2"), addr("/ip4/10.0.0.1/tcp/1")]));
        addresses.fail();
        addresses.hint(vec![addr("/ip4/10.0.0.1/tcp/3")]);
        assert!(addresses.all().eq(&[addr("/ip4/10.0.0.1/tcp/3")]));
    }

    #[test]
    fn every_address_has_its_turn() {
        let list: Vec<Multiaddr> = (1..=8).map(|port| addr(&format!("/ip4/10.0.0.1/tcp/{port}"))).collect();
        let mut addresses = Addresses::default();
        addresses.hint(list.clone());
        let mut tried = Vec::new();
        for _ in 0..3 {
            tried.extend(addresses.all().take(DIALLED).cloned());
            addresses.rotate();
        }
        assert!(list.iter().all(|addr| tried.contains(addr)));
    }
}
