//! When something is tried again that another peer did not take: soon, and then ever later.

use std::time::Duration;

use crate::clock::Moment;

/// After the first try that failed; doubled with each further one.
const FIRST: Duration = Duration::from_secs(5);
/// Longest time between two tries.
const LAST: Duration = Duration::from_secs(5 * 60);

/// When the next try is due.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// The next try.
    pub at: Moment,
    failures: u32,
}

impl Retry {
    /// Nothing was tried yet.
    pub fn at_once(now: Moment) -> Self {
        Self { at: now, failures: 0 }
    }

    /// A try failed.
    pub fn failed(&mut self, now: Moment) {
        self.at = now + LAST.min(FIRST.saturating_mul(1 << self.failures.min(8)));
        self.failures = self.failures.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_become_rarer_up_to_a_limit() {
        let mut retry = Retry::at_once(Moment::START);
        let waits: Vec<u64> = (0..10)
            .map(|_| {
                retry.failed(Moment::START);
                retry.at.since(Moment::START).as_secs()
            })
            .collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300, 300]);
    }
}
