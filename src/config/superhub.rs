//! `[superhub]`: the directory of communities.

use libp2p::PeerId;

use super::section::section;
use super::text::Line;

section! {
    /// The directory of communities.
    SuperhubConfig in "superhub" {
        /// Whether this node is a super hub.
        enabled: bool = false;
        /// What the super hub is called.
        name: Line = Line::default();
        /// Peer ids of those who may operate the public roles of this node, beside the one with the admin password.
        admin_peers: Vec<PeerId> = Vec::new();
    }
}
