//! When readers are given what was gathered: the first event after a quiet moment at once, what comes while the flush is being paid
//! back together. And the sweep that finds those who fell silent.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{App, sharing};
use crate::clock::{Moment, UnixMillis};

/// How often those whose TTL lapsed are looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// How many of them are removed before others get the lock.
const AT_A_TIME: usize = 200;

/// Flushes every board when it is due; on `stop` all streams end.
pub(super) async fn run(app: Arc<App>, stop: CancellationToken) {
    loop {
        let now = Moment::now();
        let next = app.boards.all().iter().map(|board| board.flush(now)).min().unwrap_or(now + SWEEP);
        tokio::select! {
            () = stop.cancelled() => break,
            () = app.boards.news.notified() => {}
            () = sleep(next.since(Moment::now())) => {}
        }
    }
    for board in app.boards.all() {
        board.end_streams(|_| true);
    }
}

/// Tells `offline` of those who fell silent.
pub(super) async fn sweep(app: Arc<App>, stop: CancellationToken) {
    let mut ticks = interval(if app.sharing.is_shared() { sharing::SWEEP } else { SWEEP });
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        for board in app.boards.all() {
            loop {
                let lapsed = board.expire(Moment::now(), UnixMillis::now(), AT_A_TIME);
                app.sharing.lapsed(&board, &lapsed);
                if lapsed.len() < AT_A_TIME {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        // Somebody may have sat down while the board was moving.
        app.tell_moves();
    }
}
