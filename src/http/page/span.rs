//! How long something is, in one unit, as people say it.

use std::time::Duration;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_one_unit() {
        let told = [0, 59, 60, 7199, 86_399, 86_400, 200_000].map(|seconds| span(Duration::from_secs(seconds)));
        assert_eq!(told, ["0 s", "59 s", "1 min", "1 h", "23 h", "1 day", "2 days"]);
    }
}
