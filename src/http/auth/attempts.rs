//! Who guesses passwords, and must wait (THREATS 32). Failures only are counted.
//!
//! - An address has five failures a minute; from the fifth on it waits a minute, then two, four …, up to an hour.
//! - After thirty failures of everybody within a minute, an address that failed within the last ten minutes waits too.
//! - An address that has not failed is always asked, so that no attack from elsewhere shuts the operator out.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use hashlink::LruCache;

use crate::clock::Moment;
use crate::http::client_ip::host_key;
use crate::http::limit::TABLE;

/// Failures of one address before it waits.
const OF_ADDRESS: u32 = 5;
/// Failures of all before those who failed wait.
const OF_ALL: usize = 30;
/// The window in which they are counted, and the first wait.
const WINDOW: Duration = Duration::from_secs(60);
/// Longest wait of an address.
const LONGEST: Duration = Duration::from_secs(3600);
/// How long an address that had to wait must be quiet to start anew.
const QUIET: Duration = Duration::from_secs(86_400);
/// How long an address that failed waits for a quiet minute of all.
const SUSPECT: Duration = Duration::from_secs(600);

/// The failures of the last day: of at most [`TABLE`] addresses, those that were away longest are forgotten.
#[derive(Debug)]
pub struct Attempts {
    addresses: LruCache<IpAddr, Failures>,
    recent: VecDeque<Moment>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Moment,
}

impl Failures {
    fn free_at(self) -> Moment {
        match self.count.checked_sub(OF_ADDRESS) {
            None => self.last,
            Some(more) => self.last + WINDOW.saturating_mul(1 << more.min(10)).min(LONGEST),
        }
    }

    /// What still counts of them.
    fn at(self, now: Moment) -> Option<Self> {
        let forgotten = if self.count < OF_ADDRESS { WINDOW } else { QUIET };
        (now < self.free_at() || now < self.last + forgotten).then_some(self)
    }
}

impl Default for Attempts {
    fn default() -> Self {
        Self { addresses: LruCache::new(TABLE), recent: VecDeque::with_capacity(OF_ALL) }
    }
}

impl Attempts {
    /// Whether `address` may try a password now.
    ///
    /// # Errors
    /// How long it has to wait.
    pub fn may_try(&self, address: IpAddr, now: Moment) -> Result<(), Duration> {
        let Some(failures) = self.addresses.peek(&host_key(address)).copied() else { return Ok(()) };
        let waits = failures.free_at().since(now);
        if !waits.is_zero() {
            return Err(waits);
        }
        match self.recent.front() {
            Some(oldest) if self.recent.len() == OF_ALL && now < failures.last + SUSPECT => match (*oldest + WINDOW).since(now) {
                Duration::ZERO => Ok(()),
                waits => Err(waits),
            },
            _ => Ok(()),
        }
    }

    /// `address` gave a wrong password. Answers how many times in a row it did.
    pub fn failed(&mut self, address: IpAddr, now: Moment) -> u32 {
        let before = self.addresses.get(&host_key(address)).and_then(|failures| failures.at(now)).map_or(0, |failures| failures.count);
        self.addresses.insert(host_key(address), Failures { count: before + 1, last: now });
        if self.recent.len() == OF_ALL {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        before + 1
    }

    /// `address` gave the right password, and starts anew.
    pub fn succeeded(&mut self, address: IpAddr) {
        self.addresses.remove(&host_key(address));
    }
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
            assert!(attempts.may_try(ip(n), at(0)).is_ok(), "whoever has not failed is asked");
            attempts.failed(ip(n), at(0));
        }
        assert!(attempts.may_try(ip(5), at(1)).is_err(), "and then waits");
        assert!(attempts.may_try(ip(99_999), at(1)).is_ok(), "the operator, from an address of his own");
        assert!(attempts.may_try(ip(5), at(60)).is_ok());
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
        attempts.succeeded(ip(1));
        assert_eq!(attempts.failed(ip(1), at(161)), 1);
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
