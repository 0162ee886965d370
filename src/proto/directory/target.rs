//! Which of a stranger's addresses this hub may ask anything (THREATS 37): whoever lists a community could otherwise make the hub knock at
//! doors inside its own network.
//!
//! Every address that the name has must be global unicast, not only the one that is used; the port is one of the web's, goop's, or one that
//! no system service has. The address that was judged is the one that is asked: the name is not looked up again. What the
//! operator lists is exempt, since he may ask anything from there already.

use std::net::{IpAddr, SocketAddr};

use thiserror::Error;

use crate::proto::signed::addrs::is_public;

/// Ports below 1024 that may be asked.
const LOW_PORTS: [u16; 2] = [80, 443];
/// Most addresses of one name that are looked at; a name with more is refused.
pub const MAX_ADDRESSES: usize = 32;

/// Why an address may not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TargetError {
    /// The name has no address.
    #[error("this name has no address")]
    Nowhere,
    /// It leads, or may lead, into somebody's own network.
    #[error("{0} is no public address")]
    NotPublic(IpAddr),
    /// A system service's port.
    #[error("port {0} is not asked: 80, 443, 8787 and those from 1024 on are")]
    Port(u16),
    /// [`MAX_ADDRESSES`].
    #[error("this name has more than {MAX_ADDRESSES} addresses")]
    Many,
}

/// Whose address it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// A stranger's: the rules of this file hold.
    Stranger,
    /// The operator's: anything may be asked.
    Operator,
}

/// The addresses to ask, of all those that a name has.
///
/// # Errors
/// See [`TargetError`].
pub fn judge(addresses: &[IpAddr], port: u16, trust: Trust) -> Result<Vec<SocketAddr>, TargetError> {
    if addresses.is_empty() {
        return Err(TargetError::Nowhere);
    }
    if addresses.len() > MAX_ADDRESSES {
        return Err(TargetError::Many);
    }
    if trust == Trust::Stranger {
        if let Some(inside) = addresses.iter().find(|ip| !is_public(**ip)) {
            return Err(TargetError::NotPublic(*inside));
        }
        if port < 1024 && !LOW_PORTS.contains(&port) {
            return Err(TargetError::Port(port));
        }
    }
    Ok(addresses.iter().map(|ip| SocketAddr::new(*ip, port)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn attack_one_inner_address_among_public_ones_is_enough_to_refuse() {
        let mixed = [ip("9.9.9.9"), ip("10.0.0.1")];
        assert_eq!(judge(&mixed, 443, Trust::Stranger), Err(TargetError::NotPublic(mixed[1])));
        assert_eq!(judge(&mixed, 443, Trust::Operator).map(|all| all.len()), Ok(2));
        assert_eq!(judge(&[], 443, Trust::Operator), Err(TargetError::Nowhere));
        assert_eq!(judge(&[mixed[0]; 33], 443, Trust::Operator), Err(TargetError::Many));
    }

    #[test]
    fn attack_no_system_service_is_asked() {
        for port in [22, 25, 53, 110, 143, 445, 587, 631, 1, 0, 1023] {
            assert_eq!(judge(&[ip("9.9.9.9")], port, Trust::Stranger), Err(TargetError::Port(port)));
        }
        for port in [80, 443, 1024, 8787, 65535] {
            assert!(judge(&[ip("9.9.9.9")], port, Trust::Stranger).is_ok(), "{port}");
        }
    }

    #[test]
    fn attack_no_special_range_is_asked() {
        for inside in [
            "127.0.0.1",
            "127.1.2.3",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "192.88.99.1",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001::1",
            "2001:10::1",
            "100::1",
            "fec0::1",
            "3fff::1",
            "5f00::1",
        ] {
            assert_eq!(judge(&[ip(inside)], 8787, Trust::Stranger), Err(TargetError::NotPublic(ip(inside))), "{inside}");
        }
    }
}
