//! A LAN on this machine: a namespace per host, joined by a bridge in a namespace of its own.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// The namespaces of one test; deleted when dropped.
pub(crate) struct Lan {
    name: String,
    hosts: u32,
}

impl Lan {
    /// A bridge without hosts; `None` (with a message) where namespaces cannot be made, which is a failure under `CI=true`.
    pub(crate) fn new() -> Option<Self> {
        let name = format!("gd{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        if let Err(why) = try_ip(&format!("netns add {name}br")) {
            assert_ne!(std::env::var("CI").as_deref(), Ok("true"), "no network namespaces: {why}");
            eprintln!("skipped, no network namespaces here: {why}");
            return None;
        }
        let lan = Self { name, hosts: 0 };
        ip(&format!("-n {}br link add br0 type bridge", lan.name));
        ip(&format!("-n {}br link set br0 up", lan.name));
        Some(lan)
    }

    /// A namespace with only a loopback interface.
    pub(crate) fn host(&mut self) -> String {
        self.hosts += 1;
        let host = self.host_name(self.hosts);
        ip(&format!("netns add {host}"));
        ip(&format!("-n {host} link set lo up"));
        host
    }

    /// Joins a host to the bridge by `eth0` with these addresses (none: IPv6 link-local only).
    pub(crate) fn plug_in(&self, host: &str, addrs: &[&str]) {
        let (bridge, number) = (format!("{}br", self.name), host.rsplit('h').next().unwrap());
        ip(&format!("-n {bridge} link add v{number} type veth peer name eth0 netns {host}"));
        ip(&format!("-n {bridge} link set v{number} master br0 up"));
        for addr in addrs {
            let nodad = if addr.contains(':') { "nodad" } else { "" };
            ip(&format!("-n {host} addr add {addr} dev eth0 {nodad}"));
        }
        ip(&format!("-n {host} link set eth0 up"));
    }

    /// A host on the bridge.
    pub(crate) fn joined(&mut self, addrs: &[&str]) -> String {
        let host = self.host();
        self.plug_in(&host, addrs);
        host
    }

    /// Pulls a host's cable (`down`) or puts it back (`up`).
    pub(crate) fn cable(&self, host: &str, state: &str) {
        ip(&format!("-n {}br link set v{} {state}", self.name, host.rsplit('h').next().unwrap()));
    }

    /// Takes every host off the bridge.
    pub(crate) fn unplug_all(&self) {
        for number in 1..=self.hosts {
            let _ = try_ip(&format!("-n {}br link del v{number}", self.name));
        }
    }

    fn host_name(&self, number: u32) -> String {
        format!("{}h{number}", self.name)
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for number in 1..=self.hosts {
            let _ = try_ip(&format!("netns del {}", self.host_name(number)));
        }
        let _ = try_ip(&format!("netns del {}br", self.name));
    }
}

/// The IPv6 link-local address of a host's `eth0`.
pub(crate) fn link_local(host: &str) -> String {
    loop {
        let shown = try_ip(&format!("-n {host} -6 -o addr show dev eth0 scope link")).unwrap();
        if let Some(addr) = shown.split_whitespace().find(|word| word.starts_with("fe80")) {
            return addr.split('/').next().unwrap().to_owned();
        }
    }
}

fn ip(args: &str) {
    if let Err(why) = try_ip(args) {
        panic!("ip {args}: {why}");
    }
}

fn try_ip(args: &str) -> Result<String, String> {
    let out = Command::new("ip").args(args.split_whitespace()).output().map_err(|error| error.to_string())?;
    if out.status.success() { Ok(String::from_utf8_lossy(&out.stdout).into()) } else { Err(String::from_utf8_lossy(&out.stderr).into()) }
}
