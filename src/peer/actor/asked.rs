//! What the handle asks.

use std::sync::Arc;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use super::Actor;
use crate::clock::{Moment, UnixMillis};
use crate::peer::address_book::peer_of;
use crate::peer::openings::Opening;
use crate::peer::{Command, PeerRow, Profile, SelfInfo};
use crate::proto::presence::Presence;
use crate::proto::presence::table::Row;

impl Actor {
    pub(super) fn on_command(&mut self, command: Command) {
        match command {
            Command::Peers(reply) => drop(reply.send(self.rows())),
            Command::Me(reply) => drop(reply.send(self.self_info())),
            Command::Open { peer, protocols, reply } => self.open(peer, Opening { protocols, reply }),
            Command::Members { community, reply } => drop(reply.send(self.members(&community))),
            Command::Dial { addr, reply } => self.dial_address(addr, reply),
            Command::UseRelay { peer, addrs } => self.use_relay(peer, addrs),
            Command::Block { peer, blocked } => self.block(peer, blocked),
            Command::AvatarChanged(avatar) => self.change_profile(|profile| profile.avatar = avatar),
            Command::Moves(reply) => drop(reply.send(self.wan.moves())),
            Command::Serve(urls) => self.serve(&urls),
            Command::NameChanged { label, email } => self.change_profile(|profile| (profile.label, profile.email) = (label, email)),
        }
    }

    fn change_profile(&mut self, change: impl FnOnce(&mut Profile)) {
        self.profile.send_modify(|profile| change(Arc::make_mut(profile)));
        self.announcer.profile_changed(Moment::now());
        self.show_ourselves();
    }

    fn self_info(&self) -> SelfInfo {
        let profile = self.profile.borrow();
        SelfInfo {
            peer_id: self.me,
            label: profile.label.clone(),
            avatar_hash: profile.avatar_hash(),
            listen: self.listen(),
            nat: self.traversal.nat,
            external: self.external(),
            version: env!("CARGO_PKG_VERSION"),
            rendezvous: self.wan.status(),
        }
    }

    /// The addresses this node listens on, each with its peer id.
    pub(super) fn listen(&self) -> Vec<Multiaddr> {
        self.swarm.listeners().cloned().map(|addr| self.with_me(addr)).collect()
    }

    /// The addresses at which others reach this node from outside, each with its peer id.
    fn external(&self) -> Vec<Multiaddr> {
        self.swarm.external_addresses().cloned().map(|addr| self.with_me(addr)).collect()
    }

    fn with_me(&self, addr: Multiaddr) -> Multiaddr {
        if peer_of(&addr) == Some(self.me) { addr } else { addr.with(Protocol::P2p(self.me)) }
    }

    fn rows(&self) -> Vec<PeerRow> {
        let mut rows: Vec<_> = self.table.iter().map(|row| self.shown(row)).collect();
        rows.sort_by(|a, b| (&a.label, a.peer_id).cmp(&(&b.label, b.peer_id)));
        rows
    }

    pub(super) fn shown(&self, row: &Row) -> PeerRow {
        let Presence { peer, email, avatar_hash, .. } = row.presence.as_ref().clone();
        let ago = u64::try_from(Moment::now().since(row.last_seen).as_millis()).unwrap_or(u64::MAX);
        PeerRow {
            peer_id: peer,
            label: row.presence.display_label(),
            email,
            avatar_hash,
            online: row.online,
            last_seen: UnixMillis(UnixMillis::now().0.saturating_sub(ago)),
            path: self.connections.path(&peer),
            reason: self.connections.reason(&peer),
            signed: row.presence.signed,
            sources: row.sources().map(|source| self.wan.name(source)).collect(),
            addrs: self.known_addresses(row),
        }
    }
}
