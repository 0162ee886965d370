//! Time, in the two kinds the program needs. The only place that asks the operating system what time it is; timers wait by tokio's
//! clock.
#![allow(clippy::disallowed_methods, reason = "this is the place that may")]

use std::ops::Add;
use std::sync::LazyLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
}
