//! `[profile]`: what others see of the owner.

use libp2p::PeerId;

use super::section::section;
use super::text::Line;
use crate::identity::nameless;

section! {
    /// What others see of the owner.
    ProfileConfig in "profile" {
        /// The name that others see, at most 256 bytes. Empty: "goop-" and the last letters of the peer id.
        label: Line = Line::default();
        /// An email address. Nobody is told it unless the next setting (share_email) says so.
        email: Line = Line::default();
        /// Whether everyone who sees this peer is told the email address.
        share_email: bool = false;
    }
}

impl ProfileConfig {
    /// The name that others see: `label`, or what a peer without a name is called where that has nothing but blanks.
    pub fn label_or_id(&self, peer: &PeerId) -> String {
        let label = self.label.as_str();
        if label.trim().is_empty() { nameless(peer) } else { label.to_owned() }
    }

    /// The email address, if there is one and its owner shares it.
    pub fn shared_email(&self) -> Option<&str> {
        (self.share_email && !self.email.is_empty()).then(|| self.email.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_of_blanks_is_no_label() {
        let peer = PeerId::random();
        for label in ["", " ", "  \u{a0}\u{3000}"] {
            let profile = ProfileConfig { label: Line::parse(label).unwrap(), ..ProfileConfig::default() };
            assert_eq!(profile.label_or_id(&peer), nameless(&peer));
        }
    }
}
