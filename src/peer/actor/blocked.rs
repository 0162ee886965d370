//! Peers that the owner cut off: the stack neither accepts nor makes a connection to them.

use libp2p::PeerId;

use super::Actor;

impl Actor {
    pub(super) fn block(&mut self, peer: PeerId, blocked: bool) {
        let list = &mut self.swarm.behaviour_mut().blocked;
        if blocked {
            list.block_peer(peer)
        } else {
            list.unblock_peer(peer)
        };
    }
}
