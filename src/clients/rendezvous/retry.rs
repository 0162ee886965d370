//! How long to wait. Before another try: at first a random part of a moment, then between half and all of a time that doubles from try to
//! try, so that nobody waits much longer than the server was away. Between two heartbeats: never the same, so that a thousand clients
//! whose server was started anew neither come back together nor beat together from then on.

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

    /// How long to wait after a failure. `jitter` is random in `[0, 1)`: all of the first wait is, half of every later one. Where the server `asked` for a time, the wait is that and a
    /// fifth of it at random, so that those who were asked together do not come together.
    pub fn next(&mut self, asked: Option<Duration>, jitter: f64) -> Duration {
        let limit = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        match asked {
            Some(asked) => asked.min(MOST_ASKED).mul_f64(1.0 + jitter / 5.0),
            None if self.failures == 1 => limit.mul_f64(jitter),
            None => limit.mul_f64((1.0 + jitter) / 2.0),
        }
    }
}

/// The time until the next heartbeat: up to an eighth less than `every`. `jitter` is random in `[0, 1)`.
pub fn beat(every: Duration, jitter: f64) -> Duration {
    every.mul_f64(1.0 - jitter / 8.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random enough, and the same in every run.
    struct Jitter(u64);

    impl Jitter {
        fn next(&mut self) -> f64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 11) as f64 / (1_u64 << 53) as f64
        }
    }

    /// When each of a thousand clients reaches a server that was away for `outage`, in milliseconds after it is back; sorted.
    fn thousand_come_back(outage: Duration) -> Vec<u128> {
        let mut jitter = Jitter(7);
        let mut come_back = |_| {
            let (mut backoff, mut at) = (Backoff::default(), Duration::ZERO);
            while at <= outage {
                at += backoff.next(None, jitter.next());
            }
            (at - outage).as_millis()
        };
        let mut all: Vec<u128> = (0..1000).map(&mut come_back).collect();
        all.sort_unstable();
        all
    }

    /// The most of them that come within a tenth of a second.
    fn peak(all: &[u128]) -> usize {
        all.iter().map(|from| all.iter().filter(|at| (*from..from + 100).contains(at)).count()).max().unwrap_or_default()
    }

    #[test]
    fn a_thousand_clients_come_back_spread_out_and_soon() {
        for (outage, most, latest) in [(0, 450, 250), (1_000, 200, 2_000), (10_000, 40, 16_000), (600_000, 15, 30_000)] {
            let all = thousand_come_back(Duration::from_millis(outage));
            let (peak, last) = (peak(&all), all[999]);
            assert!(peak <= most && last <= latest, "after {outage} ms: {peak} within 100 ms, the last one after {last} ms");
        }
    }

    #[test]
    fn clients_that_came_back_together_soon_beat_apart() {
        let (mut jitter, every) = (Jitter(7), Duration::from_secs(5));
        let after = |beats: usize, jitter: &mut Jitter| (0..beats).map(|_| beat(every, jitter.next())).sum::<Duration>().as_millis();
        let mut minute: Vec<u128> = (0..1000).map(|_| after(13, &mut jitter)).collect();
        minute.sort_unstable();
        assert!(peak(&minute) <= 100, "{} within 100 ms", peak(&minute));
        assert!((0..1000).all(|_| (4_375..=5_000).contains(&after(1, &mut jitter))));
    }

    #[test]
    fn waits_double_up_to_the_longest_and_start_anew_after_a_success() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..10).map(|_| backoff.next(None, 0.999_999_9).as_millis()).collect();
        assert_eq!(waits, [249, 499, 999, 1999, 3999, 7999, 15_999, 29_999, 29_999, 29_999]);
        backoff.reset();
        assert_eq!((backoff.next(None, 0.0), backoff.next(None, 0.0)), (Duration::ZERO, FIRST), "later ones by half at least");
    }

    #[test]
    fn a_server_may_ask_for_time_within_reason() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(Some(Duration::from_secs(60)), 0.0), Duration::from_secs(60));
        assert_eq!(backoff.next(Some(Duration::from_secs(60)), 0.5), Duration::from_secs(66));
        assert_eq!(backoff.next(Some(Duration::MAX), 0.0), MOST_ASKED);
    }
}
