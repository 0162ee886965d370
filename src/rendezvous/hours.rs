//! The counts of the last hour of every board, for the plots on the pages. As bounded as the boards are: 60 numbers each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{App, Boards, LiveBoard, locked};
use crate::clock::Moment;
use crate::proto::hour::Hour;

/// How often those who are here are counted.
const EVERY: Duration = Duration::from_secs(10);

/// The hours of all boards, by slug.
#[derive(Debug, Default)]
pub(crate) struct Hours(Mutex<HashMap<Option<String>, Hour>>);

impl Hours {
    /// Counts who is here at every board, and forgets boards that are gone.
    pub(super) fn note(&self, boards: &Boards, now: Moment) {
        let counts: HashMap<_, _> = boards.all().iter().map(|board| (board.slug().map(str::to_owned), here(board))).collect();
        let mut hours = locked(&self.0);
        hours.retain(|slug, _| counts.contains_key(slug));
        counts.into_iter().for_each(|(slug, count)| hours.entry(slug).or_default().note(count, now));
    }

    /// The counts of a board, oldest first, the last one now.
    pub(super) fn of(&self, board: &LiveBoard, now: Moment) -> Vec<u32> {
        let mut hour = locked(&self.0).get(&board.slug().map(str::to_owned)).cloned().unwrap_or_default();
        hour.note(here(board), now);
        hour.counts().collect()
    }
}

fn here(board: &LiveBoard) -> u32 {
    board.read(|board| board.rows().len()).try_into().unwrap_or(u32::MAX)
}

/// Counts every ten seconds, until `stop`.
pub(super) async fn keep(app: Arc<App>, stop: CancellationToken) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => app.hours.note(&app.boards, Moment::now()),
        }
    }
}
