//! Hosts and networks made of namespaces: each host has one, and so has the switch that joins them.
//!
//! Names are unique to this process and lab, so that tests run beside each other; dropping a [`Lab`] removes all of it.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Place;

static LABS: AtomicUsize = AtomicUsize::new(0);

/// Which addresses a host has on a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// `10.77.<lan>.<host>/24`.
    V4,
    /// `fd00:77:<lan>::<host>/64`, and the link-local one; no IPv4 but loopback.
    V6,
}

/// A host in a namespace of its own, with loopback up.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    /// The namespace it lives in.
    pub(crate) place: Place,
    namespace: String,
    number: usize,
}

/// One network: a bridge in the lab's switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lan(usize);

/// Everything one test has built.
pub(crate) struct Lab {
    prefix: String,
    namespaces: Vec<String>,
    hosts: usize,
    lans: usize,
}

impl Lab {
    /// An empty lab with its switch.
    pub(crate) fn new() -> Self {
        let number = LABS.fetch_add(1, Ordering::Relaxed);
        let mut lab = Self { prefix: format!("g{}x{number}", std::process::id()), namespaces: Vec::new(), hosts: 0, lans: 0 };
        lab.namespace("switch");
        lab
    }

    /// A lab with one network.
    pub(crate) fn with_lan() -> (Self, Lan) {
        let mut lab = Self::new();
        let lan = lab.lan();
        (lab, lan)
    }

    /// One more network; nothing joins it to the others.
    pub(crate) fn lan(&mut self) -> Lan {
        let lan = Lan(self.lans);
        self.lans += 1;
        self.in_switch(&["link", "add", &lan.bridge(), "type", "bridge"]);
        self.in_switch(&["link", "set", &lan.bridge(), "up"]);
        lan
    }

    /// A host on no network yet.
    pub(crate) fn lone_host(&mut self) -> Host {
        self.hosts += 1;
        let namespace = self.namespace(&format!("h{}", self.hosts));
        // A laptop's addresses are usable at once here, instead of a second or two after duplicate address detection.
        let quick = "net.ipv6.conf.default.accept_dad=0";
        run(Place::Namespace(namespace.clone()).command("sysctl").args(["-qw", quick]));
        Host { place: Place::Namespace(namespace.clone()), namespace, number: self.hosts }
    }

    /// A host on `lan`.
    pub(crate) fn host(&mut self, lan: Lan, family: Family) -> Host {
        let host = self.lone_host();
        self.attach(&host, lan, family);
        host
    }

    /// Give `host` an interface on `lan`, with its address and, for IPv4, the multicast route that js-libp2p needs.
    pub(crate) fn attach(&self, host: &Host, lan: Lan, family: Family) {
        let (port, interface) = (host.port(lan), lan.interface());
        let switch = self.switch();
        ip(&["link", "add", &port, "netns", &switch, "type", "veth", "peer", "name", &interface, "netns", &host.namespace]);
        self.in_switch(&["link", "set", &port, "master", &lan.bridge(), "up"]);
        match family {
            Family::V4 => host.ip(&["addr", "add", &format!("{}/24", host.address(lan, family)), "dev", &interface]),
            Family::V6 => host.ip(&["addr", "add", &format!("{}/64", host.address(lan, family)), "dev", &interface, "nodad"]),
        }
        host.ip(&["link", "set", &interface, "up"]);
        if family == Family::V4 && lan.0 == 0 {
            host.ip(&["route", "add", "224.0.0.0/4", "dev", &interface]);
        }
    }

    /// Pull the cable of `host` where it cannot see it: its own link stays up, but nothing passes.
    pub(crate) fn cut(&self, host: &Host, lan: Lan) {
        self.in_switch(&["link", "set", &host.port(lan), "nomaster"]);
    }

    /// Put the cable back.
    pub(crate) fn mend(&self, host: &Host, lan: Lan) {
        self.in_switch(&["link", "set", &host.port(lan), "master", &lan.bridge()]);
    }

    /// A router between two networks, made the way out of `hosts`. It forwards packets, and no multicast.
    pub(crate) fn router(&mut self, lans: [Lan; 2], hosts: &[(&Host, Lan)]) -> Host {
        let router = self.lone_host();
        for lan in lans {
            self.attach(&router, lan, Family::V4);
        }
        run(router.place.command("sysctl").args(["-qw", "net.ipv4.ip_forward=1"]));
        for (host, lan) in hosts {
            host.ip(&["route", "add", "default", "via", &router.address(*lan, Family::V4)]);
        }
        router
    }

    fn namespace(&mut self, name: &str) -> String {
        let full = format!("{}{name}", self.prefix);
        ip(&["netns", "add", &full]);
        self.namespaces.push(full.clone());
        ip(&["-n", &full, "link", "set", "lo", "up"]);
        full
    }

    fn switch(&self) -> String {
        format!("{}switch", self.prefix)
    }

    fn in_switch(&self, args: &[&str]) {
        ip(&[&["-n", &self.switch()], args].concat());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in &self.namespaces {
            let _ = Command::new("ip").args(["netns", "del", namespace]).status();
        }
    }
}

impl Lan {
    fn bridge(self) -> String {
        format!("br{}", self.0)
    }

    /// What a host calls its interface on this network.
    pub(crate) fn interface(self) -> String {
        format!("eth{}", self.0)
    }
}

impl Host {
    /// Its address on `lan`.
    pub(crate) fn address(&self, lan: Lan, family: Family) -> String {
        match family {
            Family::V4 => format!("10.77.{}.{}", lan.0, self.number),
            Family::V6 => format!("fd00:77:{}::{}", lan.0, self.number),
        }
    }

    /// Run `ip` in its namespace.
    pub(crate) fn ip(&self, args: &[&str]) {
        ip(&[&["-n", &self.namespace], args].concat());
    }

    fn port(&self, lan: Lan) -> String {
        format!("p{}l{}", self.number, lan.0)
    }
}

pub(super) fn ip(args: &[&str]) {
    run(Command::new("ip").args(args));
}

pub(super) fn run(command: &mut Command) {
    let done = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}
