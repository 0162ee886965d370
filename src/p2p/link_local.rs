//! Dials IPv6 link-local addresses, which mean nothing without the interface they belong to.
//!
//! A multiaddr names it first: `/ip6zone/eth0/ip6/fe80::1/tcp/4001`. libp2p's TCP transport skips the zone and then dials an address
//! that the kernel refuses; so [`dialable`] moves the zone behind the address, where that transport does not understand it, and this
//! one, which does nothing else, takes the dial.

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::{BoxFuture, Pending};
use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use libp2p::tcp::tokio::TcpStream;

/// The form of an address that can be dialled; all but zoned ones stay as they are.
pub fn dialable(addr: Multiaddr) -> Multiaddr {
    let mut parts = addr.iter();
    match (parts.next(), parts.next()) {
        (Some(zone @ Protocol::Ip6zone(_)), Some(ip @ Protocol::Ip6(_))) => {
            parts.fold(Multiaddr::from(ip).with(zone), |addr, part| addr.with(part))
        }
        _ => addr,
    }
}

/// Dials zoned addresses; listening is left to the TCP transport.
#[derive(Debug, Default)]
pub struct Zoned;

impl Transport for Zoned {
    type Output = TcpStream;
    type Error = io::Error;
    type ListenerUpgrade = Pending<io::Result<TcpStream>>;
    type Dial = BoxFuture<'static, io::Result<TcpStream>>;

    fn listen_on(&mut self, _: ListenerId, addr: Multiaddr) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(addr))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(&mut self, addr: Multiaddr, _: DialOpts) -> Result<Self::Dial, TransportError<io::Error>> {
        let Some((ip, zone, port)) = parse(&addr) else { return Err(TransportError::MultiaddrNotSupported(addr)) };
        Ok(connect(ip, zone, port).boxed())
    }

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}

fn parse(addr: &Multiaddr) -> Option<(Ipv6Addr, String, u16)> {
    let mut parts = addr.iter();
    match (parts.next()?, parts.next()?, parts.next()?) {
        (Protocol::Ip6(ip), Protocol::Ip6zone(zone), Protocol::Tcp(port)) => Some((ip, zone.into_owned(), port)),
        _ => None,
    }
}

async fn connect(ip: Ipv6Addr, zone: String, port: u16) -> io::Result<TcpStream> {
    let interface = if_addrs::get_if_addrs()?.into_iter().find(|interface| interface.name == zone);
    let scope = interface.and_then(|interface| interface.index);
    let scope = scope.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no interface {zone}")))?;
    let stream = tokio::net::TcpStream::connect(SocketAddrV6::new(ip, port, 0, scope)).await?;
    stream.set_nodelay(true)?;
    Ok(TcpStream(stream))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_zone_in_front_is_moved() {
        let moved = |text: &str| dialable(text.parse().unwrap()).to_string();
        assert_eq!(moved("/ip6zone/eth0/ip6/fe80::1/tcp/4001"), "/ip6/fe80::1/ip6zone/eth0/tcp/4001");
        assert_eq!(moved("/ip6/fd00::1/tcp/4001"), "/ip6/fd00::1/tcp/4001");
        assert_eq!(moved("/ip4/10.0.0.1/tcp/1"), "/ip4/10.0.0.1/tcp/1");
    }

    #[tokio::test]
    async fn an_unknown_interface_is_an_error_that_names_it() {
        let addr = dialable("/ip6zone/nosuch0/ip6/fe80::1/tcp/4001".parse().unwrap());
        let opts = DialOpts { role: libp2p::core::Endpoint::Dialer, port_use: libp2p::core::transport::PortUse::New };
        let error = Zoned.dial(addr, opts).unwrap().await.unwrap_err();
        assert!(error.to_string().contains("nosuch0"), "{error}");
    }
}
