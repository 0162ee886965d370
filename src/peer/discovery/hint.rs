//! What a record may say, in both directions: which of our addresses we announce, and which of a stranger's we believe.
//!
//! A record is a hint that anyone on the LAN can forge; the Noise handshake decides who answers there. Still it is judged here,
//! so that a forged one cannot make us dial into another network, into our own loopback, or someone with two names (THREATS 48, 70).

use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use super::interfaces::{Subnets, is_link_local};

/// Addresses of one record, announced or believed.
pub(super) const MAX_ADDRS: usize = 8;

/// Bytes of one TXT string (RFC 1035, 3.3).
pub(super) const MAX_TXT: usize = 255;

/// Strings of one record that are looked at.
const MAX_STRINGS: usize = 64;

/// Stands before each address in a TXT string.
pub(super) const KEY: &str = "dnsaddr=";

/// Where a record came from.
pub(super) struct Origin<'a> {
    pub(super) me: PeerId,
    pub(super) subnets: &'a Subnets,
    /// Whether the sender is a process on this host; only then do its loopback addresses mean anything.
    pub(super) same_host: bool,
    /// The interface on which a link-local address can be reached.
    pub(super) zone: &'a dyn Fn(Ipv6Addr) -> Option<String>,
}

/// Why a record was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It is our own.
    Mine,
    /// Its addresses belong to more than one peer.
    SeveralPeers,
    /// No address in it is one that a LAN peer can have.
    NoAddress,
}

/// The peer and the addresses that the `dnsaddr=` strings of one record name; on our own subnets first, link-local last.
pub(super) fn believe<'a>(strings: impl IntoIterator<Item = &'a [u8]>, origin: &Origin<'_>) -> Result<(PeerId, Vec<Multiaddr>), Refused> {
    let dialable: Vec<Dialable> = strings.into_iter().take(MAX_STRINGS).filter_map(Dialable::parse).collect();
    let peer = dialable.first().ok_or(Refused::NoAddress)?.peer;
    if dialable.iter().any(|other| other.peer != peer) {
        return Err(Refused::SeveralPeers);
    }
    if peer == origin.me {
        return Err(Refused::Mine);
    }
    let mut ranked: Vec<(u8, Multiaddr)> = dialable.iter().filter_map(|one| one.judge(origin)).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    let addrs = distinct(ranked.into_iter().map(|(_, addr)| addr));
    if addrs.is_empty() { Err(Refused::NoAddress) } else { Ok((peer, addrs)) }
}

/// Those of our listen addresses that others on the LAN can use, best first, each ending in `/p2p/<me>`: TCP before QUIC,
/// routable before link-local. Loopback ones only in `loopback_only` mode or when nothing but link-local ones exists.
pub(super) fn advertised(me: PeerId, listen: &[Multiaddr], loopback_only: bool) -> Vec<Multiaddr> {
    let mut ours: Vec<Dialable> = listen.iter().filter_map(|addr| Dialable::from_listen(addr, me)).collect();
    let routable = |one: &Dialable| !one.ip.is_loopback() && !is_link_local(one.ip);
    let with_loopback = loopback_only || !ours.iter().any(routable);
    ours.retain(|one| if one.ip.is_loopback() { with_loopback } else { !loopback_only });
    ours.sort_by_key(|one| (!routable(one), one.is_quic(), one.ip.is_ipv6()));
    distinct(ours.into_iter().map(|one| one.addr))
}

/// The first [`MAX_ADDRS`] different ones, in their order.
fn distinct(addrs: impl Iterator<Item = Multiaddr>) -> Vec<Multiaddr> {
    let mut seen = HashSet::new();
    addrs.filter(|addr| seen.insert(addr.clone())).take(MAX_ADDRS).collect()
}

/// The address as a TXT string; `None` if it is too long for one.
pub(super) fn txt(addr: &Multiaddr) -> Option<String> {
    Some(format!("{KEY}{addr}")).filter(|text| text.len() <= MAX_TXT)
}

/// `/ip4|ip6/…/tcp/…/p2p/…` or `/ip4|ip6/…/udp/…/quic-v1/p2p/…`, the two kinds we can dial.
struct Dialable {
    addr: Multiaddr,
    ip: IpAddr,
    peer: PeerId,
}

impl Dialable {
    fn parse(string: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(string).ok().filter(|text| text.len() <= MAX_TXT)?;
        let addr: Multiaddr = text.strip_prefix(KEY)?.parse().ok()?;
        Self::from_full(addr)
    }

    fn from_listen(addr: &Multiaddr, me: PeerId) -> Option<Self> {
        let full =
            if addr.iter().any(|part| matches!(part, Protocol::P2p(_))) { addr.clone() } else { addr.clone().with(Protocol::P2p(me)) };
        Self::from_full(full).filter(|one| one.peer == me && !one.ip.is_unspecified())
    }

    fn from_full(addr: Multiaddr) -> Option<Self> {
        let mut parts = addr.iter();
        let ip = ip_of(&parts.next()?)?;
        match parts.next()? {
            Protocol::Tcp(1..) => {}
            Protocol::Udp(1..) if parts.next() == Some(Protocol::QuicV1) => {}
            _ => return None,
        }
        let Some(Protocol::P2p(peer)) = parts.next() else { return None };
        let ends = parts.next().is_none();
        ends.then_some(Self { addr, ip, peer })
    }

    fn is_quic(&self) -> bool {
        self.addr.iter().any(|part| part == Protocol::QuicV1)
    }

    /// The address as it is dialled and its rank, or `None` if no LAN peer that we could reach has it.
    fn judge(&self, origin: &Origin<'_>) -> Option<(u8, Multiaddr)> {
        match self.ip {
            ip if ip.is_unspecified() || ip.is_multicast() || ip.to_canonical() != ip => None,
            ip if ip.is_loopback() => origin.same_host.then(|| (1, self.addr.clone())),
            IpAddr::V6(v6) if v6.is_unicast_link_local() => {
                let zone = Multiaddr::empty().with(Protocol::Ip6zone((origin.zone)(v6)?.into()));
                Some((2, self.addr.iter().fold(zone, Multiaddr::with)))
            }
            ip => origin.subnets.iter().any(|subnet| subnet.contains(ip)).then(|| (0, self.addr.clone())),
        }
    }
}

fn ip_of(part: &Protocol<'_>) -> Option<IpAddr> {
    match part {
        Protocol::Ip4(v4) => Some(IpAddr::V4(*v4)),
        Protocol::Ip6(v6) => Some(IpAddr::V6(*v6)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
