//! What the sources report becomes what the owner is told.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::Event;
use super::counters::Tally;
use super::interfaces::Subnets;
use super::table::{Report, Table};
use crate::clock::Moment;

/// The task between the sources and the owner.
pub(super) struct Merge {
    pub(super) inbox: mpsc::Receiver<Report>,
    pub(super) subnets: watch::Receiver<Subnets>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) tally: Arc<Tally>,
    pub(super) stop: CancellationToken,
}

impl Merge {
    /// Runs until told to stop, or until the owner listens no more; then everything stops.
    pub(super) async fn run(mut self) {
        let mut table = Table::default();
        let mut next = Some(Event::Interfaces(self.subnets.borrow_and_update().clone()));
        loop {
            if let Some(event) = next.take()
                && !self.tell(event).await
            {
                return self.stop.cancel();
            }
            // New subnets go before what was judged by them.
            next = tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                Ok(()) = self.subnets.changed() => {
                    table.forget_lapsing();
                    Some(Event::Interfaces(self.subnets.borrow_and_update().clone()))
                }
                Some(report) = self.inbox.recv() => table.take(report, Moment::now()),
                else => return,
            };
            self.tally.evicted.inner().store(table.evicted, Relaxed);
        }
    }

    /// Whether the owner still listens.
    async fn tell(&self, event: Event) -> bool {
        tokio::select! {
            sent = self.events.send(event) => sent.is_ok(),
            () = self.stop.cancelled() => false,
        }
    }
}
