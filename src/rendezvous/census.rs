//! How many are here and how many read, counted at the moment somebody asks for `/metrics`.

use std::fmt;
use std::sync::{Arc, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::{App, LiveBoard};

/// The boards of a server, which may be gone: the registry outlives it in tests.
pub(super) struct Census(Weak<App>);

impl Census {
    pub(super) fn of(app: &Arc<App>) -> Self {
        Self(Arc::downgrade(app))
    }
}

impl Collector for Census {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(app) = self.0.upgrade() else { return Ok(()) };
        let boards = app.boards.all();
        let mut tell = |name, help, count: fn(&LiveBoard) -> usize| {
            let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            for board in &boards {
                let community = [("community", board.slug().unwrap_or_default())];
                let count = i64::try_from(count(board)).unwrap_or(i64::MAX);
                ConstGauge::new(count).encode(family.encode_family(&community)?)?;
            }
            Ok(())
        };
        tell("peers", "Peers that are here; the open board has no name", |board| board.read(|board| board.rows().len()))?;
        tell("event_streams", "Event streams that are read", LiveBoard::readers)
    }
}

impl fmt::Debug for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Census")
    }
}
