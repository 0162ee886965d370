//! Connections per address: libp2p limits connections in all and per peer, but a stranger makes peer ids for free (THREATS 49).
//!
//! IPv6 addresses count by their /64, which is what one customer gets (THREATS 16). Link-local ones count singly, for they are all of
//! one /64; but a host gives itself as many as it likes, so each has a small share and all together half of the handshakes.
//!
//! libp2p cannot give up a handshake for another, so some places are kept: of the handshakes for addresses that have none under way,
//! and of the inbound connections for peers that we reached ourselves before.

use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv6Addr};
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint, Multiaddr};
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished, ListenFailure};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};
use prometheus_client::metrics::counter::Counter;
use thiserror::Error;

use crate::proto::signed::addrs::ip_of;

/// Inbound connections of one address whose handshake is under way.
pub const MAX_PENDING: u32 = 16;
/// The same of one link-local IPv6 address.
pub const MAX_PENDING_LINK_LOCAL: u32 = 4;
/// The same of all link-local IPv6 addresses.
pub const MAX_PENDING_ALL_LINK_LOCAL: u32 = 32;
/// With so many handshakes under way, only addresses that have none get one; the stack's limit is 64.
pub const PENDING_FOR_ALL: usize = 48;
/// Inbound connections of one address that are open, unless the node is a relay.
pub const MAX_OPEN: u32 = 64;
/// Inbound connections of anybody; the rest of the stack's 256 is for peers that we reached before.
pub const OPEN_FOR_ALL: u32 = 224;
/// Peers that we reached ourselves and remember; the first one leaves first.
pub const MAX_REACHED: usize = 1024;

/// Refuses the connections of an address that has enough.
#[derive(Debug)]
pub struct Behaviour {
    max_open: u32,
    pending: HashMap<ConnectionId, IpAddr>,
    per_address: HashMap<IpAddr, Count>,
    link_local: u32,
    open: u32,
    reached: VecDeque<PeerId>,
    refused: Counter,
}

#[derive(Debug, Default)]
struct Count {
    pending: u32,
    open: u32,
}

/// Why a connection was refused.
#[derive(Debug, Error)]
pub enum Enough {
    /// This address has its share.
    #[error("{0} has enough connections")]
    Address(IpAddr),
    /// What is left is for peers that we reached before.
    #[error("strangers have enough connections")]
    Strangers,
}

impl Behaviour {
    /// Lets each address have `max_open` open connections.
    pub fn new(max_open: u32) -> Self {
        let (pending, per_address, reached) = (HashMap::new(), HashMap::new(), VecDeque::new());
        Self { max_open, pending, per_address, link_local: 0, open: 0, reached, refused: Counter::default() }
    }

    /// Counts connections that were refused.
    pub fn refused(&self) -> Counter {
        self.refused.clone()
    }

    fn admit(&mut self, connection: ConnectionId, ip: IpAddr) -> Result<(), ConnectionDenied> {
        let (pending, open) = self.per_address.get(&ip).map_or((0, 0), |count| (count.pending, count.open));
        let share = if is_link_local(ip) { MAX_PENDING_LINK_LOCAL } else { MAX_PENDING };
        let crowded = self.pending.len() >= PENDING_FOR_ALL && pending > 0;
        let local_crowd = is_link_local(ip) && self.link_local >= MAX_PENDING_ALL_LINK_LOCAL;
        if pending >= share || open >= self.max_open || crowded || local_crowd {
            self.refused.inc();
            return Err(ConnectionDenied::new(Enough::Address(ip)));
        }
        self.change(ip, |count| count.pending += 1);
        self.link_local += u32::from(is_link_local(ip));
        self.pending.insert(connection, ip);
        Ok(())
    }

    /// A stranger leaves some places to peers that we reached before.
    fn admit_peer(&mut self, peer: &PeerId) -> Result<(), ConnectionDenied> {
        if self.open >= OPEN_FOR_ALL && !self.reached.contains(peer) {
            self.refused.inc();
            return Err(ConnectionDenied::new(Enough::Strangers));
        }
        Ok(())
    }

    fn reached(&mut self, peer: PeerId) {
        if !self.reached.contains(&peer) {
            self.reached.truncate(MAX_REACHED - 1);
            self.reached.push_front(peer);
        }
    }

    fn no_longer_pending(&mut self, connection: ConnectionId) {
        if let Some(ip) = self.pending.remove(&connection) {
            self.change(ip, |count| count.pending = count.pending.saturating_sub(1));
            self.link_local -= u32::from(is_link_local(ip));
        }
    }

    fn change(&mut self, ip: IpAddr, change: impl FnOnce(&mut Count)) {
        let count = self.per_address.entry(ip).or_default();
        change(count);
        if count.pending == 0 && count.open == 0 {
            self.per_address.remove(&ip);
        }
    }
}

/// The address that one customer of a provider has: IPv4 as it is, IPv6 by its /64.
pub fn customer(addr: &Multiaddr) -> Option<IpAddr> {
    ip_of(addr).map(|ip| match ip {
        IpAddr::V6(v6) if !v6.is_unicast_link_local() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        other => other,
    })
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

fn inbound(endpoint: &ConnectedPoint) -> Option<IpAddr> {
    match endpoint {
        ConnectedPoint::Listener { send_back_addr, .. } => customer(send_back_addr),
        ConnectedPoint::Dialer { .. } => None,
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        connection: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        customer(remote).map_or(Ok(()), |ip| self.admit(connection, ip))
    }

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.admit_peer(&peer).map(|()| dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { connection_id, peer_id, endpoint, .. }) => {
                self.no_longer_pending(connection_id);
                self.open += u32::from(endpoint.is_listener());
                if let Some(ip) = inbound(endpoint) {
                    self.change(ip, |count| count.open += 1);
                }
                if endpoint.is_dialer() {
                    self.reached(peer_id);
                }
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { endpoint, .. }) => {
                self.open -= u32::from(endpoint.is_listener());
                if let Some(ip) = inbound(endpoint) {
                    self.change(ip, |count| count.open = count.open.saturating_sub(1));
                }
            }
            FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => self.no_longer_pending(connection_id),
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_cannot_take_every_handshake() {
        let mut limit = Behaviour::new(MAX_OPEN);
        let (here, flooder) = (addr("/ip4/127.0.0.1/tcp/1"), addr("/ip4/10.0.0.9/tcp/5"));
        let ask = |limit: &mut Behaviour, id: usize, from: &Multiaddr| {
            limit.handle_pending_inbound_connection(ConnectionId::new_unchecked(id), &here, from).is_ok()
        };
        let admitted = (0..1000).filter(|id| ask(&mut limit, *id, &flooder)).count();
        assert_eq!(admitted, MAX_PENDING as usize);
        assert_eq!(limit.refused().get(), 1000 - u64::from(MAX_PENDING));
        assert!(ask(&mut limit, 5000, &addr("/ip4/10.0.0.8/tcp/5")), "another address is not held up");
        limit.no_longer_pending(ConnectionId::new_unchecked(0));
        assert!(ask(&mut limit, 5001, &flooder), "a finished handshake makes room");
    }

    #[test]
    fn attack_half_open_connections_from_many_addresses_of_one_host_leave_room_for_others() {
        let mut limit = Behaviour::new(MAX_OPEN);
        let here = addr("/ip4/127.0.0.1/tcp/1");
        let mut id = 0;
        let mut ask = |limit: &mut Behaviour, from: &str| {
            id += 1;
            limit.handle_pending_inbound_connection(ConnectionId::new_unchecked(id), &here, &addr(from)).is_ok()
        };
        let admitted = (0..1000).filter(|n| ask(&mut limit, &format!("/ip6/fe80::{:x}/tcp/1", n % 20 + 1))).count();
        assert_eq!(admitted, MAX_PENDING_ALL_LINK_LOCAL as usize);
        let admitted = (0..100).filter(|n| ask(&mut limit, &format!("/ip4/10.0.0.{}/tcp/1", n % 3 + 1))).count();
        assert_eq!(admitted, PENDING_FOR_ALL - MAX_PENDING_ALL_LINK_LOCAL as usize);
        assert!(ask(&mut limit, "/ip4/10.0.0.9/tcp/1") && !ask(&mut limit, "/ip4/10.0.0.9/tcp/1"));
        (0..=id).for_each(|id| limit.no_longer_pending(ConnectionId::new_unchecked(id)));
        assert_eq!((limit.link_local, limit.pending.len(), limit.per_address.len()), (0, 0, 0));
    }

    #[test]
    fn attack_strangers_that_hold_every_connection_leave_some_to_peers_we_reached_before() {
        let (mut limit, friend) = (Behaviour::new(MAX_OPEN), PeerId::random());
        limit.reached(friend);
        limit.open = OPEN_FOR_ALL;
        assert!(limit.admit_peer(&PeerId::random()).is_err() && limit.admit_peer(&friend).is_ok());
        (0..MAX_REACHED).for_each(|_| limit.reached(PeerId::random()));
        assert_eq!(limit.reached.len(), MAX_REACHED);
    }

    #[test]
    fn rotating_within_one_ipv6_prefix_gains_nothing() {
        assert_eq!(customer(&addr("/ip6/2001:db8:1:2::1/tcp/1")), customer(&addr("/ip6/2001:db8:1:2:ffff::9/tcp/1")));
        assert_ne!(customer(&addr("/ip6/2001:db8:1:2::1/tcp/1")), customer(&addr("/ip6/2001:db8:1:3::1/tcp/1")));
        assert_ne!(customer(&addr("/ip6/fe80::1/tcp/1")), customer(&addr("/ip6/fe80::2/tcp/1")));
    }
}
