//! Two hosts behind two routers, and a public host for relays: 45.45.45.0/24 stands for the internet, so that rules about public
//! addresses hold. Its hosts share no subnet, as on the internet. None of these namespaces has a way out.
//!
//! ```text
//! left 192.168.11.2 --- router (45.45.45.21) --\
//!                                               internet --- public 45.45.45.10
//! right 192.168.12.2 -- router (45.45.45.22) --/
//! ```

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::NamedTempFile;

use super::lab::{ip, run};
use super::{Place, has, lab_is_possible};

static LABS: AtomicUsize = AtomicUsize::new(0);

/// Where the public host is.
pub(crate) const PUBLIC: &str = "45.45.45.10";

/// How a router treats what its hosts send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Router {
    /// It keeps the port where it can, so the same for whoever is talked to: most routers at home.
    Cone,
    /// Another port for each whom its host talks to, at random: no punching.
    Symmetric,
}

/// One side: the host and its router.
pub(crate) struct Side {
    /// The host, which only its router sees.
    pub(crate) host: Place,
    /// The router; `wan` and `lan` are its interfaces.
    pub(crate) router: Place,
    /// The router's public address.
    pub(crate) wan: String,
    /// The router's address for its host.
    pub(crate) lan: String,
}

/// The lab; one multicast domain, so that nodes on it have to be told to keep mDNS off. Dropping it removes all of it.
pub(crate) struct NatLab {
    /// The public host.
    pub(crate) public: Place,
    /// A second public host, at 45.45.45.11, that no router knows of.
    pub(crate) other: Place,
    /// One side.
    pub(crate) left: Side,
    /// The other.
    pub(crate) right: Side,
    namespaces: Vec<String>,
}

/// Whether this machine can run the lab; if not, says why the test is skipped.
pub(crate) fn natlab_is_possible() -> bool {
    lab_is_possible() && has("nft", "--version")
}

impl NatLab {
    /// A lab both of whose routers are of this kind.
    pub(crate) fn new(kind: Router) -> Self {
        let prefix = format!("n{}x{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let names = ["net", "pub", "oth", "ra", "rb", "ha", "hb"].map(|name| format!("{prefix}{name}"));
        for name in &names {
            ip(&["netns", "add", name]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
        }
        let [net, public, other, router_a, router_b, host_a, host_b] = &names;
        ip(&["-n", net, "link", "add", "br0", "type", "bridge"]);
        ip(&["-n", net, "link", "set", "br0", "up"]);
        plug(net, public, "wan", PUBLIC);
        plug(net, other, "wan", "45.45.45.11");
        let left = side(net, router_a, host_a, 1, kind);
        let right = side(net, router_b, host_b, 2, kind);
        Self { public: place(public), other: place(other), left, right, namespaces: names.to_vec() }
    }
}

impl Drop for NatLab {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            let _ = Command::new("ip").args(["netns", "del", namespace]).status();
        }
    }
}

fn place(namespace: &str) -> Place {
    Place::Namespace(namespace.to_owned())
}

fn side(net: &str, router: &str, host: &str, number: u8, kind: Router) -> Side {
    let (wan, lan) = (format!("45.45.45.2{number}"), format!("192.168.1{number}.1"));
    plug(net, router, "wan", &wan);
    ip(&["link", "add", "lan", "netns", router, "type", "veth", "peer", "name", "eth0", "netns", host]);
    ip(&["-n", router, "addr", "add", &format!("{lan}/24"), "dev", "lan"]);
    ip(&["-n", router, "link", "set", "lan", "up"]);
    ip(&["-n", host, "addr", "add", &format!("192.168.1{number}.2/24"), "dev", "eth0"]);
    ip(&["-n", host, "link", "set", "eth0", "up"]);
    ip(&["-n", host, "route", "add", "default", "via", &lan]);
    run(place(router).command("sysctl").args(["-qw", "net.ipv4.ip_forward=1"]));
    masquerade(&place(router), kind);
    Side { host: place(host), router: place(router), wan, lan }
}

/// Translates what leaves, and drops (never rejects: that would end a punch) what nobody asked for.
fn masquerade(router: &Place, kind: Router) {
    let how = if kind == Router::Symmetric { "fully-random" } else { "" };
    let rules = format!(
        "table ip n {{
           chain post {{ type nat hook postrouting priority 100; oifname \"wan\" masquerade {how}; }}
           chain input {{ type filter hook input priority 0; iifname \"wan\" ct state established,related accept; iifname \"wan\" drop; }}
           chain forward {{ type filter hook forward priority 0;
             iifname \"wan\" ct state established,related accept; iifname \"wan\" ct status dnat accept; iifname \"wan\" drop; }}
         }}"
    );
    nft(router, &rules);
}

fn nft(router: &Place, rules: &str) {
    let mut nft = router.command("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().expect("nft runs");
    nft.stdin.take().expect("stdin is a pipe").write_all(rules.as_bytes()).expect("nft reads");
    assert!(nft.wait().expect("nft ends").success(), "nft refused {rules}");
}

/// An interface of `namespace` on the internet.
fn plug(net: &str, namespace: &str, interface: &str, address: &str) {
    let port = format!("p{}", &namespace[namespace.len() - 3..]);
    ip(&["link", "add", &port, "netns", net, "type", "veth", "peer", "name", interface, "netns", namespace]);
    ip(&["-n", net, "link", "set", &port, "master", "br0", "up"]);
    ip(&["-n", namespace, "addr", "add", &format!("{address}/32"), "dev", interface]);
    ip(&["-n", namespace, "link", "set", interface, "up"]);
    ip(&["-n", namespace, "route", "add", "45.45.45.0/24", "dev", interface]);
}

/// A running miniupnpd; ended when dropped.
pub(crate) struct Upnp {
    daemon: Child,
    _config: NamedTempFile,
}

/// The chains that miniupnpd fills.
const CHAINS: &str = "table inet filter {
  chain miniupnpd { }
  chain prerouting_miniupnpd { }
  chain postrouting_miniupnpd { }
  chain forward { type filter hook forward priority 0; jump miniupnpd; }
  chain prerouting { type nat hook prerouting priority -100; jump prerouting_miniupnpd; }
  chain postrouting { type nat hook postrouting priority 99; jump postrouting_miniupnpd; }
}";

/// Who may ask for what: any host, for ports that need no privilege.
const UPNP_CONFIG: &str = "ext_ifname=wan
listening_ip=lan
enable_natpmp=no
enable_upnp=yes
secure_mode=yes
uuid=9d1b7c1e-59a4-4c1d-9d3f-6a3f0d7c0001
upnp_table_name=filter
upnp_nat_table_name=filter
upnp_forward_chain=miniupnpd
upnp_nat_chain=prerouting_miniupnpd
upnp_nat_postrouting_chain=postrouting_miniupnpd
allow 1024-65535 0.0.0.0/0 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
";

impl Side {
    /// From now on this side's line takes one megabit a second and holds four seconds' worth back: what else waits in it is late.
    pub(crate) fn slow_down(&self) {
        let shape = ["qdisc", "add", "dev", "wan", "root", "tbf", "rate", "1mbit", "burst", "16kb", "latency", "4s"];
        run(self.router.command("tc").args(shape));
    }

    /// Let hosts open ports of this side's router.
    pub(crate) fn allow_upnp(&self) -> Upnp {
        nft(&self.router, CHAINS);
        let mut config = NamedTempFile::new().expect("make a file");
        config.write_all(UPNP_CONFIG.as_bytes()).expect("write the configuration");
        let pid_file = config.path().with_extension("pid");
        let mut command = self.router.command("miniupnpd");
        command.arg("-d").arg("-f").arg(config.path()).arg("-P").arg(pid_file).stdout(Stdio::null()).stderr(Stdio::null());
        Upnp { daemon: command.spawn().expect("miniupnpd runs"), _config: config }
    }
}

impl Drop for Upnp {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}
