//! Whether others get in from outside.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use super::{Finding, Look, Patient};
use crate::p2p::nat::Nat;

const NAT: &str = "nat";

/// What the running peer was told by others; without one nobody knows.
pub(super) async fn examine(patient: Patient) -> Vec<Finding> {
    let Some((running, nat)) = patient.running.as_ref().and_then(|running| Some((running, running.nat?))) else { return Vec::new() };
    vec![internet(nat, running.relayed, &running.listen)]
}

/// What this means for somebody who listens there.
pub fn internet(nat: Nat, relayed: bool, listen: &[Multiaddr]) -> Finding {
    let of = |look, word, said: &str| Finding::of(NAT, "The internet", look, word).said(said);
    match nat {
        Nat::Public => of(Look::Good, "open", "Others reach you directly from anywhere."),
        Nat::Private if relayed => of(
            Look::Good,
            "by relay",
            "Your router lets nobody in; others reach you through a relay, and directly where both sides manage it.",
        ),
        Nat::Private => of(Look::Warn, "closed", "Your router lets nobody in from outside.")
            .todo(format!("Forward {} to this machine in your router, or switch UPnP on there.", port_names(listen))),
        Nat::Unknown if relayed => of(Look::Good, "by relay", "Others reach you through a relay."),
        Nat::Unknown => of(Look::Plain, "not known", "Nobody from outside has tried to reach you yet."),
    }
}

/// The ports of these addresses, as a firewall or a router calls them: `TCP 4001 and UDP 4001`.
pub fn port_names(listen: &[Multiaddr]) -> String {
    let mut found: Vec<String> = Vec::new();
    for part in listen.iter().flat_map(Multiaddr::iter) {
        let port = match part {
            Protocol::Tcp(port) => format!("TCP {port}"),
            Protocol::Udp(port) => format!("UDP {port}"),
            _ => continue,
        };
        if !found.contains(&port) {
            found.push(port);
        }
    }
    found.join(" and ")
}
