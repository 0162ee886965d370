//! Connections per address: libp2p limits connections in all and per peer, but a stranger makes peer ids for free (THREATS 49).
//!
//! IPv6 addresses count by their /64, which is what one customer gets (THREATS 16).

use std::collections::HashMap;
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
use thiserror::Error;

use super::same_link::ip_of;

/// Inbound connections of one address whose handshake is under way.
pub const MAX_PENDING: u32 = 16;
/// Inbound connections of one address that are open, unless the node is a relay.
pub const MAX_OPEN: u32 = 64;

/// Refuses the connections of an address that has enough.
#[derive(Debug)]
pub struct Behaviour {
    max_open: u32,
    pending: HashMap<ConnectionId, IpAddr>,
    per_address: HashMap<IpAddr, Count>,
    refused: u64,
}

#[derive(Debug, Default)]
struct Count {
    pending: u32,
    open: u32,
}

/// Why a connection was refused.
#[derive(Debug, Error)]
#[error("{0} has enough connections")]
pub struct Enough(IpAddr);

impl Behaviour {
    /// Lets each address have `max_open` open connections.
    pub fn new(max_open: u32) -> Self {
        Self { max_open, pending: HashMap::new(), per_address: HashMap::new(), refused: 0 }
    }

    /// Connections refused since the start.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn admit(&mut self, connection: ConnectionId, ip: IpAddr) -> Result<(), ConnectionDenied> {
        let count = self.per_address.entry(ip).or_default();
        if count.pending >= MAX_PENDING || count.open >= self.max_open {
            self.refused += 1;
            return Err(ConnectionDenied::new(Enough(ip)));
        }
        count.pending += 1;
        self.pending.insert(connection, ip);
        Ok(())
    }

    fn no_longer_pending(&mut self, connection: ConnectionId) {
        if let Some(ip) = self.pending.remove(&connection) {
            self.change(ip, |count| count.pending = count.pending.saturating_sub(1));
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
fn customer(addr: &Multiaddr) -> Option<IpAddr> {
    ip_of(addr).map(|ip| match ip {
        IpAddr::V6(v6) if !v6.is_unicast_link_local() => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        other => other,
    })
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
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
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
            FromSwarm::ConnectionEstablished(ConnectionEstablished { connection_id, endpoint, .. }) => {
                self.no_longer_pending(connection_id);
                if let Some(ip) = inbound(endpoint) {
                    self.change(ip, |count| count.open += 1);
                }
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { endpoint, .. }) => {
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
        assert_eq!(limit.refused(), 1000 - u64::from(MAX_PENDING));
        assert!(ask(&mut limit, 5000, &addr("/ip4/10.0.0.8/tcp/5")), "another address is not held up");
        limit.no_longer_pending(ConnectionId::new_unchecked(0));
        assert!(ask(&mut limit, 5001, &flooder), "a finished handshake makes room");
    }

    #[test]
    fn rotating_within_one_ipv6_prefix_gains_nothing() {
        assert_eq!(customer(&addr("/ip6/2001:db8:1:2::1/tcp/1")), customer(&addr("/ip6/2001:db8:1:2:ffff::9/tcp/1")));
        assert_ne!(customer(&addr("/ip6/2001:db8:1:2::1/tcp/1")), customer(&addr("/ip6/2001:db8:1:3::1/tcp/1")));
        assert_ne!(customer(&addr("/ip6/fe80::1/tcp/1")), customer(&addr("/ip6/fe80::2/tcp/1")));
    }
}
