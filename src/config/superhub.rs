//! `[superhub]`: the directory of communities.

use std::time::Duration;

use libp2p::PeerId;
use toml_edit::Value;

use super::section::section;
use super::setting::{Setting, unexpected};
use super::text::Line;

/// The shortest lease of a server that lists itself.
const SHORTEST: Duration = Duration::from_secs(60);
/// The longest one: two days.
const LONGEST: Duration = Duration::from_secs(172_800);

/// What becomes of servers that list themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Policy {
    /// None is listed.
    Closed,
    /// Each waits for the operator's word.
    #[default]
    Approve,
    /// Each that proves itself is listed.
    Open,
}

impl Policy {
    const WORDS: [(&str, Self); 3] = [("closed", Self::Closed), ("approve", Self::Approve), ("open", Self::Open)];
}

impl Setting for Policy {
    fn read(value: &Value) -> Result<Self, String> {
        let found = Self::WORDS.iter().find(|(word, _)| value.as_str() == Some(word));
        found.map(|(_, policy)| *policy).ok_or_else(|| unexpected("\"closed\", \"approve\" or \"open\"", value))
    }

    fn write(&self) -> Value {
        Self::WORDS.iter().find(|(_, policy)| policy == self).map_or("", |(word, _)| word).into()
    }
}

section! {
    /// The directory of communities.
    SuperhubConfig in "superhub" {
        /// Whether this node is a super hub.
        enabled: bool = false;
        /// What the super hub is called. Empty: the host of http.external_url.
        name: Line = Line::default();
        /// Peer ids of those who may operate the public roles of this node, beside the one with the admin password.
        admin_peers: Vec<PeerId> = Vec::new();
        /// What becomes of rendezvous servers that list themselves: "closed", "approve" (each waits for the operator) or "open".
        registration: Policy = Policy::Approve;
        /// Whether these may be in private networks or on this machine: for a hub that serves one house, not for a public one.
        private_addresses: bool = false;
        /// Seconds after which a server that listed itself is no longer listed unless it renews that; it does so every third of it.
        lease_seconds: Duration = Duration::from_secs(86_400), in SHORTEST..=LONGEST;
        /// Whether the servers that are listed are asked now and then how they are.
        probe: bool = true;
    }
}
