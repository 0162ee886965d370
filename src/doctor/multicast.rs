//! Whether multicast goes out of each interface and comes back: peers of the same network find each other by it (mDNS, UDP 5353).
//!
//! A question that nobody has an answer to is sent to the group, and heard by ourselves, since the kernel loops it back through the same
//! firewall that others' questions come through. What the switch or the access point does with it cannot be told from here.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;

use super::holders::{Kind, holder};
use super::{Finding, Look, Patient};
use crate::config::files::read_bounded;

const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
const PORT: u16 = 5353;
/// How long our own question may take to come back.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often it is asked meanwhile: a packet may be lost.
const ASKED: usize = 3;
/// Addresses of this machine that are looked at.
const MAX_LINKS: usize = 32;
/// The bit of an interface's flags that says multicast (IFF_MULTICAST).
const MULTICAST: u32 = 0x1000;

const CHECK: &str = "multicast";

/// An interface, and this machine's address there.
#[derive(Debug, Clone)]
struct Link {
    name: String,
    index: u32,
    addr: IpAddr,
}

/// What became of the question.
#[derive(Debug)]
enum Outcome {
    Heard,
    /// It went out, and never came back.
    Silent,
    /// The interface knows no multicast.
    Off,
    /// Another program has the port for itself alone.
    Taken(Option<String>),
    Failed(io::Error),
}

/// Tries every interface.
pub(super) async fn examine(patient: Patient) -> Vec<Finding> {
    let config = &patient.loaded.config;
    if !patient.has_peer() || config.p2p.loopback_only || !config.discovery.mdns {
        return Vec::new();
    }
    let links = spawn_blocking(links).await.ok().and_then(Result::ok).unwrap_or_default();
    if links.is_empty() {
        let none = Finding::of(CHECK, "This network", Look::Warn, "none").said("This machine is on no network, or its cable is out.");
        return vec![none.copy("ip address")];
    }
    let mut tries = JoinSet::new();
    for (nth, link) in links.into_iter().enumerate() {
        tries.spawn(async move { (nth, told(&link, &attempt(&link).await)) });
    }
    let mut found = tries.join_all().await;
    found.sort_by_key(|(nth, _)| *nth);
    found.into_iter().map(|(_, finding)| finding).collect()
}

/// The interfaces on which peers are looked for, once for each IP version.
fn links() -> io::Result<Vec<Link>> {
    let usable = |one: &if_addrs::Interface| one.is_oper_up() && !one.is_p2p() && !one.is_loopback();
    let found = if_addrs::get_if_addrs()?.into_iter().filter(usable);
    let mut links: Vec<Link> = Vec::new();
    for one in found.take(MAX_LINKS) {
        let (addr, index) = (one.ip(), one.index.unwrap_or_default());
        if links.iter().all(|link| link.index != index || link.addr.is_ipv4() != addr.is_ipv4()) {
            links.push(Link { name: one.name, index, addr });
        }
    }
    Ok(links)
}

async fn attempt(link: &Link) -> Outcome {
    let flags = format!("/sys/class/net/{}/flags", link.name);
    if read_bounded(Path::new(&flags), 64).is_ok_and(|text| !knows_multicast(&String::from_utf8_lossy(&text))) {
        return Outcome::Off;
    }
    let asked = async {
        let socket = open(link)?;
        ask(&socket, link).await
    };
    match asked.await {
        Ok(true) => Outcome::Heard,
        Ok(false) => Outcome::Silent,
        Err(error) if error.kind() == ErrorKind::AddrInUse => Outcome::Taken(holder(Kind::Udp, PORT)),
        Err(error) => Outcome::Failed(error),
    }
}

fn knows_multicast(flags: &str) -> bool {
    let digits = flags.trim().trim_start_matches("0x");
    u32::from_str_radix(digits, 16).is_ok_and(|flags| flags & MULTICAST != 0)
}

/// Shares the port with goop itself, avahi and others.
fn open(link: &Link) -> io::Result<UdpSocket> {
    let domain = if link.addr.is_ipv4() { Domain::IPV4 } else { Domain::IPV6 };
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    match link.addr {
        IpAddr::V4(addr) => {
            socket.join_multicast_v4_n(&GROUP_V4, &InterfaceIndexOrAddress::Index(link.index))?;
            socket.set_multicast_if_v4(&addr)?;
            socket.set_multicast_ttl_v4(255)?;
            socket.set_multicast_loop_v4(true)?;
        }
        IpAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.join_multicast_v6(&GROUP_V6, link.index)?;
            socket.set_multicast_if_v6(link.index)?;
            socket.set_multicast_hops_v6(255)?;
            socket.set_multicast_loop_v6(true)?;
        }
    }
    socket.bind(&group(link).into())?;
    UdpSocket::from_std(socket.into())
}

fn group(link: &Link) -> SocketAddr {
    match link.addr {
        IpAddr::V4(_) => (GROUP_V4, PORT).into(),
        IpAddr::V6(_) => SocketAddrV6::new(GROUP_V6, PORT, 0, link.index).into(),
    }
}

/// Whether our question came back to us.
async fn ask(socket: &UdpSocket, link: &Link) -> io::Result<bool> {
    let label = format!("_goop-{:016x}", rand::random::<u64>());
    let (question, pause) = (question(&label), PATIENCE / ASKED as u32);
    for _ in 0..ASKED {
        socket.send_to(&question, group(link)).await?;
        if let Ok(heard) = timeout(pause, heard(socket, label.as_bytes())).await {
            return heard.map(|()| true);
        }
    }
    Ok(false)
}

async fn heard(socket: &UdpSocket, label: &[u8]) -> io::Result<()> {
    let mut packet = [0; 9000];
    loop {
        let (length, _) = socket.recv_from(&mut packet).await?;
        if packet[..length].windows(label.len()).any(|part| part == label) {
            return Ok(());
        }
    }
}

/// A question for `<label>._udp.local`, which nobody has (RFC 1035, 4.1).
fn question(label: &str) -> Vec<u8> {
    let mut packet = vec![0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for part in [label, "_udp", "local"] {
        packet.push(u8::try_from(part.len()).unwrap_or(63));
        packet.extend_from_slice(part.as_bytes());
    }
    packet.extend([0, 0, 12, 0, 1]);
    packet
}

fn told(link: &Link, outcome: &Outcome) -> Finding {
    let version = if link.addr.is_ipv4() { "IPv4" } else { "IPv6" };
    let of = |look, word| Finding::of(CHECK, format!("Multicast on {} ({version})", link.name), look, word);
    match outcome {
        Outcome::Heard => of(Look::Good, "works")
            .said("What is asked there goes out. Whether the switch or the Wi-Fi passes it on cannot be told from here; guest networks often do not."),
        Outcome::Silent => of(Look::Bad, "nothing comes back")
            .said("What is asked there is sent, but not let in again: a firewall of this machine drops it, and so what others ask.")
            .todo("Let UDP 5353 in. The rules are:")
            .copy("sudo nft list ruleset"),
        Outcome::Off => of(Look::Bad, "off")
            .said("This interface knows no multicast, so nobody is found there.")
            .todo("Switch it on:")
            .copy(format!("sudo ip link set {} multicast on", link.name)),
        Outcome::Taken(by) => of(Look::Bad, "taken")
            .said(format!("{} has UDP {PORT} for itself alone.", by.as_deref().unwrap_or("Another program")))
            .todo("End it, or have it share the port.")
            .copy(format!("sudo ss -lunp sport = :{PORT}")),
        Outcome::Failed(error) if error.kind() == ErrorKind::PermissionDenied => {
            of(Look::Bad, "refused").said("A firewall of this machine lets nothing out there.").todo("Let UDP 5353 out. The rules are:").copy("sudo nft list ruleset")
        }
        Outcome::Failed(error) => of(Look::Bad, "fails")
            .said(format!("{error}."))
            .todo("See whether the interface has a way for multicast:")
            .copy(format!("ip route add {} dev {}", if link.addr.is_ipv4() { "224.0.0.0/4" } else { "ff00::/8" }, link.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_becomes_of_a_question_is_told_with_what_to_do() {
        let link = Link { name: "eth0".into(), index: 2, addr: "10.0.0.2".parse().unwrap() };
        assert_eq!(told(&link, &Outcome::Heard).look, Look::Good);
        assert!(told(&link, &Outcome::Off).copy[0].contains("eth0 multicast on"));
        assert!(told(&link, &Outcome::Taken(Some("dnsd (process 7)".into()))).said.contains("dnsd (process 7)"));
        assert!(told(&link, &Outcome::Silent).todo.contains("5353"));
        assert!(told(&link, &Outcome::Failed(ErrorKind::PermissionDenied.into())).said.contains("firewall"));
        assert!(told(&link, &Outcome::Failed(ErrorKind::NetworkUnreachable.into())).copy[0].contains("dev eth0"));
    }

    #[test]
    fn the_flags_of_an_interface_say_whether_it_knows_multicast() {
        assert!(knows_multicast("0x1003\n") && !knows_multicast("0x49\n") && !knows_multicast(""));
    }

    #[test]
    fn the_question_is_one_of_dns() {
        use hickory_proto::op::Message;
        let message = Message::from_vec(&question("_goop-0")).unwrap();
        assert_eq!(message.queries[0].name().to_string(), "_goop-0._udp.local.");
    }
}
