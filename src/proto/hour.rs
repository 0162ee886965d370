//! How many were here, minute by minute, over the last hour.
//!
//! A minute is remembered as the most that were noted in it; one in which nothing was noted is as the one before. 60 numbers at most.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;

/// Minutes that are remembered, the running one included.
pub const MINUTES: usize = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// The counts of the last hour; none before the first one was noted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hour {
    counts: VecDeque<u32>,
    /// The minute of the last count, since the start.
    last: u64,
}

impl Hour {
    /// Notes that `count` are here `now`. A time before the last one counts as that.
    pub fn note(&mut self, count: u32, now: Moment) {
        let minute = minute(now);
        let Some(before) = self.counts.back().copied() else {
            self.last = minute;
            return self.counts.push_back(count);
        };
        let passed = minute.saturating_sub(self.last);
        if passed == 0 {
            self.counts.pop_back();
            return self.counts.push_back(before.max(count));
        }
        let between = passed.min(MINUTES as u64) as usize - 1;
        self.counts.extend(std::iter::repeat_n(before, between));
        self.counts.push_back(count);
        self.counts.drain(..self.counts.len().saturating_sub(MINUTES));
        self.last = minute;
    }

    /// The counts, oldest first, one a minute; the last one is that of the minute last noted.
    pub fn counts(&self) -> impl ExactSizeIterator<Item = u32> {
        self.counts.iter().copied()
    }
}

fn minute(at: Moment) -> u64 {
    at.since(Moment::START).as_secs() / MINUTE.as_secs()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    fn hour(noted: &[(u64, u32)]) -> Vec<u32> {
        let mut hour = Hour::default();
        noted.iter().for_each(|(seconds, count)| hour.note(*count, at(*seconds)));
        hour.counts().collect()
    }

    #[test]
    fn a_minute_is_the_most_that_were_here_in_it() {
        assert_eq!(hour(&[]), [0; 0]);
        assert_eq!(hour(&[(70, 3), (80, 5), (119, 4)]), [5]);
        assert_eq!(hour(&[(70, 3), (120, 1)]), [3, 1]);
    }

    #[test]
    fn a_minute_without_a_count_is_as_the_one_before() {
        assert_eq!(hour(&[(0, 3), (185, 1)]), [3, 3, 3, 1]);
        assert_eq!(hour(&[(0, 3), (1_000_000, 1)])[..2], [3, 3]);
    }

    #[test]
    fn an_hour_has_sixty_minutes() {
        let noted: Vec<_> = (0..200).map(|n| (n * 60, n as u32)).collect();
        assert_eq!(hour(&noted), (140..200).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_its_last_count_is_not_below_what_was_noted_last(noted in proptest::collection::vec((any::<u32>(), any::<u32>()), 1..200)) {
            let noted: Vec<_> = noted.into_iter().map(|(seconds, count)| (u64::from(seconds), count)).collect();
            let counts = hour(&noted);
            prop_assert!((1..=MINUTES).contains(&counts.len()));
            prop_assert!(counts.last() >= noted.last().map(|(_, count)| count));
        }
    }
}
