//! How this node calls other nodes over HTTP: rendezvous servers, ours and goop2's, and super hubs.

pub mod rendezvous;
pub mod superhub;
