//! Whether the clock of this machine is right, as far as servers tell by the `Date` of their answers. Certificates and invitations go by it.

use super::{Finding, Look};
use crate::clock::UnixMillis;

/// Milliseconds that the clocks may differ.
const TOLERATED: i64 = 60_000;
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// How far that date is ahead of `now`, in milliseconds; none where it is no date of HTTP (RFC 9110, 5.6.7, which has seconds).
pub(super) fn ahead(date: &str, now: UnixMillis) -> Option<i64> {
    Some(seconds(date)?.checked_mul(1000)?.saturating_sub(i64::try_from(now.0).ok()?))
}

/// Seconds since 1970 of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn seconds(date: &str) -> Option<i64> {
    let (_, rest) = date.strip_suffix(" GMT")?.split_once(", ")?;
    let parts: Vec<&str> = rest.split([' ', ':']).collect();
    let [day, month, year, hour, minute, second] = parts.as_slice() else { return None };
    let month = MONTHS.iter().position(|known| known == month)?;
    let number = |text: &str, most: i64| {
        let digits = text.len() <= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<i64>().ok().filter(|number| digits && *number <= most)
    };
    let days = days_since_1970(number(year, 9999)?, i64::try_from(month).ok()? + 1, number(day, 31)?);
    Some(((days * 24 + number(hour, 23)?) * 60 + number(minute, 59)?) * 60 + number(second, 60)?)
}

/// Of a day of the Gregorian calendar: years are counted from March, so that a leap day ends one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// What several servers say; the middle one counts, so that one with a wrong clock does not. Nothing where nobody said anything.
pub(super) fn judge(mut ahead: Vec<i64>) -> Option<Finding> {
    ahead.sort_unstable();
    let middle = *ahead.get(ahead.len() / 2)?;
    let of = |look, word| Finding::of("clock", "The clock of this machine", look, word);
    if middle.abs() <= TOLERATED {
        return Some(of(Look::Good, "right"));
    }
    let side = if middle > 0 { "behind" } else { "ahead of" };
    let who = if ahead.len() == 1 { "a server" } else { "most servers" };
    let finding = of(Look::Bad, "wrong")
        .said(format!("It is {} {side} the clock of {who}: certificates and invitations are judged wrongly.", told(middle.abs())));
    Some(finding.todo("Let it be set by the network:").copy("sudo timedatectl set-ntp true"))
}

fn told(millis: i64) -> String {
    match millis / 60_000 {
        minutes @ 0..120 => format!("{minutes} minutes"),
        minutes @ 120..2880 => format!("{} hours", minutes / 60),
        minutes => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_date_is_read_to_the_second() {
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        assert_eq!(seconds("Tue, 29 Feb 2000 23:59:59 GMT"), Some(951_868_799));
        assert_eq!(ahead("Thu, 01 Jan 1970 00:02:00 GMT", UnixMillis(30_000)), Some(90_000));
        for wrong in [
            "",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Foo 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_clock_is_wrong_where_most_servers_say_so() {
        let wrong = judge(vec![3_600_000 * 3]).unwrap();
        assert!(wrong.look == Look::Bad && wrong.said.contains("3 hours behind") && wrong.copy[0].contains("timedatectl"));
        assert!(judge(vec![-86_400_000 * 3]).unwrap().said.contains("3 days ahead of"));
        assert_eq!(judge(vec![0, 500, 90_000_000]).unwrap().look, Look::Good, "one server with a wrong clock is no witness");
        assert!(judge(vec![]).is_none());
    }

    proptest! {
        #[test]
        fn no_date_makes_it_stumble(date in "\\PC*|[A-Z][a-z]{2}, [0-9]{1,5} [A-Z][a-z]{2} [0-9]{1,9} [0-9:]{1,20} GMT", now: u64) {
            let _ = ahead(&date, UnixMillis(now));
        }
    }
}
