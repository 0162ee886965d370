//! Whom a request comes from: the socket's address, or what a trusted proxy says (THREATS 15, 16).
//!
//! A forwarding header is read from right to left, since each proxy adds the address that it was asked from at the end: hops that are
//! trusted proxies themselves are passed over, and the first that is not is the client. What stands further left the client
//! could have written itself. Nothing is read where the socket is not that of a trusted proxy.
//!
//! `X-Forwarded-For` is what proxies write in practice; `Forwarded` (RFC 7239) counts only where there is none of it, since a proxy
//! passes on the one that it does not write. A hop that is no address (`unknown`, `_hidden`, garbage) ends the walk: then the proxy
//! that let it through is the client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use axum::http::{HeaderMap, HeaderName, header};

use crate::config::net::Network;

mod hops;
mod unnamed_proxy;

pub use unnamed_proxy::UnnamedProxy;

/// Hops that are walked; a chain of more trusted proxies ends at the last one looked at.
pub const MAX_HOPS: usize = 32;

/// The proxies whose word on a client's address counts.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// Trust these networks (`http.trusted_proxies`); none: nobody's word counts.
    pub fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Whether the word of `addr` counts.
    pub fn trusts(&self, addr: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(addr))
    }

    /// The client of a request that came over a socket to `socket`; IPv4 inside IPv6 is told as IPv4.
    pub fn client(&self, socket: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = socket.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        for hop in hops::from_the_right(headers).take(MAX_HOPS) {
            let Some(hop) = hop else { break };
            client = hop;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }
}

/// Whether a proxy says that it passes on somebody else's request; true or not, such a request is nobody's of this machine.
pub fn is_forwarded(headers: &HeaderMap) -> bool {
    let names = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via"];
    headers.contains_key(header::FORWARDED) || names.into_iter().any(|name| headers.contains_key(HeaderName::from_static(name)))
}

/// Whom limits count: an IPv4 address, or an IPv6 /64, since one host owns a whole one (THREATS 16).
pub fn host_key(address: IpAddr) -> IpAddr {
    masked(address, 32, 64)
}

/// Whom totals count: an IPv4 /24, or an IPv6 /48, which is what one customer or one hosting account is given (THREATS 7, 16).
pub fn prefix_key(address: IpAddr) -> IpAddr {
    masked(address, 24, 48)
}

fn masked(address: IpAddr, v4: u32, v6: u32) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(addr) => Ipv4Addr::from_bits(addr.to_bits() & (u32::MAX << (32 - v4))).into(),
        IpAddr::V6(addr) => Ipv6Addr::from_bits(addr.to_bits() & (u128::MAX << (128 - v6))).into(),
    }
}

#[cfg(test)]
mod tests;
