//! What is reachable from where, in words, and what to do where something is not.

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use crate::clients::rendezvous::{Status, Stream};
use crate::doctor::{self, Finding, Look, port_names};
use crate::peer::SelfInfo;

/// The network, the internet, and each rendezvous server. `near` counts who is here on the same network.
pub(super) fn findings(me: &SelfInfo, near: usize) -> Vec<Finding> {
    let mut all = vec![network(me, near), internet(me)];
    all.extend(me.rendezvous.iter().map(rendezvous));
    if me.rendezvous.is_empty() {
        all.push(no_rendezvous());
    }
    all
}

fn finding(what: &str, (look, word): (Look, &'static str), said: impl AsRef<str>, todo: impl AsRef<str>) -> Finding {
    Finding::of("reach", what, look, word).said(said).todo(todo)
}

fn network(me: &SelfInfo, near: usize) -> Finding {
    let what = "This network";
    let port = port_names(&me.listen);
    if me.listen.is_empty() {
        return finding(
            what,
            (Look::Bad, "closed"),
            "goop listens at no address, so nobody can call you.",
            "Look at p2p.listen_port in the configuration, and start goop again.",
        );
    }
    match near {
        0 => finding(
            what,
            (Look::Warn, "alone"),
            "Nobody else is found here yet.",
            format!("Start goop on another machine here. If it runs there, let UDP 5353 and {port} through the firewalls of both."),
        ),
        1 => finding(what, (Look::Good, "works"), "One peer is found here.", ""),
        many => finding(what, (Look::Good, "works"), format!("{many} peers are found here."), ""),
    }
}

fn internet(me: &SelfInfo) -> Finding {
    doctor::internet(me.nat, me.external.iter().any(is_relayed), &me.listen)
}

/// How it goes with a rendezvous server.
pub(super) fn rendezvous(status: &Status) -> Finding {
    let what = match &status.moved_to {
        Some(place) => format!("{} (moved to {place})", status.name),
        None => status.name.clone(),
    };
    if let Some(why) = &status.refused {
        let said = format!("The server does not take what you publish: {why}. Others do not see you there.");
        return finding(
            &what,
            (Look::Bad, "refused"),
            said,
            "Ask whoever runs it; for a closed community, the link of an invitation leads in.",
        );
    }
    match &status.stream {
        Stream::Connecting => finding(&what, (Look::Plain, "connecting"), "Asking for the first time.", ""),
        Stream::Connected { ours: true } => finding(&what, (Look::Good, "connected"), "This machine runs it; you are seen there.", ""),
        Stream::Connected { .. } => finding(&what, (Look::Good, "connected"), "You are seen there.", ""),
        Stream::Retrying { why } => finding(
            &what,
            (Look::Bad, "trying again"),
            format!("It does not answer: {why}."),
            "Look whether this machine is online and the address is right; goop tries on by itself.",
        ),
    }
}

/// A server of the configuration that the running node does not know of.
pub(super) fn not_taken_over() -> Finding {
    let said = "It stands in the settings, and goop has not asked there yet.";
    finding("", (Look::Plain, "waits"), said, "If this stays so, start goop again.")
}

fn no_rendezvous() -> Finding {
    let todo = "To meet people elsewhere, join a community.";
    finding("Rendezvous servers", (Look::Plain, "none"), "You meet the people of this network only.", todo)
}

fn is_relayed(addr: &Multiaddr) -> bool {
    addr.iter().any(|part| part == Protocol::P2pCircuit)
}

#[cfg(test)]
mod tests {
    use libp2p::PeerId;

    use super::*;
    use crate::clock::UnixMillis;
    use crate::p2p::nat::Nat;

    fn me(nat: Nat, external: &[&str]) -> SelfInfo {
        let addrs = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
        SelfInfo {
            peer_id: PeerId::random(),
            label: String::new(),
            avatar_hash: None,
            listen: addrs(&["/ip4/10.0.0.2/tcp/4001", "/ip4/10.0.0.2/udp/4002/quic-v1", "/ip4/127.0.0.1/tcp/4001"]),
            nat,
            external: addrs(external),
            version: "0",
            rendezvous: vec![],
        }
    }

    fn status(stream: Stream, refused: Option<&str>) -> Status {
        Status { id: String::new(), name: "there".into(), since: UnixMillis(0), stream, moved_to: None, refused: refused.map(Into::into) }
    }

    #[test]
    fn what_does_not_work_ends_in_something_to_do() {
        let mut closed = me(Nat::Private, &[]);
        closed.rendezvous =
            vec![status(Stream::Retrying { why: "no route".into() }, None), status(Stream::Connected { ours: false }, Some("not invited"))];
        let all = findings(&closed, 0);
        assert_eq!(all.iter().map(|one| one.word.as_str()).collect::<Vec<_>>(), ["alone", "closed", "trying again", "refused"]);
        assert!(all.iter().all(|one| !one.todo.is_empty()), "{all:?}");
        assert!(all[1].todo.contains("TCP 4001 and UDP 4002 to"), "each port once: {}", all[1].todo);
        assert!(all[2].said.contains("no route") && all[3].said.contains("not invited"));
    }

    #[test]
    fn whoever_is_reached_has_nothing_to_do() {
        let relay = "/ip4/192.0.2.1/tcp/1/p2p-circuit";
        for me in [me(Nat::Public, &[]), me(Nat::Private, &[relay]), me(Nat::Unknown, &[relay])] {
            let all = findings(&me, 2);
            assert!(all[..2].iter().all(|one| one.look == Look::Good && one.todo.is_empty()), "{all:?}");
        }
    }
}
