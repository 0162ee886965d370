//! A peer and its rendezvous servers: scripted ones that answer as goop2's two generations and ours do, or misbehave, and the real board.
#![allow(clippy::unwrap_used, reason = "a failed step fails the test")]

#[path = "wan/bad_servers.rs"]
mod bad_servers;
#[path = "wan/board.rs"]
mod board;
#[path = "wan/certificates.rs"]
mod certificates;
#[path = "wan/communities.rs"]
mod communities;
#[path = "wan/goop2_servers.rs"]
mod goop2_servers;
#[path = "wan/moves.rs"]
mod moves;
#[path = "wan/named_relay.rs"]
mod named_relay;
#[path = "wan/our_servers.rs"]
mod our_servers;
#[path = "wan/peer.rs"]
mod peer;
#[path = "wan/peers.rs"]
mod peers;
#[path = "wan/relays.rs"]
mod relays;
#[path = "wan/script.rs"]
mod script;
#[path = "wan/subject.rs"]
mod subject;
