//! What the peer counts. Whatever is dropped is counted, so that "nothing happens" can be told from "something is refused".

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Declares the struct and registers each field under its name, with its doc as the help text.
macro_rules! metrics {
    ($($help:literal $name:ident: $kind:ty,)*) => {
        /// The peer's counters; a clone counts into the same ones.
        #[derive(Debug, Clone, Default)]
        pub struct Metrics {
            $(#[doc = $help] pub $name: $kind,)*
        }

        impl Metrics {
            /// Makes the counters part of `room`.
            pub fn register(&self, room: &mut Registry) {
                $(room.register(stringify!($name), $help, self.$name.clone());)*
            }
        }
    };
}

metrics! {
    "Connections that were established." connections_opened: Counter,
    "Connections that closed; open ones are opened minus closed." connections_closed: Counter,
    "Inbound connections that were refused or failed." connections_refused: Counter,
    "Dials that failed." dials_failed: Counter,
    "Connections through a relay that were established." relayed_opened: Counter,
    "Direct connections that were made through two routers." punched: Counter,
    "Relayed connections that could not be made direct." unpunched: Counter,
    "Relays that this peer is reachable through." relays_held: Gauge,
    "Requests for a place or a connection that this relay granted." relay_granted: Counter,
    "Requests for a place or a connection that this relay refused." relay_refused: Counter,
    "Streams of others that were answered." streams_accepted: Counter,
    "Streams of others that were closed because there were too many." streams_refused: Counter,
    "Presence messages that were accepted from gossip." gossip_accepted: Counter,
    "Presence messages that were rejected: too long, not understood, or not of their source." gossip_rejected: Counter,
    "Presence messages that were ignored because their source, or a neighbour that brings strangers, sent too many." gossip_ignored: Counter,
    "Presence messages that were ignored because their source said them before, or something newer." gossip_replayed: Counter,
    "LAN neighbours whose connection fell silent." neighbours_suspected: Counter,
    "Peers that are online now." peers_online: Gauge,
}
