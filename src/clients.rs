//! How this node calls other nodes over HTTP: rendezvous servers, ours and goop2's.

pub mod rendezvous;
