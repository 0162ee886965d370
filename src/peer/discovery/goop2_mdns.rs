//! goop2's own discovery name, `goop-mdns.local.`: a small mDNS responder and querier, because DNS-SD libraries refuse a name of two
//! labels.
//!
//! One task owns the sockets (one per interface and IP version, opened and closed as interfaces come and go), the timetable of each
//! and what we say. goop2 reports an instance name only once, so ours is random and a new one is announced whenever our addresses
//! change; only then does the old one say goodbye, so that nobody thinks us gone in between.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use tokio::time::sleep;
use tracing::{debug, warn};

use self::schedule::Due;
use self::sockets::{Link, receive};
use self::wire::{Instance, MAX_PACKET, Packet, Service, WireError};
use super::hint::{self, Origin, Refused};
use super::interfaces::{Subnet, Subnets};
use super::table::{Report, Source};
use super::{Context, SETTLE, random_label};
use crate::clock::Moment;
use crate::proto::rate::{Rate, TokenBucket};

mod schedule;
mod sockets;
pub(super) mod wire;

/// Sockets open at a time; further interfaces are left out.
const MAX_LINKS: usize = 64;

/// Packets about us that are read (THREATS 48).
const PACKETS: Rate = Rate { burst: 2048, per_second: 1000.0 };

/// An interface on which no socket could be opened is tried again after this.
const REOPEN: Duration = Duration::from_secs(2);

/// Runs until the context says stop; then says goodbye on every link.
pub(super) async fn run(context: Context) {
    Responder::new(context).run().await;
}

struct Responder {
    context: Context,
    links: Vec<Link>,
    /// A link is missing: look again then.
    reopen_at: Option<Moment>,
    warned: bool,
    service: Option<Service>,
    budget: TokenBucket,
}

enum Wake {
    Stop,
    Packet(usize, std::io::Result<(usize, SocketAddr)>),
    Listening,
    Interfaces,
    Timer,
}

impl Responder {
    fn new(context: Context) -> Self {
        let budget = TokenBucket::new(PACKETS, Moment::now());
        Self { context, links: Vec::new(), reopen_at: None, warned: false, service: None, budget }
    }

    async fn run(mut self) {
        let mut buffer = vec![0; MAX_PACKET + 1];
        let mut turn = 0;
        self.reopen();
        self.announce_changes().await;
        loop {
            self.send_due().await;
            match self.wait(&mut buffer, &mut turn).await {
                Wake::Stop => break,
                Wake::Packet(link, Ok((length, from))) => self.hear(link, &buffer[..length], from).await,
                Wake::Packet(link, Err(error)) => self.drop_link(link, &error),
                Wake::Interfaces => {
                    self.reopen();
                    self.links.iter_mut().for_each(|link| link.schedule.ask(Moment::now()));
                }
                Wake::Timer if self.reopen_at.is_some_and(|at| at <= Moment::now()) => self.reopen(),
                Wake::Timer => {}
                Wake::Listening => {
                    sleep(SETTLE).await;
                    self.announce_changes().await;
                }
            }
        }
        self.say_goodbye(self.service.as_ref()).await;
    }

    async fn wait(&mut self, buffer: &mut [u8], turn: &mut usize) -> Wake {
        let next = self.links.iter().map(|link| link.schedule.next()).chain(self.reopen_at).min();
        let timer = async {
            match next {
                Some(at) => sleep(at.since(Moment::now())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.context.stop.cancelled() => Wake::Stop,
            Ok(()) = self.context.listen.changed() => Wake::Listening,
            Ok(()) = self.context.subnets.changed() => Wake::Interfaces,
            () = timer => Wake::Timer,
            (link, received) = receive(&self.links, buffer, turn) => Wake::Packet(link, received),
        }
    }

    /// Closes the sockets of interfaces that are gone and opens those of new ones; a new one is asked and told at once.
    fn reopen(&mut self) {
        let now = Moment::now();
        let wanted = wanted(&self.context.subnets.borrow_and_update(), self.context.loopback_only);
        self.links.retain(|link| wanted.contains(&link.subnet));
        self.reopen_at = None;
        for subnet in &wanted {
            if !self.links.iter().any(|link| link.subnet == *subnet) {
                self.open(subnet, now);
            }
        }
    }

    fn open(&mut self, subnet: &Subnet, now: Moment) {
        match Link::open(subnet, now) {
            Ok(link) => self.links.push(link),
            Err(error) => {
                self.reopen_at = Some(now + REOPEN);
                if !std::mem::replace(&mut self.warned, true) {
                    warn!(interface = %subnet.interface, addr = %subnet.addr, %error, "no goop2 discovery here yet; will try again");
                }
            }
        }
    }

    fn drop_link(&mut self, index: usize, error: &std::io::Error) {
        let link = self.links.remove(index);
        debug!(interface = %link.subnet.interface, %error, "mDNS socket failed; opening it again");
        self.reopen_at = Some(Moment::now() + REOPEN);
    }

    /// Our addresses changed: a new instance first, then the goodbye of the old one.
    async fn announce_changes(&mut self) {
        let addrs = self.context.listen.borrow_and_update().clone();
        let service = describe(&addrs);
        if service.as_ref().map(|new| &new.strings) == self.service.as_ref().map(|old| &old.strings) {
            return;
        }
        let old = std::mem::replace(&mut self.service, service);
        self.links.iter_mut().for_each(|link| link.schedule.announce(Moment::now()));
        self.send_due().await;
        self.say_goodbye(old.as_ref()).await;
    }

    async fn send_due(&mut self) {
        let now = Moment::now();
        for link in &mut self.links {
            while let Some(due) = link.schedule.due(now) {
                let packet = match (due, &self.service) {
                    (Due::Question, _) => Some(wire::question()),
                    (Due::Answer, service) => service.as_ref().map(Service::answer),
                };
                match packet.map_or(Ok(None), |written| written.map(Some)) {
                    Ok(Some(bytes)) if link.send(&bytes).await.is_err() => {
                        self.context.tally.unsent.inc();
                        link.schedule.failed(due, now);
                    }
                    Ok(_) => link.schedule.done(due, now),
                    Err(error) => {
                        debug!(%error, "not sent");
                        link.schedule.done(due, now);
                    }
                }
            }
        }
    }

    async fn say_goodbye(&self, service: Option<&Service>) {
        let Some(Ok(packet)) = service.map(Service::goodbye) else { return };
        for link in &self.links {
            if link.send(&packet).await.is_err() {
                self.context.tally.unsent.inc();
            }
        }
    }

    async fn hear(&mut self, link: usize, bytes: &[u8], from: SocketAddr) {
        if !wire::concerns_us(bytes) {
            return;
        }
        let interface = self.links[link].subnet.index;
        if !self.context.subnets.borrow().is_local_to(interface, from.ip()) {
            self.context.tally.refused.inc();
            return;
        }
        let now = Moment::now();
        if !self.budget.take(now) {
            self.context.tally.flooded.inc();
            return;
        }
        self.context.tally.seen.inc();
        match wire::decode(bytes) {
            Ok(packet) => self.act_on(link, packet, from.ip(), now).await,
            Err(WireError::Probe) => {}
            Err(_) => drop(self.context.tally.malformed.inc()),
        }
    }

    async fn act_on(&mut self, link: usize, packet: Packet, from: IpAddr, now: Moment) {
        let mine = self.service.as_ref().map(|service| service.instance.as_str());
        if let Some(known) = packet.asks
            && !known.iter().any(|instance| Some(instance.as_str()) == mine)
        {
            let delay = Duration::from_millis(rand::random_range(20..=120));
            self.links[link].schedule.asked(now, delay);
        }
        for instance in packet.present {
            if let Some(report) = self.judge(link, instance, from) {
                self.context.report(report).await;
            }
        }
        for instance in packet.gone {
            self.context.report(Report::Gone { source: Source::Goop2Mdns, instance }).await;
        }
    }

    fn judge(&self, link: usize, instance: Instance, from: IpAddr) -> Option<Report> {
        let subnets = self.context.subnets.borrow();
        let subnet = &self.links[link].subnet;
        let zone = |_| Some(subnet.interface.clone());
        let origin = Origin { me: self.context.me, subnets: &subnets, same_host: is_same_host(subnet, from), zone: &zone };
        match hint::believe(instance.strings.iter().map(Vec::as_slice), &origin) {
            Ok((peer, addrs)) => {
                let ttl = Some(Duration::from_secs(instance.ttl.into()));
                Some(Report::Seen { source: Source::Goop2Mdns, instance: instance.name, peer, addrs, ttl })
            }
            Err(Refused::Mine) => None,
            Err(_) => {
                self.context.tally.refused.inc();
                None
            }
        }
    }
}

/// Whether a packet from `from` that came over the interface of `subnet` was sent on this host. Only the loopback interface proves it:
/// an IPv6 packet that claims to come from our own address is let in from the cable (THREATS 48).
fn is_same_host(subnet: &Subnet, from: IpAddr) -> bool {
    subnet.addr.is_loopback() && from.to_canonical().is_loopback()
}

/// One address per interface and IP version: every interface, loopback only over IPv4.
fn wanted(subnets: &Subnets, loopback_only: bool) -> Vec<Subnet> {
    let mut wanted: Vec<Subnet> = Vec::new();
    for subnet in subnets.iter() {
        let loopback = subnet.addr.is_loopback();
        let usable = if loopback { subnet.addr.is_ipv4() } else { !loopback_only };
        let known = |other: &Subnet| other.index == subnet.index && other.addr.is_ipv4() == subnet.addr.is_ipv4();
        if usable && !wanted.iter().any(known) && wanted.len() < MAX_LINKS {
            wanted.push(subnet.clone());
        }
    }
    wanted
}

/// What we say about ourselves, under a new name; nothing while we listen nowhere.
fn describe(addrs: &[Multiaddr]) -> Option<Service> {
    let ips = addrs.iter().filter_map(|addr| match addr.iter().next()? {
        Protocol::Ip4(v4) => Some(IpAddr::V4(v4)),
        Protocol::Ip6(v6) => Some(IpAddr::V6(v6)),
        _ => None,
    });
    let strings: Vec<String> = addrs.iter().filter_map(hint::txt).collect();
    let addresses = wire::first_of_each(ips);
    (!strings.is_empty()).then(|| Service { instance: random_label(), strings, addresses })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(addr: &str) -> Subnet {
        Subnet { interface: "any".into(), index: 1, addr: addr.parse().unwrap(), prefix_len: 64 }
    }

    #[test]
    fn attack_a_packet_from_the_cable_that_claims_to_be_from_our_own_address_is_not_of_this_host() {
        let own = "fe80::1".parse().unwrap();
        assert!(!is_same_host(&subnet("fe80::1"), own));
        assert!(!is_same_host(&subnet("127.0.0.1"), own));
        assert!(is_same_host(&subnet("127.0.0.1"), [127, 0, 0, 1].into()));
    }
}
