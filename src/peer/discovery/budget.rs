//! A token bucket: so many at once, so many a second after that.

use std::time::Duration;

use crate::clock::Moment;

/// Grants `burst` requests at once and one more every `refill`.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    burst: u32,
    refill: Duration,
    left: u32,
    counted: Moment,
}

impl Budget {
    pub(super) fn new(burst: u32, refill: Duration, now: Moment) -> Self {
        Self { burst, refill, left: burst, counted: now }
    }

    /// Takes one if there is one.
    pub(super) fn take(&mut self, now: Moment) -> bool {
        let earned = now.since(self.counted).as_nanos() / self.refill.as_nanos().max(1);
        if let Ok(earned @ 1..) = u32::try_from(earned) {
            self.left = self.left.saturating_add(earned).min(self.burst);
            self.counted = self.counted + self.refill.saturating_mul(earned);
        }
        let granted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_granted_at_once_and_then_one_per_refill() {
        let at = Moment::from_millis;
        let mut budget = Budget::new(2, Duration::from_millis(100), at(0));
        assert!(budget.take(at(0)) && budget.take(at(0)));
        assert!(!budget.take(at(99)));
        assert!(budget.take(at(100)));
        assert!(!budget.take(at(150)));
        assert!(budget.take(at(200)));
    }

    #[test]
    fn a_long_pause_earns_no_more_than_the_burst() {
        let at = Moment::from_millis;
        let mut budget = Budget::new(2, Duration::from_millis(1), at(0));
        let granted = (0..5).filter(|_| budget.take(at(1_000_000_000))).count();
        assert_eq!(granted, 2);
    }
}
