//! The numbers of an origin's own statements (FEDERATION B.7).
//!
//! They are written down ahead, [`RESERVED`] at a time, in a small file of their own that no backup holds: whatever happens to the database,
//! a number that was given is below what the file says. A start goes on above it, so a few numbers stay unused and none is used twice. Where
//! the file is gone, a new feed begins.

use thiserror::Error;

use crate::clock::UnixMillis;

/// Numbers that are written down ahead: one file is written for so many statements.
pub const RESERVED: u64 = 4096;

/// Why nothing is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FeedError {
    /// This machine's clock stands before the last statement.
    #[error("the clock of this machine stands {0} s before the last statement that it signed: set it right")]
    ClockBehind(u64),
}

/// The own feed of this hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feed {
    /// When this incarnation began.
    pub feed: u64,
    /// The last number that was given.
    pub seq: u64,
    /// Numbers up to this one are written down as perhaps given.
    pub reserved: u64,
    /// The wall time of the last statement.
    pub issued: UnixMillis,
}

impl Feed {
    /// A feed that begins now.
    pub fn begun(now: UnixMillis) -> Self {
        Self { feed: now.0, seq: 0, reserved: 0, issued: now }
    }

    /// The feed after a start: what the database remembers (`stored`: feed, seq and when), held against what the file says. Without
    /// the file, or beside a database of another feed, a new feed begins, which is always later than any known one.
    pub fn resumed(file: Option<(u64, u64)>, stored: Option<(u64, u64, UnixMillis)>, now: UnixMillis) -> Self {
        let issued = stored.map_or(UnixMillis(0), |(_, _, issued)| issued);
        match (file, stored) {
            (Some((feed, reserved)), None) => Self { feed, seq: reserved, reserved, issued },
            (Some((feed, reserved)), Some((known, seq, _))) if feed == known => Self { feed, seq: seq.max(reserved), reserved, issued },
            (file, stored) => {
                let latest = file.map_or(0, |(feed, _)| feed).max(stored.map_or(0, |(feed, ..)| feed));
                Self { issued, ..Self::begun(UnixMillis(now.0.max(latest + 1))) }
            }
        }
    }

    /// What the file must say before `more` further statements are signed; `None` where it says enough already.
    pub fn reserve(&mut self, more: u64) -> Option<(u64, u64)> {
        if self.seq + more <= self.reserved {
            return None;
        }
        self.reserved = self.seq + more.max(RESERVED);
        Some((self.feed, self.reserved))
    }

    /// The number of a statement that is made at `now`.
    ///
    /// # Errors
    /// [`FeedError::ClockBehind`]: a clock that went back by more than a minute. A smaller step keeps the last time.
    pub fn next(&mut self, now: UnixMillis) -> Result<(u64, UnixMillis), FeedError> {
        let behind = self.issued.0.saturating_sub(now.0);
        if behind > 60_000 {
            return Err(FeedError::ClockBehind(behind / 1000));
        }
        self.seq += 1;
        self.issued = now.max(self.issued);
        Ok((self.seq, self.issued))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: UnixMillis = UnixMillis(1_760_000_000_000);

    #[test]
    fn a_restored_database_gives_no_number_twice() {
        let mut feed = Feed::begun(NOW);
        let written = feed.reserve(10).unwrap();
        (0..10).for_each(|_| assert!(feed.next(NOW).is_ok()));
        let restored = Feed::resumed(Some(written), Some((feed.feed, 3, NOW)), NOW);
        assert_eq!((restored.feed, restored.seq), (feed.feed, RESERVED));
        let gone = Feed::resumed(None, Some((feed.feed, 3, NOW)), NOW);
        assert!(gone.feed > feed.feed && gone.seq == 0, "without the file a new feed begins, even in the same millisecond");
        let lost = Feed::resumed(Some(written), None, NOW);
        assert_eq!(lost.seq, RESERVED, "without the database the numbers go on");
    }

    #[test]
    fn a_clock_that_went_back_signs_nothing() {
        let mut feed = Feed::begun(NOW);
        assert_eq!(feed.next(NOW), Ok((1, NOW)));
        assert_eq!(feed.next(UnixMillis(NOW.0 - 1000)), Ok((2, NOW)));
        assert_eq!(feed.next(UnixMillis(NOW.0 - 120_000)), Err(FeedError::ClockBehind(120)));
    }

    proptest! {
        #[test]
        fn through_any_crashes_numbers_only_grow(steps in proptest::collection::vec((0..3u8, 1..5000u64), 1..40)) {
            let (mut feed, mut file, mut stored, mut last) = (Feed::begun(NOW), None, None, (0, 0));
            for (what, many) in steps {
                match what {
                    0 => {
                        file = feed.reserve(many).or(file);
                        for _ in 0..many {
                            let number = (feed.feed, feed.next(NOW).unwrap().0);
                            prop_assert!(number > last && number.1 <= feed.reserved);
                            last = number;
                        }
                        stored = Some((feed.feed, feed.seq, NOW));
                    }
                    1 => feed = Feed::resumed(file, stored, NOW),
                    _ => {
                        let older = stored.map(|(feed, seq, at)| (feed, seq / 2, at));
                        feed = Feed::resumed(file, older, NOW);
                    }
                }
            }
        }
    }
}
