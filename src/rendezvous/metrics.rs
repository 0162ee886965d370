//! What the rendezvous server counts. No label names a peer or an address.

use axum::http::StatusCode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::proto::board::Published;

/// Declares the struct and registers each field under its name, with its doc as the help text.
macro_rules! metrics {
    ($($help:literal $name:ident,)*) => {
        /// Counters of all boards together; a clone counts into the same ones.
        #[derive(Debug, Clone, Default)]
        pub struct RendezvousMetrics {
            $(#[doc = $help] pub $name: Counter,)*
        }

        impl RendezvousMetrics {
            /// Makes the counters part of `room`.
            pub fn register(&self, room: &mut Registry) {
                $(room.register(stringify!($name), $help, self.$name.clone());)*
            }
        }
    };
}

metrics! {
    "Publications that brought a peer." came,
    "Publications that changed what a peer says." changed,
    "Heartbeats that changed nothing." unchanged,
    "Publications of peers that left, or were not here." left,
    "Publications refused because they came too often, or the board was full." refused_limit,
    "Publications refused because their sender may not speak for the peer." refused_forbidden,
    "Publications refused because they were not understood, too long or too slow." refused_form,
    "Event streams that were opened." subscribed,
    "Changes that other instances over the same database were not told, because too many waited." untold,
}

impl RendezvousMetrics {
    /// Counts a publication that was taken.
    pub(super) fn published(&self, published: Published) {
        match published {
            Published::Came => self.came.inc(),
            Published::Changed => self.changed.inc(),
            Published::Unchanged | Published::PassedOn => self.unchanged.inc(),
            Published::Left | Published::WasNotHere => self.left.inc(),
        };
    }

    /// Counts one that was refused.
    pub(super) fn refused(&self, status: StatusCode) {
        match status {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => self.refused_limit.inc(),
            StatusCode::FORBIDDEN | StatusCode::CONFLICT => self.refused_forbidden.inc(),
            _ => self.refused_form.inc(),
        };
    }
}
