//! How this node calls other nodes over HTTP: rendezvous servers, ours and goop2's, and super hubs.

pub mod answer;
pub mod rendezvous;
pub mod superhub;

/// What this program calls itself to those whom it asks.
pub const USER_AGENT: &str = concat!("goop/", env!("CARGO_PKG_VERSION"));
