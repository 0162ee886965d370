//! Which IP addresses belong to the internet at large, and so may be dialled at a stranger's word or told to strangers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether `ip` is reachable from anywhere, as far as its number tells: nothing private, shared, local, reserved or for examples
/// (RFC 6890). IPv4 in IPv6 clothes counts as IPv4; tunnels that carry an IPv4 address inside count as not public.
pub fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4_is_public(v4),
        IpAddr::V6(v6) => v6_is_public(v6),
    }
}

fn v4_is_public(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && b & 0xc0 == 64;
    let special = a == 0 || a >= 224 || (a, b, c) == (192, 0, 0) || (a, b & 0xfe) == (198, 18);
    !(shared || special || ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_documentation())
}

fn v6_is_public(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let teredo_and_other_protocols = a == 0x2001 && b < 0x200;
    let documentation = (a, b) == (0x2001, 0xdb8) || (a == 0x3fff && b < 0x1000);
    let sixtofour = a == 0x2002;
    a & 0xe000 == 0x2000 && !(teredo_and_other_protocols || documentation || sixtofour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for public in ["45.45.45.10", "1.1.1.1", "2a01:4f8::1", "::ffff:8.8.8.8"] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for not in [
            "10.0.0.1",
            "172.31.0.1",
            "192.168.1.1",
            "127.0.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.251",
            "255.255.255.255",
            "198.18.0.1",
            "203.0.113.5",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "ff02::fb",
            "::ffff:10.0.0.1",
            "2001:db8::1",
            "2002:a00:1::1",
            "64:ff9b::a00:1",
        ] {
            assert!(!is_public(not.parse().unwrap()), "{not}");
        }
    }
}
