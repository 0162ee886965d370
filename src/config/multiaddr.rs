//! Values that are multiaddrs: relays, and addresses of this node that it cannot know.

use libp2p::Multiaddr;
use libp2p::PeerId;
use libp2p::multiaddr::Protocol;
use toml_edit::Value;

use super::setting::{Setting, unexpected};

/// Where a relay is, and who: an IP address, TCP or QUIC, and the peer id at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayAddr {
    /// Who it is.
    pub peer: PeerId,
    /// Where it is, without the peer id.
    pub addr: Multiaddr,
}

/// Where others reach this node: an IP address, TCP or QUIC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalAddr(pub Multiaddr);

/// Whether `addr` is an IP address, then a port of TCP or QUIC, and nothing more.
fn is_plain(addr: &Multiaddr) -> bool {
    let parts: Vec<_> = addr.iter().collect();
    let ip = |part: &Protocol| matches!(part, Protocol::Ip4(_) | Protocol::Ip6(_));
    match parts.as_slice() {
        [host, Protocol::Tcp(port)] | [host, Protocol::Udp(port), Protocol::QuicV1] => ip(host) && *port != 0,
        _ => false,
    }
}

fn parse(value: &Value) -> Option<Multiaddr> {
    value.as_str()?.trim().parse().ok()
}

impl Setting for RelayAddr {
    fn read(value: &Value) -> Result<Self, String> {
        let split = |mut addr: Multiaddr| match addr.pop() {
            Some(Protocol::P2p(peer)) if is_plain(&addr) => Some(Self { peer, addr }),
            _ => None,
        };
        let relay = parse(value).and_then(split);
        relay.ok_or_else(|| unexpected("a relay such as \"/ip4/203.0.113.5/tcp/4001/p2p/12D3KooW…\"", value))
    }

    fn write(&self) -> Value {
        Value::from(self.addr.clone().with(Protocol::P2p(self.peer)).to_string())
    }
}

impl Setting for ExternalAddr {
    fn read(value: &Value) -> Result<Self, String> {
        let addr = parse(value).filter(is_plain).map(Self);
        addr.ok_or_else(|| unexpected("an address such as \"/ip4/203.0.113.5/tcp/4001\"", value))
    }

    fn write(&self) -> Value {
        Value::from(self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_an_address_of_its_own_and_a_peer_id() {
        let id = PeerId::random();
        let good = format!("/ip4/203.0.113.5/udp/4001/quic-v1/p2p/{id}");
        let relay = RelayAddr::read(&good.as_str().into()).unwrap();
        assert_eq!((relay.peer, relay.write().as_str()), (id, Some(good.as_str())));
        for bad in [
            "/ip4/203.0.113.5/tcp/4001",
            &format!("/ip4/203.0.113.5/tcp/0/p2p/{id}"),
            &format!("/p2p/{id}"),
            &format!("{good}/p2p-circuit/p2p/{id}"),
            "203.0.113.5:4001",
        ] {
            assert!(RelayAddr::read(&bad.into()).is_err(), "{bad}");
        }
        assert!(ExternalAddr::read(&"/ip6/2001:db8::1/tcp/1".into()).is_ok());
        assert!(ExternalAddr::read(&"/dns4/a.b/tcp/1".into()).is_err());
    }
}
