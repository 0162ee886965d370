//! The ports that goop wants: whether it has them, and who does if not.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use std::io::ErrorKind;

use tokio::task::spawn_blocking;

use super::holders::{Kind, holder};
use super::{Finding, Look, Patient, Running};

const PORTS: &str = "ports";

/// A place that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    what: &'static str,
    key: &'static str,
    kind: Kind,
    addr: SocketAddr,
    /// Whether goop insists on it; otherwise it takes another one and says so.
    insists: bool,
}

/// What stands in the way of one.
#[derive(Debug, PartialEq, Eq)]
enum Trouble {
    Taken(Option<String>),
    Refused(String),
}

/// Looks whether the ports are free, or goop's already.
pub(super) async fn examine(patient: Patient) -> Vec<Finding> {
    spawn_blocking(move || look(&patient)).await.unwrap_or_default()
}

fn look(patient: &Patient) -> Vec<Finding> {
    match &patient.running {
        Some(running) => of_running(patient, running),
        None => {
            let found: Vec<Finding> = wanted(patient).iter().filter_map(|wanted| Some(told(wanted, trouble(wanted)?))).collect();
            if found.is_empty() { vec![Finding::of(PORTS, "Ports", Look::Good, "free")] } else { found }
        }
    }
}

/// Everything that would be listened at.
fn wanted(patient: &Patient) -> Vec<Wanted> {
    let (config, mut all) = (&patient.loaded.config, Vec::new());
    let insists = |key| patient.loaded.is_explicit(key);
    if patient.has_peer() {
        let peer = if config.p2p.loopback_only { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
        let addr = SocketAddr::from((peer, config.p2p.listen_port));
        all.extend([Kind::Tcp, Kind::Udp].map(|kind| Wanted { what: "Other peers", key: "p2p.listen_port", kind, addr, insists: true }));
        let viewer =
            |addr| Wanted { what: "The viewer", key: "viewer.http_addr", kind: Kind::Tcp, addr, insists: insists("viewer.http_addr") };
        all.extend(config.viewer.http_addr.get().map(viewer));
    }
    if patient.is_server() {
        let addr = SocketAddr::new(config.presence.rendezvous_bind, config.presence.rendezvous_port);
        let key = "presence.rendezvous_port";
        all.push(Wanted { what: "The server", key, kind: Kind::Tcp, addr, insists: insists(key) || !addr.ip().is_loopback() });
    }
    all.retain(|wanted| wanted.addr.port() != 0);
    all
}

/// Takes the port for a moment.
fn trouble(wanted: &Wanted) -> Option<Trouble> {
    let tried = match wanted.kind {
        Kind::Tcp => TcpListener::bind(wanted.addr).map(drop),
        Kind::Udp => UdpSocket::bind(wanted.addr).map(drop),
    };
    match tried {
        Ok(()) => None,
        Err(error) if error.kind() == ErrorKind::AddrInUse => Some(Trouble::Taken(holder(wanted.kind, wanted.addr.port()))),
        Err(error) => Some(Trouble::Refused(error.to_string())),
    }
}

fn told(wanted: &Wanted, trouble: Trouble) -> Finding {
    let (port, kind) = (wanted.addr.port(), wanted.kind.name());
    let what = format!("{} ({kind} {port})", wanted.what);
    let look = if wanted.insists { Look::Bad } else { Look::Warn };
    let other = format!("Give goop another one with {} in the configuration.", wanted.key);
    match trouble {
        Trouble::Taken(by) => {
            let by = by.unwrap_or_else(|| "another program".to_owned());
            let then = if wanted.insists { "goop does not start." } else { "goop takes another port, and says which." };
            let todo = format!("End that program, or leave it the port. {other}");
            Finding::of(PORTS, what, look, "taken")
                .said(format!("{by} has it: {then}"))
                .todo(todo)
                .copy(format!("sudo ss -lpn sport = :{port}"))
        }
        Trouble::Refused(why) if port < 1024 => Finding::of(PORTS, what, look, "refused")
            .said(format!("{why}. Ports below 1024 are for root alone."))
            .todo(other)
            .copy(format!("sudo sysctl net.ipv4.ip_unprivileged_port_start={port}")),
        Trouble::Refused(why) => Finding::of(PORTS, what, look, "refused").said(format!("{why}.")).todo(other).copy("ip address"),
    }
}

/// A node that runs has its ports, though perhaps not those that were wanted.
fn of_running(patient: &Patient, running: &Running) -> Vec<Finding> {
    let ports = patient.peer_ports();
    let names = |kind: &str, ports: &std::collections::BTreeSet<u16>| ports.iter().map(|port| format!("{kind} {port}")).collect::<Vec<_>>();
    let mut all = names("TCP", &ports.tcp);
    all.extend(names("UDP", &ports.udp));
    all.extend(running.viewer.map(|port| format!("TCP {port} for its pages")));
    all.extend(running.local.as_ref().map(|url| format!("{url} for others")));
    let mut found = vec![Finding::of(PORTS, "Ports", Look::Good, "listens").said(format!("goop listens at {}.", all.join(", ")))];
    let moved = |addr: &SocketAddr| running.viewer.is_some_and(|port| addr.port() != 0 && port != addr.port());
    if let Some(addr) = patient.loaded.config.viewer.http_addr.get().filter(moved) {
        let by = holder(Kind::Tcp, addr.port()).unwrap_or_else(|| "Another program".to_owned());
        let said = format!("{by} has it, so the pages are at another port, and their addresses are not the ones you kept.");
        let finding = Finding::of(PORTS, format!("The viewer (TCP {})", addr.port()), Look::Warn, "moved").said(said);
        found.push(finding.todo("End that program, and start goop again.").copy(format!("sudo ss -lpn sport = :{}", addr.port())));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken() -> (TcpListener, Wanted) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        (listener, Wanted { what: "The viewer", key: "viewer.http_addr", kind: Kind::Tcp, addr, insists: true })
    }

    #[test]
    fn a_port_that_another_program_has_is_told_with_its_name() {
        let (listener, wanted) = taken();
        let trouble = trouble(&wanted).unwrap();
        let Trouble::Taken(Some(by)) = &trouble else { panic!("{trouble:?}") };
        assert!(by.contains(&std::process::id().to_string()), "{by}");
        let insisted = told(&wanted, trouble);
        assert!(insisted.look == Look::Bad && insisted.said.contains("does not start") && insisted.todo.contains("viewer.http_addr"));
        let moved = told(&Wanted { insists: false, ..wanted.clone() }, Trouble::Taken(None));
        assert!(moved.look == Look::Warn && moved.said.contains("another port"));
        drop(listener);
        assert_eq!(super::trouble(&wanted), None);
    }

    #[test]
    fn a_port_for_root_alone_is_told_with_what_lets_everybody() {
        let (_, wanted) = taken();
        let low = told(&Wanted { addr: "0.0.0.0:80".parse().unwrap(), ..wanted }, Trouble::Refused("Permission denied".into()));
        assert!(low.said.contains("1024") && low.copy[0].ends_with("start=80"));
    }
}
