//! Connections: who is dialled, what an established or closed connection means, and which have fallen silent.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use libp2p::core::ConnectedPoint;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionError, ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, ping};
use tracing::{debug, info};

use super::Actor;
use crate::clock::Moment;
use crate::p2p::BehaviourEvent;
use crate::p2p::link_local::dialable;
use crate::p2p::streams::is_tcp;
use crate::peer::connections::Way;
use crate::peer::{OpenError, discovery};
use crate::proto::neighbours::{Condition, Ended};

mod failure;

use failure::reason;

/// A neighbour answers a dial within this time, or not at all; after it, it may be dialled anew.
const NEIGHBOUR_ANSWERS: Duration = Duration::from_millis(1500);

impl Actor {
    pub(super) fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_connected(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, cause, .. } => {
                self.on_closed(peer_id, connection_id, cause.as_ref());
            }
            SwarmEvent::OutgoingConnectionError { peer_id: Some(peer), connection_id, error } => {
                self.on_dial_failed(peer, connection_id, &error);
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                debug!(%error, "inbound connection refused or failed");
                self.metrics.connections_refused.inc();
            }
            SwarmEvent::NewListenAddr { .. } | SwarmEvent::ExpiredListenAddr { .. } => self.listen_addrs_changed = true,
            SwarmEvent::ListenerClosed { listener_id, reason, .. } => self.on_listener_closed(listener_id, &reason),
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Lan(event) => self.on_gossip(event),
            BehaviourEvent::Streams(inbound) => {
                let row = self.table.get(&inbound.peer);
                let sources = row.map(|row| row.sources().map(|source| self.wan.name(source)).collect()).unwrap_or_default();
                let count =
                    if self.serving.accept(inbound, sources) { &self.metrics.streams_accepted } else { &self.metrics.streams_refused };
                count.inc();
            }
            BehaviourEvent::Ping(ping::Event { peer, connection, result: Ok(_) })
                if self.connections.answered(&peer, connection, Moment::now()) =>
            {
                self.swarm.behaviour_mut().streams.trust(&peer, connection, true);
                self.neighbours.alive(&peer);
            }
            BehaviourEvent::Ping(_) => {}
            other => self.on_traversal(other),
        }
    }

    fn on_connected(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) {
        let now = Moment::now();
        self.metrics.connections_opened.inc();
        let way = self.way(peer, id, endpoint);
        debug!(%peer, remote = %endpoint.get_remote_address(), ?way, "connected");
        self.connections.opened(peer, id, way, now);
        self.neighbour_dials.remove(&peer);
        self.wan.dials().succeeded(&peer);
        self.reaching.done(&peer);
        if endpoint.is_dialer() {
            self.book.prove(peer, endpoint.get_remote_address().clone());
        } else {
            self.connections.came_in(&peer, id);
        }
        if way == Way::SameLink {
            let dialled = endpoint.is_dialer().then_some(endpoint.get_remote_address());
            self.neighbours.connected(peer, dialled, now);
        }
        self.tell_path(&peer);
        self.close_superseded(peer, now);
        self.serve_peer(peer, now);
    }

    fn close_superseded(&mut self, peer: PeerId, now: Moment) {
        let quiet = |id| self.quiet(&peer, id, now);
        for id in self.connections.superseded(&peer, quiet) {
            debug!(%peer, "closing a silent connection");
            self.swarm.close_connection(id);
        }
    }

    /// How long ago streams moved bytes on a connection; `None` if they never did. What moves through relays counts for those across
    /// networks: one of them leads to the relay, and is slow to answer because of that.
    pub(super) fn quiet(&self, peer: &PeerId, id: ConnectionId, now: Moment) -> Option<Duration> {
        let streams = &self.swarm.behaviour().streams;
        let moved = |peer: &PeerId, id| streams.pulse(peer, id).and_then(|pulse| pulse.quiet_for(now));
        let is_direct = self.connections.of(peer).iter().any(|connection| connection.id == id && connection.way == Way::Direct);
        let carried = self.connections.relayed().filter(|_| is_direct).filter_map(|(peer, id)| moved(peer, id));
        moved(peer, id).into_iter().chain(carried).min()
    }

    fn on_closed(&mut self, peer: PeerId, id: ConnectionId, cause: Option<&ConnectionError>) {
        let now = Moment::now();
        self.metrics.connections_closed.inc();
        let was_same_link = self.connections.of(&peer).iter().any(|connection| connection.id == id && connection.is_same_link());
        let reason = self.connections.reason(&peer);
        if self.connections.closed(&peer, id) {
            self.forget_traversal(&peer, now);
            if let Some(reason) = reason {
                self.connections.failed(peer, reason);
            }
            let on_purpose = matches!(cause, None | Some(ConnectionError::KeepAliveTimeout));
            self.neighbours.disconnected(&peer, if on_purpose { Ended::OnPurpose } else { Ended::Lost }, now);
        } else if was_same_link {
            // What was queued for the neighbour may have gone down with the connection.
            self.announcer.subscribed(now);
        }
        self.tell_path(&peer);
    }

    pub(super) fn on_dial_failed(&mut self, peer: PeerId, dial: ConnectionId, error: &DialError) {
        if matches!(error, DialError::DialPeerConditionFalse(_)) {
            return;
        }
        debug!(%peer, %error, "dial failed");
        self.metrics.dials_failed.inc();
        let now = Moment::now();
        if self.neighbour_dials.remove(&peer).is_some() {
            self.neighbours.dial_failed(&peer, now);
        }
        self.traversal.dial_failed(&peer, Self::jitter(), now);
        if !self.swarm.is_connected(&peer) && self.reaching.failed(&peer, dial) {
            self.wan.dials().failed(&peer, now);
            let is_offline = self.table.get(&peer).is_some_and(|row| !row.online);
            let why = if is_offline { format!("it is offline; {}", reason(error)) } else { reason(error) };
            self.connections.failed(peer, why.clone());
            self.tell_path(&peer);
            self.openings.failed(&peer, &OpenError::Unreachable(why));
        }
    }

    /// Looks after open connections: those that fell silent, and those that are one too many.
    pub(super) fn look_after_connections(&mut self, now: Moment) {
        for (peer, id, cut_off) in self.connections.new_suspects(now) {
            self.swarm.behaviour_mut().streams.trust(&peer, id, false);
            if cut_off {
                info!(%peer, "a neighbour fell silent");
                self.metrics.neighbours_suspected.inc();
                self.neighbours.suspect(&peer, now);
            } else {
                self.close_superseded(peer, now);
            }
        }
        for (peer, id) in self.connections.duplicates(&self.me, |peer, id| self.quiet(peer, id, now), now) {
            debug!(%peer, "closing a second connection");
            self.swarm.close_connection(id);
        }
        self.close_unused(now);
        self.swarm.behaviour_mut().lan.remind(now);
    }

    fn close_unused(&mut self, now: Moment) {
        let topic = self.topic.hash();
        let gossip = self.swarm.behaviour_mut().lan.gossip();
        let subscribed = gossip.all_peers().filter(|(_, topics)| topics.contains(&&topic));
        let neighbours: HashSet<PeerId> = subscribed.map(|(peer, _)| *peer).collect();
        for (peer, id) in self.connections.unused(|peer| neighbours.contains(peer), |peer, id| self.quiet(peer, id, now), now) {
            debug!(%peer, "closing an unused connection");
            self.swarm.close_connection(id);
        }
    }

    pub(super) fn dial_neighbours(&mut self, now: Moment) {
        let table = &self.table;
        for dial in self.neighbours.poll(|peer| table.get(peer).is_some_and(|row| row.online), now) {
            let condition = match dial.condition {
                Condition::Disconnected => PeerCondition::Disconnected,
                Condition::Always => PeerCondition::Always,
            };
            let addrs = preferring_tcp(dial.addrs).into_iter().map(dialable).collect();
            let opts = DialOpts::peer_id(dial.peer).addresses(addrs).condition(condition).build();
            match self.swarm.dial(opts) {
                Ok(()) => drop(self.neighbour_dials.insert(dial.peer, now)),
                Err(_) => self.neighbours.dial_failed(&dial.peer, now),
            }
        }
    }

    /// A neighbour that did not answer in time may be dialled again; the dial itself goes on until libp2p gives up.
    pub(super) fn expire_neighbour_dials(&mut self, now: Moment) {
        let (late, waiting) = self.neighbour_dials.drain().partition(|(_, since)| now.since(*since) >= NEIGHBOUR_ANSWERS);
        self.neighbour_dials = waiting;
        let late: HashMap<_, _> = late;
        late.keys().for_each(|peer| self.neighbours.dial_failed(peer, now));
    }

    pub(super) fn on_discovery(&mut self, event: discovery::Event) {
        let now = Moment::now();
        match event {
            discovery::Event::Found { peer, addrs } => {
                self.book.learn(peer, &addrs);
                self.neighbours.found(peer, &addrs, |ip| self.subnets.contains(ip), now);
            }
            discovery::Event::Goodbye { peer } => self.neighbours.lapsed(&peer, now),
            discovery::Event::Interfaces(subnets) => {
                self.subnets = subnets.clone();
                self.swarm.behaviour_mut().lan.links.set_own_subnet(move |ip| subnets.contains_now(ip));
                self.neighbours.interface_changed(now);
            }
        }
    }
}

/// A TCP connection notices at once that the other side's process died; QUIC on a LAN is for those who have nothing else.
fn preferring_tcp(mut addrs: Vec<Multiaddr>) -> Vec<Multiaddr> {
    if addrs.iter().any(is_tcp) {
        addrs.retain(is_tcp);
    }
    addrs
}
