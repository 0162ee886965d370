//! What a super hub counts. No label names a community, a peer or an address.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

/// Counters of one hub; clones count together.
#[derive(Debug, Clone, Default)]
pub struct SuperHubMetrics {
    /// Pages of results that were answered.
    pub searched: Counter,
    /// Listings that were made, changed or removed by somebody.
    pub changed: Counter,
    /// Registrations that were listed, renewed or queued.
    pub registered: Counter,
    /// Registrations that were refused: not proven, too many, or not wanted.
    pub refused: Counter,
    /// Listings that visitors reported.
    pub reported: Counter,
    /// Servers that were asked how they are.
    pub probed: Counter,
    /// Those of them whose health was another than before.
    pub turned: Counter,
}

impl SuperHubMetrics {
    /// Makes the counters part of `room`.
    pub fn register(&self, room: &mut Registry) {
        room.register("searched", "Pages of results that were answered", self.searched.clone());
        room.register("changed", "Listings that were made, changed or removed by somebody", self.changed.clone());
        room.register("registered", "Registrations that were listed, renewed or queued", self.registered.clone());
        room.register("refused", "Registrations that were refused", self.refused.clone());
        room.register("reported", "Reports of listings that were taken", self.reported.clone());
        room.register("probed", "Servers that were asked how they are", self.probed.clone());
        room.register("turned", "Servers whose health was another than before", self.turned.clone());
    }
}
