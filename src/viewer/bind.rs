//! Binds 127.0.0.1 and `[::1]` on the same port. Browsers try either for `localhost`: a program that held the other one would be
//! shown in our place, and would get what is meant for us (THREATS 73).

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;
use tokio::net::TcpListener;

use crate::config::net::is_localhost;
use crate::http::listen;

/// Free ports that are tried before giving up, because a port may be free in one family only.
const MAX_TRIES: usize = 16;

/// Why the viewer did not start.
#[derive(Debug, Error)]
pub enum ViewerError {
    /// It shows private things without a login, so nobody else may reach it.
    #[error("viewer.http_addr {0}: the viewer is for this machine alone; use 127.0.0.1 or [::1]")]
    NotLoopback(SocketAddr),
    /// Somebody else has the port, perhaps only on the named one of the two loopback addresses.
    #[error("viewer.http_addr: {0} is in use by another program; stop it, or choose another port")]
    InUse(SocketAddr),
    /// The system refused for another reason.
    #[error("the viewer could not listen on {addr}: {cause}")]
    Listen {
        /// Where.
        addr: SocketAddr,
        /// What the system said.
        cause: io::Error,
    },
    /// There is neither `127.0.0.1` nor `[::1]`.
    #[error("this machine has no loopback address")]
    NoLoopback,
}

/// What was bound.
#[derive(Debug)]
pub(super) struct Bound {
    /// The address of the first listener.
    pub(super) addr: SocketAddr,
    /// One per family that exists.
    pub(super) listeners: Vec<TcpListener>,
}

/// Listens on both loopback addresses at the port of `wanted`, or, unless that is `explicit`, at a free one where it is in use.
pub(super) fn loopback(wanted: SocketAddr, explicit: bool) -> Result<Bound, ViewerError> {
    if !is_localhost(wanted.ip()) {
        return Err(ViewerError::NotLoopback(wanted));
    }
    match pair(wanted.port(), listen) {
        Err(ViewerError::InUse(taken)) if !explicit && wanted.port() != 0 => {
            let bound = free_pair()?;
            tracing::warn!(%taken, moved_to = bound.addr.port(), "the viewer's usual port is in use; it moved to a free one");
            Ok(bound)
        }
        Err(ViewerError::InUse(_)) if wanted.port() == 0 => free_pair(),
        bound => bound,
    }
}

fn free_pair() -> Result<Bound, ViewerError> {
    let mut last = ViewerError::NoLoopback;
    for _ in 0..MAX_TRIES {
        match pair(0, listen) {
            Err(in_use @ ViewerError::InUse(_)) => last = in_use,
            bound => return bound,
        }
    }
    Err(last)
}

/// Both families at one port; `listen` is an argument so that a machine without IPv6 can be played.
fn pair(port: u16, listen: impl Fn(SocketAddr) -> io::Result<TcpListener>) -> Result<Bound, ViewerError> {
    let mut port = port;
    let mut listeners = Vec::new();
    let mut bound = None;
    for ip in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        let addr = SocketAddr::new(ip, port);
        match listen(addr).and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Ok((addr, listener)) => {
                port = addr.port();
                bound.get_or_insert(addr);
                listeners.push(listener);
            }
            Err(cause) if is_missing(&cause) => {}
            Err(cause) if cause.kind() == ErrorKind::AddrInUse => return Err(ViewerError::InUse(addr)),
            Err(cause) => return Err(ViewerError::Listen { addr, cause }),
        }
    }
    bound.map(|addr| Bound { addr, listeners }).ok_or(ViewerError::NoLoopback)
}

/// Whether the machine does not have this address, or not the whole family.
fn is_missing(cause: &io::Error) -> bool {
    let no_family = Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
    cause.raw_os_error() == no_family || matches!(cause.kind(), ErrorKind::AddrNotAvailable | ErrorKind::Unsupported)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both(port: u16) -> (SocketAddr, SocketAddr) {
        (SocketAddr::from((Ipv4Addr::LOCALHOST, port)), SocketAddr::from((Ipv6Addr::LOCALHOST, port)))
    }

    #[tokio::test]
    async fn a_port_taken_in_one_family_only_counts_as_in_use() {
        for taken in [SocketAddr::from((Ipv6Addr::LOCALHOST, 0)), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))] {
            let other = listen(taken).unwrap();
            let port = other.local_addr().unwrap().port();
            let (v4, v6) = both(port);
            assert!(matches!(loopback(v4, true), Err(ViewerError::InUse(_))), "{taken}");
            assert!(matches!(loopback(v6, true), Err(ViewerError::InUse(_))), "{taken}");
            let moved = loopback(v4, false).unwrap();
            assert_ne!(moved.addr.port(), port, "a default port moves");
            assert_eq!(moved.listeners.len(), 2);
        }
    }

    #[tokio::test]
    async fn without_ipv6_the_viewer_stands_on_ipv4_alone() {
        for missing in [ErrorKind::AddrNotAvailable, ErrorKind::Unsupported] {
            let bound = pair(0, |addr| if addr.is_ipv6() { Err(missing.into()) } else { listen(addr) }).unwrap();
            assert_eq!((bound.listeners.len(), bound.addr.is_ipv4()), (1, true));
        }
        let no_family = |addr: SocketAddr| {
            if addr.is_ipv6() { Err(io::Error::from_raw_os_error(rustix::io::Errno::AFNOSUPPORT.raw_os_error())) } else { listen(addr) }
        };
        assert_eq!(pair(0, no_family).unwrap().listeners.len(), 1);
    }

    #[tokio::test]
    async fn nothing_but_loopback_is_bound() {
        for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8788", "127.0.0.2:0", "[::ffff:127.0.0.1]:0"] {
            assert!(matches!(loopback(addr.parse().unwrap(), true), Err(ViewerError::NotLoopback(_))), "{addr}");
        }
    }
}
