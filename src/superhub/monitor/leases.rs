//! When leases may end. They are kept in wall time, since they outlive this process (THREATS 65): so where the wall clock is set, or this machine
//! slept, they are moved with it, and after a start nobody is struck off before he had time to come back, however long the hub was away.

use std::time::Duration;

use crate::clock::{Moment, UnixMillis};

/// How long after a start no lease ends, or for as long as a lease is: servers ask a hub that was away again within the hour.
const GRACE: Duration = Duration::from_secs(2 * 3600);
/// By how much the clocks may part between two looks before that is a step, in milliseconds.
const STEP: i64 = 60_000;

/// How the wall clock went beside the machine's.
#[derive(Debug)]
pub(super) struct LeaseTime {
    seen: (Moment, UnixMillis),
    from: Moment,
}

impl LeaseTime {
    /// The hub was started, and gives leases of this length.
    pub(super) fn begun(now: Moment, wall: UnixMillis, lease: Duration) -> Self {
        Self { seen: (now, wall), from: now + lease.min(GRACE) }
    }

    /// By how much the wall clock was set since it was seen last, in milliseconds; `None` where it goes as it should.
    pub(super) fn step(&self, now: Moment, wall: UnixMillis) -> Option<i64> {
        let millis = |time: u128| i64::try_from(time).unwrap_or(i64::MAX);
        let told = millis(wall.0.into()).saturating_sub(millis(self.seen.1.0.into()));
        let step = told.saturating_sub(millis(now.since(self.seen.0).as_millis()));
        Some(step).filter(|step| step.saturating_abs() > STEP)
    }

    /// The leases are right as of now.
    pub(super) fn seen(&mut self, now: Moment, wall: UnixMillis) {
        self.seen = (now, wall);
    }

    /// Whether leases may end.
    pub(super) fn may_end(&self, now: Moment) -> bool {
        now >= self.from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_a_clock_that_jumps_ends_no_lease() {
        let (start, day) = (1_760_000_000_000, 86_400_000);
        let mut time = LeaseTime::begun(Moment::from_millis(0), UnixMillis(start), Duration::from_secs(86_400));
        let at = |millis| Moment::from_millis(millis);
        assert_eq!(time.step(at(10_000), UnixMillis(start + 10_500)), None);
        time.seen(at(10_000), UnixMillis(start + 10_500));
        assert_eq!(time.step(at(20_000), UnixMillis(start + day + 20_500)), Some(day as i64));
        time.seen(at(20_000), UnixMillis(start + day + 20_500));
        assert_eq!(time.step(at(30_000), UnixMillis(start + 30_500)), Some(-(day as i64)), "and back");
        assert_eq!(time.step(at(30_000), UnixMillis(0)).map(i64::signum), Some(-1));
        assert_eq!(time.step(at(30_000), UnixMillis(u64::MAX)).map(i64::signum), Some(1));
    }

    #[test]
    fn after_a_start_servers_have_time_to_come_back() {
        let hours = |hours: u64| Moment::from_millis(hours * 3_600_000);
        let long = LeaseTime::begun(hours(1), UnixMillis(0), Duration::from_secs(86_400));
        assert!(!long.may_end(hours(2)) && long.may_end(hours(3)));
        let short = LeaseTime::begun(hours(1), UnixMillis(0), Duration::from_secs(60));
        assert!(!short.may_end(hours(1)) && short.may_end(hours(1) + Duration::from_secs(60)));
    }
}
