//! How long something is, in one unit, as people say it; and when it was.

use std::time::Duration;

use crate::clock::UnixMillis;

/// The units, the largest first, in seconds.
const UNITS: [(u64, &str, &str); 4] = [(86_400, "day", "days"), (3600, "h", "h"), (60, "min", "min"), (1, "s", "s")];

/// `time` in the largest unit of which it has one, rounded down: `3 days`, `1 h`, `0 s`.
pub fn span(time: Duration) -> String {
    let seconds = time.as_secs();
    let fits = UNITS.iter().find(|(unit, ..)| seconds >= *unit).or(UNITS.last());
    let (unit, one, many) = fits.copied().unwrap_or((1, "s", "s"));
    let count = seconds / unit;
    format!("{count} {}", if count == 1 { one } else { many })
}

/// How long ago `at` was: `3 days ago`.
pub fn ago(at: UnixMillis, now: UnixMillis) -> String {
    format!("{} ago", span(Duration::from_millis(now.0.saturating_sub(at.0))))
}

/// The time of day in UTC: `17:05 UTC`. A browser does not tell its own, so a script writes the reader's over it.
pub fn clock_time(at: UnixMillis) -> String {
    let minute = at.0 / 60_000;
    format!("{:02}:{:02} UTC", minute / 60 % 24, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_one_unit() {
        let told = [0, 59, 60, 7199, 86_399, 86_400, 200_000].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(told, ["0 s", "59 s", "1 min", "1 h", "23 h", "1 day", "2 days"]);
    }

    #[test]
    fn a_time_is_told_by_the_clock_or_by_how_long_ago_it_was() {
        let (at, now) = (UnixMillis(86_400_000 + 61_000 * 60), UnixMillis(86_400_000 + 3 * 3_600_000));
        assert_eq!((clock_time(at), ago(at, now), ago(now, at)), ("01:01 UTC".into(), "1 h ago".into(), "0 s ago".into()));
    }
}
