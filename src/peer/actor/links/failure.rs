//! Why a dial failed, as a person reads it.

use std::net::SocketAddr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::DialError;

use crate::proto::signed::addrs::ip_of;

/// A dial error as a person reads it.
pub(super) fn reason(error: &DialError) -> String {
    match error {
        DialError::NoAddresses => "no address is known".into(),
        DialError::WrongPeerId { .. } => "somebody else answers at its address".into(),
        DialError::Transport(tried) => {
            let mut places = Vec::new();
            for place in tried.iter().map(|(addr, _)| place(addr)) {
                if !places.contains(&place) {
                    places.push(place);
                }
            }
            format!("no answer from {}", places.join(", "))
        }
        other => other.to_string(),
    }
}

/// An address as `ip:port`, the same for TCP and QUIC.
fn place(addr: &Multiaddr) -> String {
    let port = addr.iter().find_map(|part| match part {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
        _ => None,
    });
    ip_of(addr).zip(port).map_or_else(|| addr.to_string(), |(ip, port)| SocketAddr::new(ip, port).to_string())
}

#[cfg(test)]
mod tests {
    use libp2p::{PeerId, TransportError};

    use super::*;

    #[test]
    fn each_place_that_did_not_answer_is_told_once() {
        let peer = PeerId::random();
        let quic = format!("/ip4/10.0.0.1/udp/4001/quic-v1/p2p/{peer}");
        let tried = ["/ip4/10.0.0.1/tcp/4001", &quic, "/ip4/10.0.0.1/tcp/4001", "/ip4/10.0.0.1/tcp/4002", "/ip6/fd00::1/tcp/1", "/dns/a.b"];
        let failed = |addr: &str| (addr.parse().unwrap(), TransportError::Other(std::io::Error::other("no")));
        let said = reason(&DialError::Transport(tried.into_iter().map(failed).collect()));
        assert_eq!(said, "no answer from 10.0.0.1:4001, 10.0.0.1:4002, [fd00::1]:1, /dns/a.b");
    }
}
