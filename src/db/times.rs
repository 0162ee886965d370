//! Times as SQLite keeps them: milliseconds since 1970. Its integers are signed, so a time beyond the year 292 million counts as that.

use rusqlite::{Row, RowIndex};

use crate::clock::UnixMillis;

/// A time as it is kept.
pub fn millis(at: UnixMillis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX)
}

/// A time that was kept so.
pub fn time(millis: i64) -> UnixMillis {
    UnixMillis(u64::try_from(millis).unwrap_or(0))
}

/// The time in a column, where there is one.
///
/// # Errors
/// There is something else.
pub fn when(row: &Row, column: impl RowIndex) -> rusqlite::Result<Option<UnixMillis>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_kept_as_it_is_or_as_the_last_that_can_be() {
        for at in [0, 1, 1_770_120_000_000, i64::MAX as u64] {
            assert_eq!(time(millis(UnixMillis(at))), UnixMillis(at));
        }
        assert_eq!((millis(UnixMillis(u64::MAX)), time(-1)), (i64::MAX, UnixMillis(0)));
    }
}
