//! Firewalls of this machine, as far as they can be read: ufw, firewalld, and rules of nftables that drop what comes in. goop changes none.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use rustix::process::geteuid;
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::{Finding, Look, Patient, PeerPorts};
use crate::config::files::read_bounded;

/// Longest file or answer that is read, in bytes.
const MAX_TEXT: u64 = 4 * 1024 * 1024;
/// How long `nft` may take.
const PATIENCE: Duration = Duration::from_secs(3);

const FIREWALL: &str = "firewall";
const WHAT: &str = "The firewall of this machine";

/// What of the machine's firewalls could be read.
#[derive(Debug, Default)]
struct Read {
    ufw: bool,
    firewalld: bool,
    /// The rules of nftables; only root may read those in force, otherwise those that are loaded at the start.
    nftables: Rules,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum Rules {
    #[default]
    Unreadable,
    /// No chain drops what comes in.
    Open,
    /// This chain does: its family, its table and its name.
    Drops(String, String, String),
}

/// What a firewall has to let in.
struct Doors {
    mdns: bool,
    ports: PeerPorts,
    /// The public listener.
    server: Option<u16>,
    /// Whether the ports of the peer are others at each start.
    moving: bool,
}

/// Looks whether a firewall keeps others out.
pub(super) async fn examine(patient: Patient) -> Vec<Finding> {
    let config = &patient.loaded.config;
    let open = patient.is_server() && !config.presence.rendezvous_bind.is_loopback();
    let meets = patient.has_peer() && !config.p2p.loopback_only;
    if !open && !meets {
        return Vec::new();
    }
    let doors = Doors {
        mdns: meets && config.discovery.mdns,
        ports: if meets { patient.peer_ports() } else { PeerPorts::default() },
        server: open.then_some(config.presence.rendezvous_port).filter(|port| *port != 0),
        moving: meets && config.p2p.listen_port == 0,
    };
    let read = spawn_blocking(|| Read { ufw: ufw_is_on(), firewalld: Path::new("/run/firewalld").exists(), nftables: nftables() });
    vec![judge(&read.await.unwrap_or_default(), &doors)]
}

fn ufw_is_on() -> bool {
    let text = read_bounded(Path::new("/etc/ufw/ufw.conf"), MAX_TEXT).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().any(|line| line.trim().eq_ignore_ascii_case("enabled=yes"))
}

fn nftables() -> Rules {
    if geteuid().is_root() {
        let said = ["nft", "/usr/sbin/nft"].into_iter().find_map(|nft| said(Command::new(nft).args(["--json", "list", "chains"])));
        return said.map_or(Rules::Unreadable, |json| in_force(&json));
    }
    let read = read_bounded(Path::new("/etc/nftables.conf"), MAX_TEXT);
    read.map_or(Rules::Unreadable, |text| at_the_start(&String::from_utf8_lossy(&text)))
}

/// What a program says within [`PATIENCE`]; none where there is no such program.
fn said(command: &mut Command) -> Option<Vec<u8>> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
    let (out, (tell, told)) = (child.stdout.take()?, sync_channel(1));
    std::thread::spawn(move || {
        let mut text = Vec::new();
        let read = out.take(MAX_TEXT).read_to_end(&mut text);
        tell.send(read.map(|_| text))
    });
    let text = told.recv_timeout(PATIENCE).ok().and_then(Result::ok);
    let _ = child.kill();
    let _ = child.wait();
    text
}

/// What `nft --json list chains` says.
fn in_force(json: &[u8]) -> Rules {
    let Ok(said) = serde_json::from_slice::<Value>(json) else { return Rules::Unreadable };
    let Some(all) = said["nftables"].as_array() else { return Rules::Unreadable };
    let dropping = all.iter().map(|one| &one["chain"]).find(|chain| chain["hook"] == "input" && chain["policy"] == "drop");
    let text = |chain: &Value, key: &str| chain[key].as_str().unwrap_or_default().to_owned();
    dropping.map_or(Rules::Open, |chain| Rules::Drops(text(chain, "family"), text(chain, "table"), text(chain, "name")))
}

/// What a file of rules says: the table and the chain before `hook input … policy drop`.
fn at_the_start(file: &str) -> Rules {
    let code: String = file.lines().map(|line| format!("{} ", line.split('#').next().unwrap_or_default())).collect();
    let words: Vec<&str> = code.split([' ', '\t', ';', '{', '}']).filter(|word| !word.is_empty()).collect();
    let mut hooks = words.windows(2).enumerate().filter(|(_, pair)| *pair == ["hook", "input"]).map(|(at, _)| at);
    let drops = |at: &usize| {
        let rest = words[at + 2..].iter().take_while(|word| !["chain", "table", "hook"].contains(word));
        rest.collect::<Vec<_>>().windows(2).any(|pair| *pair[0] == "policy" && *pair[1] == "drop")
    };
    let Some(at) = hooks.rfind(drops) else { return Rules::Open };
    let before = |what: &str, count: usize| {
        let found = words[..at].iter().rposition(|word| *word == what);
        found.map_or_else(Vec::new, |found| words[found + 1..].iter().take(count).map(|word| (*word).to_owned()).collect())
    };
    match (before("table", 2).as_slice(), before("chain", 1).as_slice()) {
        ([family, table], [chain]) => Rules::Drops(family.clone(), table.clone(), chain.clone()),
        _ => Rules::Unreadable,
    }
}

fn judge(read: &Read, doors: &Doors) -> Finding {
    let found = |name: &str| {
        let said = format!("{name} decides here what comes in; what it lets in cannot be seen from inside.");
        let todo = if doors.moving {
            "Let goop in. Its port is another one at each start: give it one first, with p2p.listen_port in the configuration."
        } else {
            "If others do not find this machine, let goop in:"
        };
        Finding::of(FIREWALL, WHAT, Look::Warn, "is on").said(said).todo(todo)
    };
    let finding = match read {
        Read { ufw: true, .. } => doors.lines(|kind, port| format!("sudo ufw allow {port}/{kind}"), found("ufw")),
        Read { firewalld: true, .. } => {
            let line = |kind: &str, port| format!("sudo firewall-cmd --permanent --add-port={port}/{kind}");
            doors.lines(line, found("firewalld")).copy("sudo firewall-cmd --reload")
        }
        Read { nftables: Rules::Drops(family, table, chain), .. } => {
            let line = |kind: &str, port| format!("sudo nft insert rule {family} {table} {chain} {kind} dport {port} accept");
            doors.lines(line, found("nftables"))
        }
        Read { nftables: Rules::Open, .. } => return Finding::of(FIREWALL, WHAT, Look::Good, "none in the way"),
        _ => return Finding::of(FIREWALL, WHAT, Look::Plain, "not seen").said("None was found that goop may read."),
    };
    if doors.moving { finding.copy("[p2p] listen_port = 4001") } else { finding }
}

impl Doors {
    fn lines(&self, line: impl Fn(&str, u16) -> String, finding: Finding) -> Finding {
        let mdns = self.mdns.then_some(("udp", 5353));
        let tcp = self.ports.tcp.iter().map(|port| ("tcp", *port));
        let udp = self.ports.udp.iter().map(|port| ("udp", *port));
        let server = self.server.map(|port| ("tcp", port));
        mdns.into_iter().chain(tcp).chain(udp).chain(server).fold(finding, |finding, (kind, port)| finding.copy(line(kind, port)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doors() -> Doors {
        let ports = PeerPorts { tcp: [4001].into(), udp: [4001].into() };
        Doors { mdns: true, ports, server: Some(8787), moving: false }
    }

    #[test]
    fn each_firewall_is_told_in_its_own_words_what_to_let_in() {
        let ufw = judge(&Read { ufw: true, ..Read::default() }, &doors());
        let lines = ["5353/udp", "4001/tcp", "4001/udp", "8787/tcp"];
        assert_eq!(ufw.copy, lines.map(|port| format!("sudo ufw allow {port}")));
        let firewalld = judge(&Read { firewalld: true, ..Read::default() }, &doors());
        assert!(firewalld.copy.len() == 5 && firewalld.copy[4].ends_with("--reload"));
        let drops = Rules::Drops("inet".into(), "filter".into(), "input".into());
        let nft = judge(&Read { nftables: drops, ..Read::default() }, &doors());
        assert_eq!(nft.copy[1], "sudo nft insert rule inet filter input tcp dport 4001 accept");
        let moving = judge(&Read { ufw: true, ..Read::default() }, &Doors { moving: true, ..doors() });
        assert!(moving.todo.contains("listen_port") && moving.copy.last().unwrap().contains("listen_port"));
    }

    #[test]
    fn no_firewall_is_made_up() {
        assert_eq!(judge(&Read { nftables: Rules::Open, ..Read::default() }, &doors()).look, Look::Good);
        assert_eq!(judge(&Read::default(), &doors()).look, Look::Plain);
    }

    #[test]
    fn a_chain_that_drops_what_comes_in_is_found_in_force_and_in_the_file() {
        let drops = || Rules::Drops("inet".into(), "wall".into(), "in".into());
        let json = r#"{"nftables":[{"metainfo":{}},{"chain":{"family":"inet","table":"wall","name":"out","hook":"output","policy":"drop"}},
            {"chain":{"family":"inet","table":"wall","name":"in","hook":"input","policy":"drop"}}]}"#;
        assert_eq!(in_force(json.as_bytes()), drops());
        assert_eq!(in_force(br#"{"nftables":[]}"#), Rules::Open);
        assert_eq!(in_force(b"permission denied"), Rules::Unreadable);
        let file = "flush ruleset\ntable inet wall { # mine\n  chain in {\n type filter hook input priority 0; policy drop;\n ct state established accept }\n\
                    chain fwd { type filter hook forward priority 0; policy accept; } }";
        assert_eq!(at_the_start(file), drops());
        let open = "table inet filter { chain input { type filter hook input priority filter; }\n chain forward { type filter hook forward priority 0; policy drop; } }";
        assert_eq!(at_the_start(open), Rules::Open);
        assert_eq!(at_the_start(""), Rules::Open);
    }

    #[test]
    fn a_file_of_rules_never_makes_it_stumble() {
        for file in [
            "hook input policy drop",
            "table hook input policy drop",
            "hook",
            "chain hook input policy drop table",
            "policy drop hook input",
        ] {
            let _ = at_the_start(file);
        }
    }
}
