//! `[p2p]`: the libp2p node.

use super::multiaddr::{ExternalAddr, RelayAddr};
use super::section::section;
use super::text::MdnsTag;

section! {
    /// The libp2p node.
    P2pConfig in "p2p" {
        /// The port at which other peers reach this one, TCP and UDP (QUIC) alike. 0: a free one, another at each start.
        listen_port: u16 = 0;
        /// Peers on the same network see only those with the same tag. 1 to 15 letters, digits and single hyphens.
        /// With a tag of your own, goop2 peers are not found: theirs cannot be changed.
        mdns_tag: MdnsTag = MdnsTag::default();
        /// Relays through which peers behind other routers can find this one, such as "/ip4/203.0.113.5/tcp/4001/p2p/12D3KooW…".
        /// Those that a rendezvous server names are used beside them.
        relays: Vec<RelayAddr> = Vec::new();
        /// Whether sites, files and chat may travel through a relay, a server between the two that cannot read them, where no direct
        /// connection comes about. If not, such a peer is shown as unreachable; relays then only help to make direct connections.
        relay_data: bool = true;
        /// Whether this node, which must have a public address, is a relay for peers that cannot reach each other directly.
        relay_server: bool = false;
        /// Addresses under which others reach this node and which it cannot know: "/ip4/203.0.113.5/tcp/4001" for a port that
        /// was forwarded by hand.
        external_addrs: Vec<ExternalAddr> = Vec::new();
        /// Whether the router is asked (by UPnP) to let peers in from the internet.
        upnp: bool = true;
        /// Listen, announce and discover on loopback only: nothing leaves this machine.
        loopback_only: bool = false;
    }
}
