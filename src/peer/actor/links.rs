//! Connections: who is dialled, what an established or closed connection means, and which have fallen silent.

use libp2p::core::ConnectedPoint;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionError, ConnectionId, DialError, SwarmEvent};
use libp2p::{Multiaddr, PeerId, ping};
use tracing::{debug, info};

use super::Actor;
use crate::clock::Moment;
use crate::p2p::BehaviourEvent;
use crate::p2p::link_local::dialable;
use crate::p2p::same_link::ip_of;
use crate::peer::connections::Way;
use crate::peer::{OpenError, discovery};
use crate::proto::neighbours::{Condition, Ended};

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
                let count = if self.serving.accept(inbound) { &self.metrics.streams_accepted } else { &self.metrics.streams_refused };
                count.inc();
            }
            BehaviourEvent::Ping(ping::Event { peer, connection, result: Ok(_) })
                if self.connections.answered(&peer, connection, Moment::now()) =>
            {
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
        let same_link = way == Way::SameLink;
        debug!(%peer, remote = %endpoint.get_remote_address(), ?way, "connected");
        let before = self.connections.path(&peer, now);
        self.connections.opened(peer, id, way, now);
        if same_link {
            let dialled = endpoint.is_dialer().then_some(endpoint.get_remote_address());
            self.neighbours.connected(peer, dialled, now);
        }
        self.close_superseded(peer, id, now);
        self.reaching.done(&peer);
        self.serve_peer(peer, now);
        self.tell_path(&peer, before, now);
    }

    /// What a silent connection still had to say was lost with it: the neighbour hears who we are once more.
    fn close_superseded(&mut self, peer: PeerId, newest: ConnectionId, now: Moment) {
        let streams = &self.swarm.behaviour().streams;
        let busy = |id| streams.pulse(&peer, id).and_then(|pulse| pulse.quiet_for(now));
        let superseded = self.connections.superseded(&self.me, &peer, newest, busy);
        for id in superseded {
            debug!(%peer, "closing the older connection");
            self.swarm.close_connection(id);
        }
    }

    fn on_closed(&mut self, peer: PeerId, id: ConnectionId, cause: Option<&ConnectionError>) {
        let now = Moment::now();
        self.metrics.connections_closed.inc();
        let was_same_link = self.connections.of(&peer).iter().any(|connection| connection.id == id && connection.is_same_link());
        let (before, reason) = (self.connections.path(&peer, now), self.connections.reason(&peer, now));
        if self.connections.closed(&peer, id) {
            self.forget_traversal(&peer, now);
            if let Some(reason) = reason {
                self.connections.failed(peer, reason);
            }
            let on_purpose = matches!(cause, None | Some(ConnectionError::KeepAliveTimeout));
            self.neighbours.disconnected(&peer, if on_purpose { Ended::OnPurpose } else { Ended::Lost }, now);
        } else if was_same_link {
            self.announcer.subscribed(now);
        }
        self.tell_path(&peer, before, now);
    }

    pub(super) fn on_dial_failed(&mut self, peer: PeerId, dial: ConnectionId, error: &DialError) {
        if matches!(error, DialError::DialPeerConditionFalse(_)) {
            return;
        }
        debug!(%peer, %error, "dial failed");
        self.metrics.dials_failed.inc();
        let now = Moment::now();
        self.neighbours.dial_failed(&peer, now);
        self.traversal.dial_failed(&peer, Self::jitter(), now);
        if !self.swarm.is_connected(&peer) && self.reaching.failed(&peer, dial) {
            let before = self.connections.path(&peer, now);
            self.connections.failed(peer, reason(error));
            self.openings.failed(&peer, &OpenError::Unreachable(reason(error)));
            self.tell_path(&peer, before, now);
        }
    }

    pub(super) fn suspect_silent_connections(&mut self, now: Moment) {
        for peer in self.connections.new_suspects(now) {
            info!(%peer, "a neighbour fell silent");
            self.metrics.neighbours_suspected.inc();
            self.neighbours.suspect(&peer, now);
        }
    }

    pub(super) fn dial_neighbours(&mut self, now: Moment) {
        let table = &self.table;
        for dial in self.neighbours.poll(|peer| table.get(peer).is_some_and(|row| row.online), now) {
            let condition = match dial.condition {
                Condition::Disconnected => PeerCondition::DisconnectedAndNotDialing,
                Condition::Always => PeerCondition::Always,
            };
            let addrs = preferring_tcp(dial.addrs).into_iter().map(dialable).collect();
            let opts = DialOpts::peer_id(dial.peer).addresses(addrs).condition(condition).build();
            let id = opts.connection_id();
            if let Err(error) = self.swarm.dial(opts) {
                self.on_dial_failed(dial.peer, id, &error);
            }
        }
    }

    pub(super) fn on_discovery(&mut self, event: discovery::Event) {
        let now = Moment::now();
        match event {
            discovery::Event::Found { peer, addrs } => {
                self.book.learn(peer, &addrs);
                self.swarm.behaviour_mut().lan.links.found(peer, &addrs);
                self.neighbours.found(peer, &addrs, |ip| self.subnets.contains(ip), now);
            }
            discovery::Event::Goodbye { peer } => {
                self.swarm.behaviour_mut().lan.links.left(&peer);
                self.neighbours.lapsed(&peer, now);
            }
            discovery::Event::Interfaces(subnets) => {
                self.subnets = subnets.clone();
                self.swarm.behaviour_mut().lan.links.set_own_subnet(move |ip| subnets.contains(ip));
                self.neighbours.interface_changed(now);
            }
        }
    }
}

/// A TCP connection notices at once that the other side's process died; QUIC on a LAN is for those who have nothing else.
fn preferring_tcp(mut addrs: Vec<Multiaddr>) -> Vec<Multiaddr> {
    let is_tcp = |addr: &Multiaddr| addr.iter().any(|part| matches!(part, Protocol::Tcp(_)));
    if addrs.iter().any(is_tcp) {
        addrs.retain(is_tcp);
    }
    addrs
}

/// A dial error as a person reads it.
fn reason(error: &DialError) -> String {
    match error {
        DialError::NoAddresses => "no address is known".into(),
        DialError::WrongPeerId { .. } => "somebody else answers at its address".into(),
        DialError::Transport(tried) => {
            let all: Vec<_> = tried.iter().map(|(addr, _)| ip_of(addr).map_or_else(|| addr.to_string(), |ip| ip.to_string())).collect();
            format!("no answer from {}", all.join(", "))
        }
        other => other.to_string(),
    }
}
