//! Notices a proxy that the configuration does not name: then every client would be counted as one (THREATS 15).

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Requests that are looked at after the start.
const LOOKED_AT: u32 = 200;

/// Watches the first requests after the start.
#[derive(Debug, Default)]
pub struct UnnamedProxy {
    over: AtomicBool,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    only: Option<IpAddr>,
    requests: u32,
    forwarded: bool,
}

impl UnnamedProxy {
    /// A request came over a socket to `socket`, whose word does not count; `forwarded`: it carries a forwarding header. Answers, at
    /// most once, the private address that everything comes from. Programs on this machine may well be the only clients, so a
    /// loopback address needs a forwarding header to be suspected.
    pub fn note(&self, socket: IpAddr, forwarded: bool) -> Option<IpAddr> {
        if self.over.load(Ordering::Relaxed) {
            return None;
        }
        let socket = socket.to_canonical();
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let only = *seen.only.get_or_insert(socket);
        if only != socket || !is_private(only) {
            self.over.store(true, Ordering::Relaxed);
            return None;
        }
        seen.forwarded |= forwarded;
        seen.requests += 1;
        let all_seen = seen.requests == LOOKED_AT;
        self.over.store(seen.requests >= LOOKED_AT, Ordering::Relaxed);
        (all_seen && (seen.forwarded || !only.is_loopback())).then_some(only)
    }
}

fn is_private(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(addr) => addr.is_private() || addr.is_loopback() || addr.is_link_local(),
        IpAddr::V6(addr) => addr.is_unique_local() || addr.is_loopback() || addr.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(addrs: impl IntoIterator<Item = &'static str>, forwarded: bool) -> Vec<String> {
        let watch = UnnamedProxy::default();
        addrs.into_iter().filter_map(|addr| watch.note(addr.parse().unwrap(), forwarded)).map(|addr| addr.to_string()).collect()
    }

    #[test]
    fn a_proxy_that_nobody_named_is_told_once() {
        assert_eq!(told(["10.0.0.3"; 1000], false), ["10.0.0.3"]);
        assert_eq!(told(["::ffff:10.0.0.3"; 1000], true), ["10.0.0.3"]);
        assert_eq!(told(["127.0.0.1"; 1000], true), ["127.0.0.1"]);
        assert!(told(["127.0.0.1"; 1000], false).is_empty(), "the only clients may live on this machine");
        assert!(told(["10.0.0.3"; 199], true).is_empty(), "too few to tell");
        assert!(told(["192.0.2.1"; 1000], true).is_empty(), "a public address is a client");
        assert!(told(std::iter::repeat_n("10.0.0.3", 150).chain(["10.0.0.4"; 500]), true).is_empty(), "there are several");
    }
}
