//! How often strangers may do something: by the host that asks, and by the network it is in, so that whoever owns a whole one has not as
//! many turns as it has addresses (THREATS 16).

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{KeyedLimit, TABLE};
use crate::clock::Moment;
use crate::http::client_ip::{host_key, prefix_key};
use crate::proto::rate::Rate;

/// Buckets for hosts and for the networks around them.
#[derive(Debug)]
pub struct NetworkLimit {
    both: Mutex<(KeyedLimit<IpAddr>, KeyedLimit<IpAddr>)>,
}

impl NetworkLimit {
    /// `host`: of an IPv4 address or an IPv6 /64; `network`: of a /24 or a /48.
    pub fn new(host: Rate, network: Rate) -> Self {
        Self { both: Mutex::new((KeyedLimit::new(host, TABLE), KeyedLimit::new(network, TABLE))) }
    }

    /// Takes a turn of `client` and of its network; what one host asks too often costs its neighbours nothing.
    ///
    /// # Errors
    /// How long until there is one.
    pub fn take(&self, client: IpAddr, now: Moment) -> Result<(), Duration> {
        let mut both = self.both.lock().unwrap_or_else(PoisonError::into_inner);
        both.0.take(host_key(client), now)?;
        both.1.take(prefix_key(client), now)
    }

    /// What `client` had done cost so many turns more.
    pub fn owe(&self, client: IpAddr, many: f64, now: Moment) {
        let mut both = self.both.lock().unwrap_or_else(PoisonError::into_inner);
        both.0.owe(host_key(client), many, now);
        both.1.owe(prefix_key(client), many, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// THREATS 16.
    #[test]
    fn attack_one_network_of_many_hosts_has_the_turns_of_one_network() {
        let rate = |burst| Rate { burst, per_second: 0.01 };
        let limit = NetworkLimit::new(rate(5), rate(20));
        let taken = |turns: &mut dyn Iterator<Item = String>| {
            turns.filter(|client| limit.take(client.parse().unwrap(), Moment::START).is_ok()).count()
        };
        assert_eq!(taken(&mut (0..100).map(|_| "2001:db8:2::1".to_owned())), 5);
        assert_eq!(taken(&mut (0..5000).map(|host| format!("2001:db8:1:{host:x}::1"))), 20);
        assert_eq!(taken(&mut (0..200).map(|host| format!("9.9.9.{host}"))), 20);
        assert_eq!(taken(&mut (1..20).map(|host| format!("2001:db8:2:{host:x}::1"))), 15, "its neighbours have what it did not take");
        assert_eq!(taken(&mut (0..1).map(|_| "2001:db8:3::1".to_owned())), 1);
    }

    /// Somebody who has few things done, each of which takes long, has had as much as somebody who has many done.
    #[test]
    fn attack_what_is_dear_counts_as_often_as_it_is_dear() {
        let rate = |burst| Rate { burst, per_second: 1.0 };
        let limit = NetworkLimit::new(rate(10), rate(50));
        let dear = |client: &str| {
            let client = client.parse().unwrap();
            let taken = limit.take(client, Moment::START).is_ok();
            limit.owe(client, 9.0, Moment::START);
            taken
        };
        assert_eq!((0..9).filter(|_| dear("9.9.9.9")).count(), 1);
        assert_eq!((0..9).filter(|_| limit.take("9.9.9.8".parse().unwrap(), Moment::START).is_ok()).count(), 0, "nor does its network");
        assert!(limit.take("9.9.8.8".parse().unwrap(), Moment::START).is_ok());
    }
}
