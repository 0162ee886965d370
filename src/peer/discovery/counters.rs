//! What discovery dropped and why, for logs and metrics.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Totals since the start; each number only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Packets and resolved records that were looked at.
    pub seen: u64,
    /// Packets dropped unread because too many came at once (THREATS 48).
    pub flooded: u64,
    /// Packets that are no DNS message, are longer than 9000 bytes or carry an authority section.
    pub malformed: u64,
    /// Records that name no peer, several peers, or no address a LAN peer can have.
    pub refused: u64,
    /// Instances that made room for newcomers in a full table.
    pub evicted: u64,
    /// Packets that could not be sent.
    pub unsent: u64,
    /// Times the DNS-SD daemon died, hung or was flooded, and was started again (THREATS 57).
    pub restarts: u64,
}

/// The counters that the tasks share.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) seen: Counter,
    pub(super) flooded: Counter,
    pub(super) malformed: Counter,
    pub(super) refused: Counter,
    pub(super) evicted: Counter,
    pub(super) unsent: Counter,
    pub(super) restarts: Counter,
}

impl Tally {
    pub(super) fn read(&self) -> Counters {
        Counters {
            seen: self.seen.get(),
            flooded: self.flooded.get(),
            malformed: self.malformed.get(),
            refused: self.refused.get(),
            evicted: self.evicted.get(),
            unsent: self.unsent.get(),
            restarts: self.restarts.get(),
        }
    }

    pub(super) fn register(&self, room: &mut Registry) {
        room.register("seen", "Packets and records that were looked at", self.seen.clone());
        room.register("flooded", "Packets dropped unread because too many came at once", self.flooded.clone());
        room.register("malformed", "Packets that are not understood", self.malformed.clone());
        room.register("refused", "Records that name no peer of this network", self.refused.clone());
        room.register("evicted", "Instances that made room for newcomers", self.evicted.clone());
        room.register("unsent", "Packets that could not be sent", self.unsent.clone());
        room.register("restarts", "Times the DNS-SD daemon was started again", self.restarts.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_discovery_drops_shows_in_the_metrics() {
        let (tally, metrics) = (Tally::default(), crate::telemetry::Metrics::default());
        metrics.register("discovery", |room| tally.register(room));
        tally.flooded.inc();
        assert!(metrics.text().contains("\ngoop_discovery_flooded_total 1\n"));
    }
}
