//! `[p2p]`: the libp2p node.

use super::section::section;
use super::text::MdnsTag;

section! {
    /// The libp2p node.
    P2pConfig in "p2p" {
        /// The port for other peers, TCP and UDP (QUIC) alike. 0: a free one, another at each start.
        listen_port: u16 = 0;
        /// Peers on a LAN see only those with the same tag. 1 to 15 letters, digits and single hyphens.
        /// With a tag of your own, goop2 peers are not found: theirs cannot be changed.
        mdns_tag: MdnsTag = MdnsTag::default();
        /// Whether this node carries the traffic of peers that cannot reach each other.
        relay_server: bool = false;
        /// Listen, announce and discover on loopback only: nothing leaves this machine.
        loopback_only: bool = false;
    }
}
