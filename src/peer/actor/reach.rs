//! Reaching a peer that somebody wants: directly, else through a relay, and what waits until then.

use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::oneshot;
use tokio_util::compat::FuturesAsyncReadCompatExt;

use super::Actor;
use crate::clock::Moment;
use crate::p2p::link_local::dialable;
use crate::p2p::streams::{OpenFailure, Opened, is_relayed, is_tcp};
use crate::peer::address_book::peer_of;
use crate::peer::connections::{UNPUNCHED, Usable};
use crate::peer::openings::Opening;
use crate::peer::traversal::relay_of;
use crate::peer::{OpenError, Path, PeerStream};

/// Relays of one peer that are asked how they see us while its direct addresses are tried.
const MAX_ASKED: usize = 2;

/// What is said where a peer knows none of our protocols on a relayed connection: it keeps data off relays, or is something else.
const REFUSED_RELAYED: &str = "no direct connection came about, and it takes nothing of this kind through a relay";

impl Actor {
    pub(super) fn open(&mut self, peer: PeerId, opening: Opening) {
        if peer == self.me {
            return drop(opening.reply.send(Err(OpenError::Oneself)));
        }
        let now = Moment::now();
        match self.connections.usable(&peer, now) {
            Usable::Yes => self.open_now(peer, opening),
            Usable::Never => drop(opening.reply.send(Err(OpenError::Unreachable(UNPUNCHED.into())))),
            Usable::Soon => self.openings.wait(peer, opening, now),
            Usable::No => match self.addresses_to_dial(&peer, now) {
                Ok(known) => {
                    self.openings.wait(peer, opening, now);
                    self.reach(peer, known, now);
                }
                Err(error) => {
                    self.note_unreachable(peer, &error);
                    let _ = opening.reply.send(Err(error));
                }
            },
        }
    }

    /// A listed peer that is wanted and tells no address of use counts as unreachable from now on.
    fn note_unreachable(&mut self, peer: PeerId, error: &OpenError) {
        if *error == OpenError::NoAddress && self.table.get(&peer).is_some() {
            self.connections.failed(peer, error.to_string());
            self.tell_path(&peer);
        }
    }

    fn open_now(&mut self, peer: PeerId, opening: Opening) {
        let (reply, opened) = oneshot::channel();
        let relayed = self.connections.path(&peer) == Path::Relayed;
        self.swarm.behaviour_mut().streams.open(peer, opening.protocols, reply);
        tokio::spawn(async move {
            let answer = match as_peer_stream(opened.await) {
                Err(OpenError::Unsupported) if relayed => Err(OpenError::Unreachable(REFUSED_RELAYED.into())),
                answer => answer,
            };
            drop(opening.reply.send(answer));
        });
    }

    pub(super) fn dial_address(&mut self, addr: Multiaddr, reply: oneshot::Sender<Result<PeerId, OpenError>>) {
        let Some(peer) = peer_of(&addr) else {
            return drop(reply.send(Err(OpenError::NoAddress)));
        };
        if peer == self.me {
            return drop(reply.send(Err(OpenError::Oneself)));
        }
        let now = Moment::now();
        self.book.learn(peer, &[addr]);
        self.openings.wait_for_connection(peer, reply, now);
        match self.connections.usable(&peer, now) {
            Usable::No => self.reach(peer, self.book.of(&peer).to_vec(), now),
            Usable::Soon => {}
            Usable::Yes | Usable::Never => self.serve_peer(peer, now),
        }
    }

    /// Dials `peer` where it is known to be; the ways through relays come later.
    fn reach(&mut self, peer: PeerId, known: Vec<Multiaddr>, now: Moment) {
        let (mut circuits, direct): (Vec<_>, Vec<_>) = known.into_iter().partition(is_relayed);
        circuits.sort_by_key(|addr| !is_tcp(addr));
        for (relay, addr) in circuits.iter().filter_map(relay_of).take(MAX_ASKED) {
            self.dial(relay, vec![addr], PeerCondition::DisconnectedAndNotDialing);
        }
        self.reaching.begin(peer, circuits, now);
        if !direct.is_empty() {
            self.dial(peer, direct, PeerCondition::DisconnectedAndNotDialing);
        }
    }

    /// Dials the ways through relays whose time has come.
    pub(super) fn reach_through_relays(&mut self, now: Moment) {
        let traversal = &self.traversal;
        for (peer, circuits) in self.reaching.due(|circuit| traversal.is_seen_by_relay_of(circuit), now) {
            self.dial(peer, circuits, PeerCondition::Disconnected);
        }
    }

    /// A dial that is under way already is waited for.
    fn dial(&mut self, peer: PeerId, addrs: Vec<Multiaddr>, condition: PeerCondition) {
        let addrs = addrs.into_iter().map(dialable).collect();
        let opts = DialOpts::peer_id(peer).addresses(addrs).condition(condition).build();
        let id = opts.connection_id();
        match self.swarm.dial(opts) {
            Ok(()) => self.reaching.dialled(&peer, id),
            Err(error) => self.on_dial_failed(peer, id, &error),
        }
    }

    /// Opens what waits for `peer`, if it can be opened by now, or says that it never can.
    pub(super) fn serve_peer(&mut self, peer: PeerId, now: Moment) {
        match self.connections.usable(&peer, now) {
            Usable::Yes => {
                for opening in self.openings.connected(&peer) {
                    self.open_now(peer, opening);
                }
            }
            Usable::Never => self.openings.failed(&peer, &OpenError::Unreachable(UNPUNCHED.into())),
            Usable::Soon | Usable::No => {}
        }
    }

    /// The same for everyone who is waited for, as time passes.
    pub(super) fn serve_waiting(&mut self, now: Moment) {
        for peer in self.openings.awaited() {
            self.serve_peer(peer, now);
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
