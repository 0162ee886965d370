//! Which world a `Host` names: the viewer, a peer's site, or nothing of ours.
//!
//! A peer's label is its id as base36 CIDv1, because host names know no letter case: 62 characters for an Ed25519 id, one label
//! directly under `localhost`, so that no two sites share a parent (THREATS 25).

use libp2p::PeerId;

use crate::identity::{peer_id_from_text, to_base36};

/// What a `Host` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// The viewer, under this origin.
    Viewer(String),
    /// The site of a peer.
    Site(PeerId),
}

/// The names this viewer answers to.
#[derive(Debug)]
pub(super) struct Hosts {
    suffix: String,
}

impl Hosts {
    /// Names with this port; browsers leave port 80 out.
    pub(super) fn new(port: u16) -> Self {
        Self { suffix: if port == 80 { String::new() } else { format!(":{port}") } }
    }

    /// What `host` names, letter for letter; `None` for every other name (THREATS 29).
    pub(super) fn place(&self, host: &str) -> Option<Place> {
        let name = host.strip_suffix(self.suffix.as_str())?;
        if ["localhost", "127.0.0.1", "[::1]"].contains(&name) {
            return Some(Place::Viewer(format!("http://{host}")));
        }
        let label = name.strip_suffix(".localhost")?;
        let peer = peer_id_from_text(label).ok()?;
        (to_base36(&peer) == label).then_some(Place::Site(peer))
    }

    /// Where the viewer is.
    pub(super) fn viewer_origin(&self) -> String {
        format!("http://localhost{}", self.suffix)
    }

    /// Where pages of ours stand that frame a site; `[::1]` is left out, since a policy cannot name it.
    pub(super) fn frames(&self) -> String {
        format!("{} http://127.0.0.1{}", self.viewer_origin(), self.suffix)
    }

    /// Where a peer's site is, with a slash at the end.
    pub(super) fn site_url(&self, peer: &PeerId) -> String {
        format!("http://{}.localhost{}/", to_base36(peer), self.suffix)
    }
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;
    use proptest::prelude::*;

    use super::*;

    fn ed25519() -> PeerId {
        Keypair::generate_ed25519().public().to_peer_id()
    }

    #[test]
    fn a_host_names_the_viewer_a_site_or_nothing() {
        let hosts = Hosts::new(8788);
        let peer = ed25519();
        for name in ["localhost:8788", "127.0.0.1:8788", "[::1]:8788"] {
            assert_eq!(hosts.place(name), Some(Place::Viewer(format!("http://{name}"))));
        }
        assert_eq!(hosts.place(&format!("{}.localhost:8788", to_base36(&peer))), Some(Place::Site(peer)));
        assert_eq!(hosts.place(&format!("{}.localhost:8788", to_base36(&peer).to_uppercase())), None);
        assert_eq!(hosts.place(&format!("{peer}.localhost:8788")), None, "the other spelling");
        assert_eq!(hosts.place(&format!("a.{}.localhost:8788", to_base36(&peer))), None);
        assert_eq!(hosts.place("localhost"), None);
        assert_eq!(Hosts::new(80).place("localhost"), Some(Place::Viewer("http://localhost".into())));
    }

    proptest! {
        #[test]
        fn any_label_is_refused_or_the_only_spelling_of_its_id(label in "[kKbBz1Q]?[0-9a-zA-Z]{0,64}") {
            if let Some(Place::Site(peer)) = Hosts::new(8788).place(&format!("{label}.localhost:8788")) {
                prop_assert_eq!(to_base36(&peer), label);
            }
        }

        #[test]
        fn any_host_is_refused_or_one_of_ours(host in ".{0,80}") {
            prop_assert_eq!(Hosts::new(8788).place(&host), None);
        }
    }
}
