//! How long to wait before the next try: a random part of a time that doubles from try to try.

use std::time::Duration;

/// The longest first wait.
pub const FIRST: Duration = Duration::from_millis(250);
/// The longest wait of all, unless the server asks for more.
pub const LONGEST: Duration = Duration::from_secs(30);
/// The most that a server may ask for.
pub const MOST_ASKED: Duration = Duration::from_secs(15 * 60);

/// The waits of one thing that is tried again and again.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// It worked; the next wait is a first one.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait after a failure. `jitter` is random in `[0, 1)`; where the server `asked` for a time, the wait is that and a
    /// fifth of it at random, so that those who were asked together do not come together.
    pub fn next(&mut self, asked: Option<Duration>, jitter: f64) -> Duration {
        let limit = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        match asked {
            Some(asked) => asked.min(MOST_ASKED).mul_f64(1.0 + jitter / 5.0),
            None => limit.mul_f64(jitter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_start_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..10).map(|_| backoff.next(None, 0.999_999_9).as_millis()).collect();
        assert_eq!(waits, [249, 499, 999, 1999, 3999, 7999, 15_999, 29_999, 29_999, 29_999]);
        backoff.reset();
        assert!(backoff.next(None, 0.999) <= FIRST);
        assert_eq!(backoff.next(None, 0.0), Duration::ZERO);
    }

    #[test]
    fn a_server_may_ask_for_time_within_reason() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(Some(Duration::from_secs(60)), 0.0), Duration::from_secs(60));
        assert_eq!(backoff.next(Some(Duration::from_secs(60)), 0.5), Duration::from_secs(66));
        assert_eq!(backoff.next(Some(Duration::MAX), 0.0), MOST_ASKED);
    }
}
