//! Being reached through routers: what others say of our address, places on relays, and what became of punching.

use std::io;
use std::num::NonZeroU8;

use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::ConnectionId;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::{Multiaddr, PeerId, autonat, dcutr, identify, relay, upnp};
use tracing::{debug, info};

use super::Actor;
use crate::clock::Moment;
use crate::p2p::BehaviourEvent;
use crate::p2p::nat::Nat;
use crate::p2p::relay::is_offered;
use crate::p2p::streams::{is_relayed, is_tcp};
use crate::peer::address_book::without_peer;
use crate::peer::connections::Way;
use crate::peer::traversal::named_places;
use crate::proto::relay_choice::Wish;

impl Actor {
    pub(super) fn on_traversal(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(identify::Event::Received { peer_id, info, .. }) => {
                self.traversal.identified(peer_id, info.protocols.contains(&relay::HOP_PROTOCOL_NAME));
                self.ask_back(peer_id, info.protocols.contains(&autonat::DEFAULT_PROTOCOL_NAME));
            }
            BehaviourEvent::Autonat(autonat::Event::StatusChanged { new, .. }) => self.on_nat(Nat::from(&new)),
            BehaviourEvent::Upnp(event) => log_upnp(&event),
            BehaviourEvent::RelayClient(event) => self.on_relay_client(event),
            BehaviourEvent::RelayServer(event) => self.count_served(&event),
            BehaviourEvent::Punch(dcutr::Event { remote_peer_id, result }) => self.on_punch(remote_peer_id, result),
            _ => {}
        }
    }

    /// Whether this peer may be asked how it sees us: it knows how, and is not on our own link.
    fn ask_back(&mut self, peer: PeerId, answers: bool) {
        let distant = self.connections.of(&peer).iter().all(|connection| connection.way == Way::Direct);
        if let Some(autonat) = self.swarm.behaviour_mut().autonat.as_mut() {
            if answers && distant {
                autonat.inner().add_server(peer, None);
            } else {
                autonat.inner().remove_server(&peer);
            }
        }
    }

    /// The last connection to a peer closed.
    pub(super) fn forget_traversal(&mut self, peer: &PeerId, now: Moment) {
        self.traversal.disconnected(peer, Self::jitter(), now);
        self.ask_back(*peer, false);
    }

    fn on_nat(&mut self, nat: Nat) {
        info!(?nat, "how others reach this node");
        self.traversal.nat = nat;
        self.traversal.relays.set_reachable(nat == Nat::Public);
    }

    fn on_relay_client(&mut self, event: relay::client::Event) {
        match event {
            relay::client::Event::ReservationReqAccepted { relay_peer_id, renewal, limit } => {
                self.traversal.relays.held(&relay_peer_id);
                self.traversal.limited(relay_peer_id, limit.and_then(|limit| limit.data_in_bytes()));
                if !renewal {
                    info!(relay = %relay_peer_id, "reachable through a relay");
                }
                self.count_places();
            }
            relay::client::Event::OutboundCircuitEstablished { relay_peer_id, limit } => {
                self.traversal.limited(relay_peer_id, limit.and_then(|limit| limit.data_in_bytes()));
            }
            relay::client::Event::InboundCircuitEstablished { .. } => {}
        }
    }

    fn count_places(&self) {
        self.metrics.relays_held.set(i64::try_from(self.traversal.relays.places()).unwrap_or(i64::MAX));
    }

    fn count_served(&self, event: &relay::Event) {
        match event {
            relay::Event::ReservationReqAccepted { .. } | relay::Event::CircuitReqAccepted { .. } => self.metrics.relay_granted.inc(),
            relay::Event::ReservationReqDenied { .. } | relay::Event::CircuitReqDenied { .. } => self.metrics.relay_refused.inc(),
            _ => return,
        };
    }

    fn on_punch(&mut self, peer: PeerId, result: Result<ConnectionId, dcutr::Error>) {
        match result {
            Ok(_) => self.metrics.punched.inc(),
            Err(error) => {
                debug!(%peer, %error, "no direct connection");
                self.connections.unpunched(&peer);
                self.metrics.unpunched.inc()
            }
        };
        self.serve_peer(peer, Moment::now());
        self.tell_path(&peer);
    }

    /// The way of a new connection. One that comes in through a relay names the relay in our own address.
    pub(super) fn way(&mut self, peer: PeerId, id: ConnectionId, endpoint: &ConnectedPoint) -> Way {
        let leads_over = match endpoint {
            ConnectedPoint::Dialer { address, .. } => address,
            ConnectedPoint::Listener { local_addr, .. } => local_addr,
        };
        if is_relayed(leads_over) {
            self.metrics.relayed_opened.inc();
            return Way::Relayed { carries: self.traversal.may_carry(leads_over) };
        }
        if endpoint.is_dialer() {
            self.traversal.relays.connected(&peer, &without_peer(leads_over.clone()));
        }
        if self.swarm.behaviour().lan.carries(&peer, id) { Way::SameLink } else { Way::Direct }
    }

    /// Somebody named a relay. goop2's servers end its addresses in `/p2p/…` or not, as they like.
    pub(super) fn use_relay(&mut self, relay: PeerId, addrs: Vec<Multiaddr>) {
        let addrs = addrs.into_iter().map(without_peer).collect();
        if relay != self.me && !self.traversal.relays.add(relay, addrs, Moment::now()) {
            debug!(%relay, "there are too many relays");
        }
    }

    /// A rendezvous server names a relay (THREATS 4: see [`named_places`] and [`names`](crate::peer::traversal::Traversal::names)).
    pub(super) fn on_relay_named(&mut self, server: u16, relay: PeerId, addrs: &[Multiaddr]) {
        let addrs = named_places(addrs, &relay, self.keeps_to_loopback());
        if relay != self.me && !addrs.is_empty() && self.traversal.names(server, relay, Moment::now()) {
            self.use_relay(relay, addrs);
        }
    }

    /// Does what the choice of relays wants done.
    pub(super) fn use_relays(&mut self, now: Moment) {
        for wish in self.traversal.relays.poll(Self::jitter(), now) {
            debug!(?wish, "relay");
            match wish {
                Wish::Dial(relay, addrs) => self.dial_relay(relay, addrs, now),
                Wish::Reserve(relay, addr) => self.ask_for_place(relay, addr, now),
                Wish::Release(relay) => {
                    if let Some(listener) = self.traversal.place_on(&relay) {
                        self.swarm.remove_listener(listener);
                    }
                }
            }
        }
    }

    /// A relay that is connected for another reason has said who it is before it was our relay; a second connection makes it say
    /// so again. TCP first, as goop2 does: punching needs both sides to be seen by the same transport.
    fn dial_relay(&mut self, relay: PeerId, mut addrs: Vec<Multiaddr>, now: Moment) {
        addrs.sort_by_key(|addr| !is_tcp(addr));
        let one_by_one = NonZeroU8::MIN;
        let opts = DialOpts::peer_id(relay).addresses(addrs).condition(PeerCondition::Always);
        let opts = opts.override_dial_concurrency_factor(one_by_one).build();
        if let Err(error) = self.swarm.dial(opts) {
            debug!(%relay, %error, "the relay cannot be dialled");
            self.traversal.dial_failed(&relay, Self::jitter(), now);
        }
    }

    fn ask_for_place(&mut self, relay: PeerId, addr: Multiaddr, now: Moment) {
        let place = addr.with(Protocol::P2p(relay)).with(Protocol::P2pCircuit);
        match self.swarm.listen_on(place) {
            Ok(listener) => self.traversal.asked(listener, relay),
            Err(error) => {
                debug!(%relay, %error, "no place can be asked for");
                self.traversal.relays.lost(&relay, Self::jitter(), now);
            }
        }
    }

    pub(super) fn on_listener_closed(&mut self, listener: ListenerId, reason: &io::Result<()>) {
        if let Some(relay) = self.traversal.place_lost(listener, Self::jitter(), Moment::now()) {
            info!(%relay, ?reason, "no longer reachable through this relay");
            self.count_places();
        }
    }

    /// A relay tells those who ask for a place under which addresses others find them there; and a node that listens may use relays.
    pub(super) fn offer_relay(&mut self) {
        if self.swarm.listeners().any(|addr| !is_relayed(addr)) {
            self.traversal.relays.listening();
        }
        if self.traversal.serves {
            let keeps_to_loopback = self.traversal.loopback_only;
            let offered = self.swarm.listeners().filter(|addr| !is_relayed(addr) && is_offered(addr, keeps_to_loopback));
            let offered: Vec<_> = offered.cloned().collect();
            offered.into_iter().for_each(|addr| self.swarm.add_external_address(addr));
        }
    }

    /// A relay tells where it is, as far as others confirmed it or its owner said so.
    pub(super) fn show_relay(&self) {
        if self.traversal.serves {
            self.traversal.is_found_at(self.swarm.external_addresses().filter(|addr| !is_relayed(addr)).cloned().collect());
        }
    }

    /// Gives up punching where it took too long, and closes relayed connections that nothing needs any more.
    pub(super) fn look_after_relayed(&mut self, now: Moment) {
        for peer in self.connections.newly_unpunched(now) {
            self.tell_path(&peer);
        }
        let quiet = |peer: &PeerId, id| self.quiet(peer, id, now);
        for id in self.connections.spent_relayed(quiet, now) {
            debug!("closing a relayed connection");
            self.swarm.close_connection(id);
        }
    }
}

fn log_upnp(event: &upnp::Event) {
    match event {
        upnp::Event::NewExternalAddr { external_addr, .. } => info!(%external_addr, "the router lets others in"),
        upnp::Event::ExpiredExternalAddr { external_addr, .. } => info!(%external_addr, "the router no longer lets others in"),
        upnp::Event::GatewayNotFound => debug!("no router answers UPnP"),
        upnp::Event::NonRoutableGateway => debug!("the router itself is behind another"),
    }
}
