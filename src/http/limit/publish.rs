//! How often anybody may publish.

use std::net::IpAddr;

use libp2p::PeerId;

use super::{KeyedLimit, Refused, TABLE};
use crate::clock::Moment;
use crate::config::http::HttpConfig;
use crate::http::client_ip::{host_key, prefix_key};
use crate::proto::rate::Rate;

/// Seconds' worth of messages that an address may publish at once: after a restart, everyone behind it comes at the same moment.
const ADDRESS_BURST_SECONDS: u32 = 10;
/// Addresses' worth of messages that one IPv6 /48 may publish: it holds 65 536 times what counts as one address (THREATS 16).
const ADDRESSES_PER_SITE: u32 = 16;

/// How often one peer, and one address, may publish.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishRates {
    /// Of one peer id.
    pub peer: Rate,
    /// Of one address (IPv6: one /64).
    pub address: Rate,
}

impl PublishRates {
    /// The rates that `[http]` asks for.
    pub fn of(config: &HttpConfig) -> Self {
        let per_second = |per_minute: u32| f64::from(per_minute) / 60.0;
        let address_burst = (config.publish_per_minute_per_ip / 60).max(1).saturating_mul(ADDRESS_BURST_SECONDS);
        Self {
            peer: Rate { burst: config.publish_burst, per_second: per_second(config.publish_per_minute_per_peer) },
            address: Rate { burst: address_burst, per_second: per_second(config.publish_per_minute_per_ip) },
        }
    }
}

/// Counts what is published.
#[derive(Debug)]
pub struct PublishLimit {
    peers: KeyedLimit<PeerId>,
    addresses: KeyedLimit<IpAddr>,
    sites: KeyedLimit<IpAddr>,
}

impl PublishLimit {
    /// Nobody has published yet.
    pub fn new(rates: PublishRates) -> Self {
        let of_many = |rate: Rate| Rate {
            burst: rate.burst.saturating_mul(ADDRESSES_PER_SITE),
            per_second: rate.per_second * f64::from(ADDRESSES_PER_SITE),
        };
        Self {
            peers: KeyedLimit::new(rates.peer, TABLE),
            addresses: KeyedLimit::new(rates.address, TABLE),
            sites: KeyedLimit::new(of_many(rates.address), TABLE),
        }
    }

    /// Count a message from `address`; asked before the body is read, so that nothing is spent on a flood.
    ///
    /// # Errors
    /// [`Refused::Address`].
    pub fn address(&mut self, address: IpAddr, now: Moment) -> Result<(), Refused> {
        self.addresses.take(host_key(address), now).map_err(Refused::Address)?;
        if address.to_canonical().is_ipv6() {
            self.sites.take(prefix_key(address), now).map_err(Refused::Address)?;
        }
        Ok(())
    }

    /// Count a message of `peer`. A signed one is counted after its signature was found right, so that nobody can spend the tokens of
    /// a peer that signs.
    ///
    /// # Errors
    /// [`Refused::Peer`].
    pub fn peer(&mut self, peer: PeerId, now: Moment) -> Result<(), Refused> {
        self.peers.take(peer, now).map_err(Refused::Peer)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn limit() -> PublishLimit {
        PublishLimit::new(PublishRates::of(&HttpConfig::default()))
    }

    fn taken(tries: usize, mut take: impl FnMut() -> Result<(), Refused>) -> usize {
        (0..tries).filter(|_| take().is_ok()).count()
    }

    #[test]
    fn a_school_of_500_behind_one_address_heartbeats_for_a_minute_without_a_refusal() {
        let (mut limit, school) = (limit(), "192.0.2.1".parse().unwrap());
        let peers: Vec<PeerId> = (0..500).map(|_| PeerId::random()).collect();
        for second in 0..60 {
            let now = Moment::from_millis(second * 1000);
            for peer in peers.iter().skip(second as usize % 5).step_by(5) {
                assert_eq!((limit.address(school, now), limit.peer(*peer, now)), (Ok(()), Ok(())));
            }
        }
    }

    #[test]
    fn a_restarted_server_hears_the_whole_school_at_once() {
        let (mut limit, school) = (limit(), "192.0.2.1".parse().unwrap());
        assert_eq!(taken(3000, || limit.address(school, Moment::START)), 2000, "ten seconds' worth");
    }

    #[test]
    fn a_peer_gets_its_burst_and_two_a_second() {
        let (mut limit, peer) = (limit(), PeerId::random());
        assert_eq!(taken(100, || limit.peer(peer, Moment::START)), 20);
        assert_eq!(taken(100, || limit.peer(peer, Moment::from_millis(1001))), 2);
        assert!(matches!(limit.peer(peer, Moment::from_millis(1001)), Err(Refused::Peer(_))));
    }

    #[test]
    fn attack_hopping_through_an_ipv6_network_ends_at_the_total_of_its_48() {
        let mut limit = limit();
        let hop = |n: u128| IpAddr::from(Ipv6Addr::from_bits(0x2001_0db8 << 96 | n << 64));
        let taken = (0..60_000).filter(|n| limit.address(hop(n % 60_000), Moment::START).is_ok()).count();
        assert_eq!(taken, 2000 * ADDRESSES_PER_SITE as usize);
        assert!(limit.address("2001:db8:1::1".parse().unwrap(), Moment::START).is_ok(), "the neighbour is another");
    }
}
