//! Names that lead into the internet only, for places to which a server on the internet has sent us, or whose own name was there before
//! (nobody turns it inward later): whatever name it writes, nobody is made to knock at this machine or in the house (THREATS 4, 37). What
//! a name means is asked once per connection, and that address is dialled, so it cannot mean another one a moment later.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use reqwest::dns::{Name, Resolve, Resolving};

use super::place::is_home;
use crate::proto::signed::addrs::is_public;

/// The prefix by which a network without IPv4 reaches it (NAT64, RFC 6052 §2.1): the IPv4 address stands in the last 32 bits.
const TRANSLATED: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// Whether packets to `ip` go to the internet, be it through a translator.
pub fn is_internet(ip: IpAddr) -> bool {
    is_public(match ip {
        IpAddr::V6(v6) if v6.segments()[..6] == TRANSLATED => Ipv4Addr::from_bits((v6.to_bits() & u128::from(u32::MAX)) as u32).into(),
        other => other,
    })
}

/// See the head of this file.
#[derive(Debug, Clone, Copy)]
pub struct PublicOnly;

/// Names that lead into the house only, for what is told without encryption there alone.
#[derive(Debug, Clone, Copy)]
pub struct HomeOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        only(name, is_internet, "the name leads into a private network")
    }
}

impl Resolve for HomeOnly {
    fn resolve(&self, name: Name) -> Resolving {
        only(name, is_home, "the name leads out of the house")
    }
}

fn only(name: Name, is_meant: fn(IpAddr) -> bool, none: &'static str) -> Resolving {
    Box::pin(async move {
        let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
        let meant: Vec<SocketAddr> = found.filter(|addr| is_meant(addr.ip())).collect();
        if meant.is_empty() {
            return Err(none.into());
        }
        Ok(Box::new(meant.into_iter()) as Box<dyn Iterator<Item = SocketAddr> + Send>)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_behind_a_translator_is_what_it_is_translated_to() {
        let is = |ip: &str| is_internet(ip.parse().unwrap());
        assert!(is("64:ff9b::2d2d:2d2d") && is("45.45.45.45") && is("2a00::1"));
        for inner in
            ["64:ff9b::c0a8:101", "64:ff9b::7f00:1", "64:ff9b:1::2d2d:2d2d", "2002:2d2d:2d2d::1", "2001:0:2d2d::1", "::ffff:10.0.0.1"]
        {
            assert!(!is(inner), "{inner}");
        }
    }

    #[tokio::test]
    async fn attack_a_name_that_leads_into_this_machine_is_no_place_to_go_to() {
        let found = PublicOnly.resolve("localhost".parse().unwrap()).await.map(Iterator::count);
        assert_eq!(found.unwrap_err().to_string(), "the name leads into a private network");
    }
}
