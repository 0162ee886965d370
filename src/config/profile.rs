//! `[profile]`: what others see of the owner.

use libp2p::PeerId;

use super::section::section;
use super::text::Line;

section! {
    /// What others see of the owner.
    ProfileConfig in "profile" {
        /// The name that others see, at most 256 bytes. Empty: "goop-" and the end of the peer id.
        label: Line = Line::default();
        /// An email address. It stays on this machine unless share_email is true.
        email: Line = Line::default();
        /// Whether the email address is told to everyone who hears of this peer.
        share_email: bool = false;
    }
}

impl ProfileConfig {
    /// The name that others see: `label`, or `goop-` and the last six characters of the peer id.
    pub fn label_or_id(&self, peer: &PeerId) -> String {
        if !self.label.is_empty() {
            return self.label.as_str().to_owned();
        }
        let id = peer.to_base58();
        format!("goop-{}", &id[id.len().saturating_sub(6)..])
    }

    /// The email address, if there is one and its owner shares it.
    pub fn shared_email(&self) -> Option<&str> {
        (self.share_email && !self.email.is_empty()).then(|| self.email.as_str())
    }
}
