//! The network interfaces of this host: which addresses they have, what is on the same link, and when that changes.
//!
//! The operating system tells of new addresses at once (netlink on Linux). A look every [`POLL`] finds what it does not tell,
//! for example a cable that is back or a link that comes up after its address. Point-to-point interfaces (VPN tunnels) are left out: what is behind them is no LAN.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use if_watch::tokio::IfWatcher;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// How often the interfaces are looked at without being told to.
const POLL: Duration = Duration::from_secs(1);

/// After an event, time for the others that come with it (an interface gets several addresses).
const SETTLE: Duration = Duration::from_millis(20);

/// Addresses of this host that are looked at; further ones are ignored.
const MAX_SUBNETS: usize = 256;

/// One address of one interface, and how far its subnet reaches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subnet {
    /// The interface's name, as in `/ip6zone/<name>`.
    pub interface: String,
    /// The interface's index.
    pub index: u32,
    /// This host's own address there.
    pub addr: IpAddr,
    /// Leading bits that all addresses of the subnet share; 1 to 32 or 128.
    pub prefix_len: u8,
}

impl Subnet {
    /// Whether `ip` belongs to the subnet.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let shared = match (self.addr, ip) {
            (IpAddr::V4(own), IpAddr::V4(other)) => (u32::from(own) ^ u32::from(other)).leading_zeros(),
            (IpAddr::V6(own), IpAddr::V6(other)) => (u128::from(own) ^ u128::from(other)).leading_zeros(),
            _ => return false,
        };
        self.prefix_len > 0 && shared >= u32::from(self.prefix_len)
    }
}

/// All subnets this host is on, at one moment; cheap to clone. An empty one knows only loopback and link-local addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subnets(Arc<[Subnet]>);

impl Subnets {
    /// The subnets of the interfaces that are up and have a carrier.
    pub fn of_this_host() -> io::Result<Self> {
        let interfaces = if_addrs::get_if_addrs()?.into_iter().filter(|found| found.is_oper_up() && !found.is_p2p);
        let mut subnets: Vec<Subnet> = interfaces.take(MAX_SUBNETS).map(Subnet::from).collect();
        subnets.sort_by_key(|subnet| (subnet.index, subnet.addr));
        Ok(subnets.into_iter().collect())
    }

    /// Whether `ip` is on the same link: loopback, link-local, or on a subnet of this host.
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        ip.is_loopback() || is_link_local(ip) || self.0.iter().any(|subnet| subnet.contains(ip))
    }

    /// As [`Self::contains`], but looks at the interfaces anew before it says no: a peer's connection may come before the news that the
    /// cable is back.
    pub fn contains_now(&self, ip: IpAddr) -> bool {
        self.contains(ip) || Self::of_this_host().is_ok_and(|now| now.contains(ip))
    }

    /// Whether a packet that `interface` (by its index) received from `ip` was sent on that link (RFC 6762, 11).
    pub fn is_local_to(&self, interface: u32, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        is_link_local(ip) || self.0.iter().any(|subnet| subnet.index == interface && subnet.contains(ip))
    }

    /// Every subnet, sorted by interface and address.
    pub fn iter(&self) -> impl Iterator<Item = &Subnet> {
        self.0.iter()
    }
}

impl FromIterator<Subnet> for Subnets {
    fn from_iter<I: IntoIterator<Item = Subnet>>(subnets: I) -> Self {
        Self(subnets.into_iter().collect())
    }
}

impl From<if_addrs::Interface> for Subnet {
    fn from(found: if_addrs::Interface) -> Self {
        let prefix_len = match &found.addr {
            if_addrs::IfAddr::V4(v4) => v4.prefixlen,
            if_addrs::IfAddr::V6(v6) => v6.prefixlen,
        };
        Self { addr: found.ip(), index: found.index.unwrap_or(0), interface: found.name, prefix_len }
    }
}

/// 169.254.0.0/16 (RFC 3927) or fe80::/10 (RFC 4291).
pub(super) fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Keeps `subnets` current until `stop`.
pub(super) async fn watch(subnets: watch::Sender<Subnets>, stop: CancellationToken) {
    let mut watcher = IfWatcher::new().inspect_err(|error| warn!(%error, "no interface events; looking every second")).ok();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = changed(&mut watcher) => sleep(SETTLE).await,
            () = sleep(POLL) => {}
        }
        match Subnets::of_this_host() {
            Ok(now) => publish(&subnets, now),
            Err(error) => debug!(%error, "the interfaces could not be listed"),
        }
    }
}

fn publish(subnets: &watch::Sender<Subnets>, now: Subnets) {
    subnets.send_if_modified(|known| {
        let changed = *known != now;
        *known = now;
        changed
    });
}

/// Resolves at the next address event; never without a watcher.
async fn changed(watcher: &mut Option<IfWatcher>) {
    match watcher {
        Some(events) => {
            if let Some(Err(error)) = events.next().await {
                warn!(%error, "interface events ended; looking every second");
                *watcher = None;
            }
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnets(addr: &str, prefix_len: u8) -> Subnets {
        [Subnet { interface: "eth0".into(), index: 2, addr: addr.parse().unwrap(), prefix_len }].into_iter().collect()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn same_link_is_own_subnet_loopback_or_link_local() {
        let lan = subnets("10.77.0.1", 24);
        for near in ["10.77.0.9", "127.0.0.1", "127.8.8.8", "::1", "fe80::1", "febf::1", "169.254.3.3", "::ffff:10.77.0.9"] {
            assert!(lan.contains(ip(near)), "{near}");
        }
        for far in ["10.77.1.9", "192.168.1.1", "8.8.8.8", "fec0::1", "fd00::1", "::ffff:8.8.8.8"] {
            assert!(!lan.contains(ip(far)), "{far}");
        }
        assert!(subnets("fd00:7::1", 64).contains(ip("fd00:7::abcd")));
        assert!(!subnets("fd00:7::1", 64).contains(ip("fd00:8::1")));
    }

    #[test]
    fn attack_a_packet_from_beyond_the_link_is_not_local_to_the_interface() {
        let lan = subnets("10.77.0.1", 24);
        assert!(lan.is_local_to(2, ip("10.77.0.9")) && lan.is_local_to(2, ip("fe80::1")));
        assert!(!lan.is_local_to(2, ip("10.88.0.2")) && !lan.is_local_to(2, ip("127.0.0.1")) && !lan.is_local_to(3, ip("10.77.0.9")));
    }

    #[test]
    fn an_unknown_netmask_makes_nobody_a_neighbour() {
        assert!(!subnets("10.77.0.1", 0).contains(ip("8.8.8.8")));
    }
}
