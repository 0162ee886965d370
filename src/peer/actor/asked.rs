//! What the handle asks.

use std::sync::Arc;

use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::Actor;
use crate::clock::{Moment, UnixMillis};
use crate::p2p::link_local::dialable;
use crate::p2p::streams::{OpenFailure, Opened};
use crate::peer::address_book::peer_of;
use crate::peer::openings::Opening;
use crate::peer::{Command, OpenError, PeerEvent, PeerRow, PeerStream, Profile, SelfInfo};
use crate::proto::chat::{ChatMessage, Pushed};
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
            Command::Record(message) => self.record(message),
            Command::History { with, reply } => drop(reply.send(self.chats.with(with))),
            Command::AvatarChanged(avatar) => self.change_profile(|profile| profile.avatar = avatar),
            Command::NameChanged { label, email } => self.change_profile(|profile| (profile.label, profile.email) = (label, email)),
        }
    }

    fn change_profile(&mut self, change: impl FnOnce(&mut Profile)) {
        self.profile.send_modify(|profile| change(Arc::make_mut(profile)));
        self.announcer.profile_changed(Moment::now());
        self.show_ourselves();
    }

    fn open(&mut self, peer: PeerId, opening: Opening) {
        if peer == self.me {
            return drop(opening.reply.send(Err(OpenError::Oneself)));
        }
        if self.swarm.is_connected(&peer) {
            return self.open_now(peer, opening);
        }
        match self.addresses_to_dial(&peer, Moment::now()) {
            Ok(known) => {
                self.openings.wait(peer, opening, Moment::now());
                self.dial(peer, known);
            }
            Err(error) => drop(opening.reply.send(Err(error))),
        }
    }

    pub(super) fn open_now(&mut self, peer: PeerId, opening: Opening) {
        let (reply, opened) = oneshot::channel();
        self.swarm.behaviour_mut().streams.open(peer, opening.protocols, reply);
        tokio::spawn(async move { drop(opening.reply.send(as_peer_stream(opened.await))) });
    }

    fn dial_address(&mut self, addr: Multiaddr, reply: oneshot::Sender<Result<PeerId, OpenError>>) {
        let Some(peer) = peer_of(&addr) else {
            return drop(reply.send(Err(OpenError::NoAddress)));
        };
        if peer == self.me {
            return drop(reply.send(Err(OpenError::Oneself)));
        }
        self.book.learn(peer, &[addr]);
        self.openings.wait_for_connection(peer, reply, Moment::now());
        if self.swarm.is_connected(&peer) {
            self.openings.connected(&peer);
        } else {
            self.dial(peer, self.book.of(&peer).to_vec());
        }
    }

    /// A dial that is under way already is waited for.
    fn dial(&mut self, peer: PeerId, addrs: Vec<Multiaddr>) {
        let addrs = addrs.into_iter().map(dialable).collect();
        let opts = DialOpts::peer_id(peer).addresses(addrs).condition(PeerCondition::DisconnectedAndNotDialing).build();
        if let Err(error) = self.swarm.dial(opts) {
            self.on_dial_failed(peer, &error);
        }
    }

    fn record(&mut self, message: ChatMessage) {
        if message.from != self.me {
            self.metrics.chat_received.inc();
        }
        match self.chats.push(message.clone(), Moment::now()) {
            Pushed::Kept => drop(self.events.send(PeerEvent::Chat { message })),
            Pushed::Known => {}
            Pushed::Refused => {
                self.metrics.chat_refused.inc();
            }
        }
    }

    fn self_info(&self) -> SelfInfo {
        let profile = self.profile.borrow();
        SelfInfo {
            peer_id: self.me,
            label: profile.label.clone(),
            avatar_hash: profile.avatar_hash(),
            listen: self.listen(),
            version: env!("CARGO_PKG_VERSION"),
            rendezvous: self.wan.status(),
        }
    }

    /// The addresses this node listens on, each with its peer id.
    pub(super) fn listen(&self) -> Vec<Multiaddr> {
        self.swarm.listeners().cloned().map(|addr| addr.with(Protocol::P2p(self.me))).collect()
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
            signed: row.presence.signed,
            sources: row.sources().map(|source| self.wan.name(source)).collect(),
            addrs: self.known_addresses(row),
        }
    }
}

fn as_peer_stream(opened: Result<Opened, oneshot::error::RecvError>) -> Result<PeerStream, OpenError> {
    match opened {
        Ok(Ok((protocol, stream))) => Ok(PeerStream { protocol, io: Box::new(stream.compat()) }),
        Ok(Err(OpenFailure::Unsupported)) => Err(OpenError::Unsupported),
        Ok(Err(OpenFailure::TimedOut)) => Err(OpenError::TimedOut),
        Ok(Err(OpenFailure::Busy)) => Err(OpenError::Unreachable("too many requests are waiting".into())),
        Ok(Err(OpenFailure::NotConnected)) | Err(_) => Err(OpenError::Unreachable("the connection closed".into())),
    }
}
