//! Our DNS-SD record and other people's.
//!
//! The TXT record has `peer=<id>` and up to eight addresses: `dnsaddr=…`, `dnsaddr2=…` … `dnsaddr8=…`, because DNS-SD lets each key stand
//! only once (RFC 6763, 6.4).

use std::collections::HashMap;
use std::net::Ipv6Addr;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use mdns_sd::{ResolvedService, ScopedIp, TxtProperty};

use crate::peer::discovery::hint::{self, MAX_TXT, Origin, Refused};
use crate::peer::discovery::interfaces::Subnets;

const PEER_KEY: &str = "peer";
const ADDR_KEY: &str = "dnsaddr";

/// The TXT record of `me` at `addrs`.
pub(super) fn properties(me: PeerId, addrs: &[Multiaddr]) -> Vec<TxtProperty> {
    let key = |index| if index == 0 { ADDR_KEY.to_owned() } else { format!("{ADDR_KEY}{}", index + 1) };
    let fitting = addrs.iter().map(Multiaddr::to_string).filter(|addr| addr.len() + ADDR_KEY.len() + 2 <= MAX_TXT);
    let listed = fitting.enumerate().map(|(index, addr)| TxtProperty::from((key(index), addr)));
    std::iter::once(TxtProperty::from((PEER_KEY, me.to_string()))).chain(listed).collect()
}

/// Whom a record names, and those of its addresses that we believe; `peer=` and the addresses must agree.
pub(super) fn read(service: &ResolvedService, me: PeerId, subnets: &Subnets) -> Result<(PeerId, Vec<Multiaddr>), Refused> {
    let zones = zones(service);
    let zone = |ip: Ipv6Addr| zones.get(&ip).cloned();
    let origin = Origin { me, subnets, same_host: came_over_loopback(service, subnets), zone: &zone };
    let strings: Vec<String> = service.txt_properties.iter().filter_map(dnsaddr).collect();
    let (peer, addrs) = hint::believe(strings.iter().map(String::as_bytes), &origin)?;
    let named = service.get_property_val_str(PEER_KEY) == Some(&peer.to_string());
    if named { Ok((peer, addrs)) } else { Err(Refused::SeveralPeers) }
}

/// `dnsaddr<n>=<addr>` as `dnsaddr=<addr>`.
fn dnsaddr(property: &TxtProperty) -> Option<String> {
    let number = property.key().strip_prefix(ADDR_KEY)?;
    number.bytes().all(|byte| byte.is_ascii_digit()).then(|| format!("{}{}", hint::KEY, property.val_str()))
}

/// On which interface each IPv6 address was announced.
fn zones(service: &ResolvedService) -> HashMap<Ipv6Addr, String> {
    let scoped = service.addresses.iter().filter_map(|address| match address {
        ScopedIp::V6(v6) => Some((*v6.addr(), v6.scope_id().name.clone())),
        _ => None,
    });
    scoped.collect()
}

/// A loopback address that was announced on the loopback interface: nobody outside this host can do that.
fn came_over_loopback(service: &ResolvedService, subnets: &Subnets) -> bool {
    let loopback = |index: u32| subnets.iter().any(|subnet| subnet.index == index && subnet.addr.is_loopback());
    service.addresses.iter().any(|address| match address {
        ScopedIp::V4(v4) => v4.addr().is_loopback() && v4.interface_ids().iter().any(|interface| loopback(interface.index)),
        ScopedIp::V6(v6) => v6.addr().is_loopback() && loopback(v6.scope_id().index),
        _ => false,
    })
}

/// The port of an address, for the SRV record.
pub(super) fn port(addr: &Multiaddr) -> Option<u16> {
    addr.iter().find_map(|part| match part {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
        _ => None,
    })
}
