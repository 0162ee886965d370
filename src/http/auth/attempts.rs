//! Who guesses passwords, and must wait (THREATS 32). Failures only are counted.
//!
//! - An address has five failures a minute; from the fifth on it waits a minute, then two, four …, up to an hour.
//! - A network (THREATS 16: an IPv6 /48, an IPv4 /24) has ten, however many addresses guess there, and waits alike.
//! - After thirty failures of everybody within a minute, a network that failed waits at once, longer with each failure.
//! - A network that has not failed is always asked, and so is an address that got in within a day, whatever its neighbours do: no attack
//!   from elsewhere shuts the operator out.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use hashlink::LruCache;

use crate::clock::Moment;
use crate::http::client_ip::{host_key, prefix_key};
use crate::http::limit::TABLE;

/// Failures of one address before it waits.
const OF_ADDRESS: u32 = 5;
/// Failures of one network before it waits.
const OF_NETWORK: u32 = 10;
/// Failures of all before the networks of those who failed wait.
const OF_ALL: usize = 30;
/// The window in which they are counted, and the first wait.
const WINDOW: Duration = Duration::from_secs(60);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long whoever had to wait must be quiet to start anew.
const QUIET: Duration = Duration::from_secs(86_400);
/// How long an address that got in is known.
const KNOWN: Duration = Duration::from_secs(86_400);
/// Addresses that got in and are remembered; those that were away longest are forgotten.
const MOST_KNOWN: usize = 1000;

/// The failures of the last day: of at most [`TABLE`] addresses and as many networks, those that were away longest are forgotten.
#[derive(Debug)]
pub struct Attempts {
    addresses: LruCache<IpAddr, Failures>,
    networks: LruCache<IpAddr, Failures>,
    known: LruCache<IpAddr, Moment>,
    recent: VecDeque<Moment>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Moment,
}

impl Failures {
    /// When another try is free, of whoever has `allowed` failures a minute.
    fn free_at(self, allowed: u32) -> Moment {
        match self.count.checked_sub(allowed) {
            None => self.last,
            Some(more) => self.last + WINDOW.saturating_mul(1 << more.min(10)).min(LONGEST),
        }
    }

    /// What still counts of them.
    fn at(self, now: Moment, allowed: u32) -> Option<Self> {
        let forgotten = if self.count < allowed { WINDOW } else { QUIET };
        (now < self.free_at(allowed) || now < self.last + forgotten).then_some(self)
    }
}

impl Default for Attempts {
    fn default() -> Self {
        let (addresses, networks) = (LruCache::new(TABLE), LruCache::new(TABLE));
        Self { addresses, networks, known: LruCache::new(MOST_KNOWN), recent: VecDeque::with_capacity(OF_ALL) }
    }
}

impl Attempts {
    /// Whether `address` may try a password now.
    ///
    /// # Errors
    /// How long it has to wait.
    pub fn may_try(&self, address: IpAddr, now: Moment) -> Result<(), Duration> {
        let own = self.addresses.peek(&host_key(address)).map(|failures| failures.free_at(OF_ADDRESS));
        let network = self.networks.peek(&prefix_key(address)).filter(|_| !self.is_known(address, now));
        let others = network.map(|failures| failures.free_at(self.of_network(now)));
        match own.max(others).map_or(Duration::ZERO, |free| free.since(now)) {
            Duration::ZERO => Ok(()),
            waits => Err(waits),
        }
    }

    /// Whether `address` got in within a day.
    pub fn is_known(&self, address: IpAddr, now: Moment) -> bool {
        self.known.peek(&host_key(address)).is_some_and(|since| now < *since + KNOWN)
    }

    /// Failures that a network has now: one, where too many failed within a minute, wherever they were.
    fn of_network(&self, now: Moment) -> u32 {
        let siege = self.recent.len() == OF_ALL && self.recent.front().is_some_and(|oldest| now < *oldest + WINDOW);
        if siege { 1 } else { OF_NETWORK }
    }

    /// `address` gave a wrong password. Answers how many times in a row it did.
    pub fn failed(&mut self, address: IpAddr, now: Moment) -> u32 {
        if !self.is_known(address, now) {
            let allowed = self.of_network(now);
            count(&mut self.networks, prefix_key(address), allowed, now);
        }
        if self.recent.len() == OF_ALL {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        count(&mut self.addresses, host_key(address), OF_ADDRESS, now)
    }

    /// `address` gave the right password, and starts anew.
    pub fn succeeded(&mut self, address: IpAddr, now: Moment) {
        self.addresses.remove(&host_key(address));
        self.known.insert(host_key(address), now);
    }
}

/// One failure more of `key`; how many there are.
fn count(table: &mut LruCache<IpAddr, Failures>, key: IpAddr, allowed: u32, now: Moment) -> u32 {
    let before = table.get(&key).and_then(|failures| failures.at(now, allowed)).map_or(0, |failures| failures.count);
    let count = before.saturating_add(1);
    table.insert(key, Failures { count, last: now });
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(n: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits((45 << 24) + n).into()
    }

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    /// Failures of one address that guesses as fast as it may, until `end` seconds.
    fn guesses(attempts: &mut Attempts, address: IpAddr, end: u64) -> usize {
        let tries = (0..end).filter(|second| {
            let tried = attempts.may_try(address, at(*second)).is_ok();
            if tried {
                attempts.failed(address, at(*second));
            }
            tried
        });
        tries.count()
    }

    #[test]
    fn attack_guessing_from_one_address_is_five_times_a_minute_and_ever_slower() {
        assert_eq!(guesses(&mut Attempts::default(), ip(1), 60), 5);
        let in_a_day = guesses(&mut Attempts::default(), ip(1), 86_400);
        assert!(in_a_day < 40, "{in_a_day} guesses in a day");
    }

    #[test]
    fn attack_guessing_from_everywhere_shuts_nobody_out_who_did_not_guess() {
        let mut attempts = Attempts::default();
        for n in 0..10_000 {
            assert!(attempts.may_try(ip(n << 8), at(0)).is_ok(), "whoever has not failed is asked");
            attempts.failed(ip(n << 8), at(0));
        }
        assert!(attempts.may_try(ip(5 << 8), at(1)).is_err(), "and then waits");
        assert!(attempts.may_try(ip((5 << 8) + 9), at(1)).is_err(), "and so do its neighbours");
        assert!(attempts.may_try(ip(20_000 << 8), at(1)).is_ok(), "the operator, from a network of his own");
        assert!(attempts.may_try(ip(5 << 8), at(60)).is_ok());
    }

    #[test]
    fn a_few_mistakes_are_forgiven_and_a_success_forgives_all() {
        let mut attempts = Attempts::default();
        for second in 0..4 {
            attempts.failed(ip(1), at(second));
        }
        assert_eq!(attempts.failed(ip(1), at(100)), 1, "a minute later it starts anew");
        for _ in 0..4 {
            attempts.failed(ip(1), at(100));
        }
        assert_eq!(attempts.may_try(ip(1), at(100)), Err(WINDOW));
        assert!(attempts.may_try(ip(1), at(160)).is_ok());
        attempts.succeeded(ip(1), at(160));
        assert_eq!(attempts.failed(ip(1), at(161)), 1);
    }

    /// Failures from a new address with each guess, all of one network, a hundred a second until `end`.
    fn guesses_from(attempts: &mut Attempts, nth: impl Fn(u64) -> IpAddr, end: u64) -> usize {
        let tries = (0..end * 100).filter(|n| {
            let tried = attempts.may_try(nth(*n), at(n / 100)).is_ok();
            if tried {
                attempts.failed(nth(*n), at(n / 100));
            }
            tried
        });
        tries.count()
    }

    #[test]
    fn attack_many_addresses_of_one_network_guess_ten_times_a_minute_and_ever_slower() {
        let of_48 = |n: u64| std::net::Ipv6Addr::from_bits((0x2a00_0001_0002 << 80) + (u128::from(n % 0xffff) << 64) + 1).into();
        assert_eq!(guesses_from(&mut Attempts::default(), of_48, 12), 10);
        let of_24 = |n: u64| ip((n % 256) as u32);
        assert_eq!(guesses_from(&mut Attempts::default(), of_24, 12), 10);
        let in_an_hour = guesses_from(&mut Attempts::default(), of_48, 3600);
        assert!(in_an_hour < 20, "{in_an_hour} guesses in an hour");
    }

    #[test]
    fn attack_a_guesser_next_door_shuts_nobody_out_who_got_in_within_a_day() {
        let mut attempts = Attempts::default();
        attempts.succeeded(ip(1), at(0));
        guesses_from(&mut attempts, |n| ip(2 + (n % 250) as u32), 20);
        for n in 1..50 {
            attempts.failed(ip(n << 8), at(20));
        }
        assert!(attempts.may_try(ip(1), at(21)).is_ok());
        attempts.failed(ip(1), at(21));
        assert!(attempts.may_try(ip(1), at(21)).is_ok(), "a mistake of his own is forgiven too");
        assert!(attempts.may_try(ip(2), at(21)).is_err());
        assert_eq!(guesses(&mut attempts, ip(1), 60), 4, "but no more than five in all");
        let mut attempts = Attempts::default();
        attempts.succeeded(ip(1), at(0));
        guesses_from(&mut attempts, |n| ip(2 + (n % 250) as u32), 20);
        assert!(attempts.may_try(ip(1), at(86_401)).is_ok());
    }

    #[test]
    fn attack_an_ipv6_network_of_one_host_is_one_guesser() {
        let mut attempts = Attempts::default();
        for host in 1..6_u128 {
            attempts.failed(std::net::Ipv6Addr::from_bits((0x2001_0db8 << 96) + host).into(), at(0));
        }
        assert!(attempts.may_try("2001:db8::77".parse().unwrap(), at(0)).is_err());
    }
}
