//! `[presence]`: who is here, on the LAN and by rendezvous servers.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::base_url::BaseUrl;
use super::secret::Secret;
use super::section::section;
use super::text::Topic;

/// The longest time that presence may take to lapse.
const DAY: Duration = Duration::from_secs(86_400);
const SECOND: Duration = Duration::from_secs(1);

/// The key of the servers that one is a member at, which joining, leaving and moving change.
pub const RENDEZVOUS_WAN: &str = "presence.rendezvous_wan";

section! {
    /// Who is here, on the LAN and by rendezvous servers.
    PresenceConfig in "presence" {
        /// The GossipSub topic of presence on the LAN. goop2 peers use the default and no other.
        topic: Topic = Topic::default();
        /// Seconds without a heartbeat after which a peer counts as offline.
        ttl_seconds: Duration = Duration::from_secs(20), in SECOND..=DAY;
        /// Seconds between two heartbeats of this peer. Must be less than ttl_seconds.
        heartbeat_seconds: Duration = Duration::from_secs(5), in SECOND..=DAY;
        /// Whether this node runs a rendezvous server.
        rendezvous_host: bool = false;
        /// The port of every public role (rendezvous server, super hub). 0: a free one.
        rendezvous_port: u16 = 8787;
        /// The address of every public role. "0.0.0.0" lets other machines in.
        rendezvous_bind: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
        /// The communities that you are in, by the addresses of their rendezvous servers: one, or a list. Empty: none.
        rendezvous_wan: Vec<BaseUrl> = Vec::new();
        /// Run only the rendezvous server: no peer, no viewer. Implies rendezvous_host.
        rendezvous_only: bool = false;
        /// The password of the operator, as plain text or as an argon2 string (goop hash-password). Empty: the admin pages stay shut.
        admin_password: Secret = Secret::default();
        /// A SQLite file on a local disk over which several processes with the same key are one server. Empty: this one is alone.
        peer_db_path: Option<PathBuf> = None;
        /// Whether peers that do not sign their presence (goop2) are listed. A peer that has signed is protected either way.
        allow_unsigned: bool = true;
    }
}

impl PresenceConfig {
    /// Whether this node runs a rendezvous server, alone or beside the peer.
    pub fn hosts_rendezvous(&self) -> bool {
        self.rendezvous_host || self.rendezvous_only
    }
}
