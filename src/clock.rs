//! Time, in the two kinds the program needs. The only place that asks the operating system what time it is; timers wait by tokio's
//! clock.
#![allow(clippy::disallowed_methods, reason = "this is the place that may")]

use std::ops::Add;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// Monotonic time since the process started: deadlines and TTLs are measured with it, so a changed wall clock moves none of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(Duration);

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Moment {
    /// The moment the process started.
    pub const START: Moment = Moment(Duration::ZERO);

    /// The present moment.
    pub fn now() -> Self {
        Self(STARTED.elapsed())
    }

    /// A moment `millis` milliseconds after the start; tests and simulations make time with it.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub fn since(self, earlier: Moment) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The same moment as every process of this machine tells it.
    pub fn on_machine(self) -> MachineMicros {
        MachineMicros(u64::try_from((*STARTED_ON_MACHINE + self.0).as_micros()).unwrap_or(u64::MAX))
    }
}

/// Monotonic time of this machine, in microseconds: the same for all its processes, which may compare theirs. It begins anew when
/// the machine does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MachineMicros(pub u64);

/// When this process started, by the machine's clock.
static STARTED_ON_MACHINE: LazyLock<Duration> = LazyLock::new(|| {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or_default()).saturating_sub(STARTED.elapsed())
});

impl MachineMicros {
    /// The same as a moment of this process; one before its start counts as its start.
    pub fn here(self) -> Moment {
        Moment(Duration::from_micros(self.0).saturating_sub(*STARTED_ON_MACHINE))
    }

    /// How long ago `earlier` was; zero if it lies in the future.
    pub fn since(self, earlier: MachineMicros) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, after: Duration) -> Moment {
        Moment(self.0.saturating_add(after))
    }
}

/// Wall time in milliseconds since 1970 (UTC): shown to people and put into messages, never compared with a deadline.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// The present wall time; zero where the machine's clock stands before 1970.
    pub fn now() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_moment_is_never_a_negative_time_ago() {
        let early = Moment::from_millis(10);
        let late = early + Duration::from_millis(5);
        assert_eq!(late.since(early), Duration::from_millis(5));
        assert_eq!(early.since(late), Duration::ZERO);
    }

    #[test]
    fn a_moment_keeps_its_place_on_the_machine_s_clock() {
        let (start, later) = (Moment::START.on_machine(), Moment::from_millis(1500).on_machine());
        assert_eq!(later.since(start), Duration::from_millis(1500));
        assert!(Moment::from_millis(1500).since(later.here()) < Duration::from_micros(2), "to the microsecond");
        assert_eq!(MachineMicros(0).here(), Moment::START, "before this process");
    }
}
