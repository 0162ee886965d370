//! The least a body must move: a stream that only drips would hold its place for ever (THREATS 42).

use std::time::Duration;

use tokio::time::Instant;

use super::StreamError;

/// Over how long the pace is taken.
pub const SPAN: Duration = Duration::from_secs(60);
/// Bytes that a body moves in each [`SPAN`] at least: 1 KiB/s.
pub const LEAST: usize = 60 * 1024;

/// How a body moves.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    moved: usize,
}

impl Pace {
    /// A body starts now.
    pub(super) fn start() -> Self {
        Self { since: Instant::now(), moved: 0 }
    }

    /// So many bytes moved; `TooSlow` where they were too few for the time.
    pub(super) fn step(&mut self, bytes: usize) -> Result<(), StreamError> {
        self.moved = self.moved.saturating_add(bytes);
        if self.since.elapsed() < SPAN {
            return Ok(());
        }
        if self.moved < LEAST {
            return Err(StreamError::TooSlow);
        }
        *self = Self::start();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn moved(every: Duration, bytes: usize, times: usize) -> Result<(), StreamError> {
        let mut pace = Pace::start();
        for _ in 0..times {
            tokio::time::advance(every).await;
            pace.step(bytes)?;
        }
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_drip_is_too_slow_after_a_minute_and_a_slow_line_is_not() {
        let drip = Duration::from_secs(8);
        assert!(moved(drip, 1, 7).await.is_ok(), "56 seconds");
        assert!(matches!(moved(drip, 1, 8).await, Err(StreamError::TooSlow)));
        assert!(moved(drip, 16 * 1024, 1000).await.is_ok(), "2 KiB/s");
    }

    #[tokio::test(start_paused = true)]
    async fn a_fast_start_earns_no_hour_of_dripping() {
        let mut pace = Pace::start();
        pace.step(100 << 20).unwrap();
        tokio::time::advance(SPAN).await;
        pace.step(1).unwrap();
        tokio::time::advance(SPAN).await;
        assert!(matches!(pace.step(1), Err(StreamError::TooSlow)));
    }
}
