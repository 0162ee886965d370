//! A process with a running discovery, seen from outside: what it prints and what it is told.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use goop::peer::discovery::{Discovery, Event, Options};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use tokio::io::AsyncBufReadExt;
use tokio::sync::mpsc;

/// What a process is told: nothing when it is not one of ours.
pub(crate) const ROLE: &str = "GOOP_TEST_DISCOVERY_ROLE";

/// The peer id that belongs to a small number.
pub(crate) fn peer(seed: u8) -> PeerId {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap().public().to_peer_id()
}

/// A tag that no other test uses.
pub(crate) fn unique_tag() -> String {
    format!("t{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}

/// One line that a host printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Ready,
    Found(PeerId, Vec<String>),
    Goodbye(PeerId),
    Interfaces(usize),
    /// A packet that goop2 would believe, and the TXT strings in it.
    Answer(Vec<String>),
}

/// A host process; killed when dropped.
pub(crate) struct Host {
    child: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<(Instant, Seen)>,
}

impl Host {
    /// Starts a host in `namespace` (or here) as peer `seed`, listening on `addrs` (separated by blanks), and waits until it looks.
    pub(crate) fn start(namespace: Option<&str>, tag: &str, seed: u8, addrs: &str) -> Self {
        let reach = if namespace.is_some() { "lan" } else { "loopback" };
        Self::play(namespace, "discovery::host::a_host", &format!("{reach} {tag} {seed} {addrs}"))
    }

    /// Starts any of our roles: a test of this binary that does its work only when told so by [`ROLE`].
    pub(crate) fn play(namespace: Option<&str>, test: &str, role: &str) -> Self {
        let me = std::env::current_exe().unwrap();
        let mut command = match namespace {
            Some(name) => {
                let mut command = Command::new("ip");
                command.args(["netns", "exec", name]).arg(me);
                command
            }
            None => Command::new(me),
        };
        command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(ROLE, role);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let orders = child.stdin.take();
        let lines = read_lines(child.stdout.take().unwrap());
        let host = Self { child, orders, lines };
        host.wait(Duration::from_secs(20), |seen| *seen == Seen::Ready).expect("the host starts");
        host
    }

    /// The first line within `limit` that is `wanted`, and when it came; those before it are gone.
    pub(crate) fn wait(&self, limit: Duration, mut wanted: impl FnMut(&Seen) -> bool) -> Option<(Instant, Seen)> {
        let deadline = Instant::now() + limit;
        loop {
            let line = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
            if wanted(&line.1) {
                return Some(line);
            }
        }
    }

    /// Waits until `peer` is found with an address that contains `part`.
    pub(crate) fn finds(&self, peer: PeerId, part: &str) -> Option<Instant> {
        let limit = Duration::from_secs(10);
        let found = |seen: &Seen| matches!(seen, Seen::Found(who, addrs) if *who == peer && addrs.iter().any(|addr| addr.contains(part)));
        self.wait(limit, found).map(|(at, _)| at)
    }

    /// Waits until `peer` says goodbye.
    pub(crate) fn hears_goodbye_of(&self, peer: PeerId) -> Option<Instant> {
        self.wait(Duration::from_secs(10), |seen| *seen == Seen::Goodbye(peer)).map(|(at, _)| at)
    }

    /// Gives an order: to a host, the addresses it announces from now on.
    pub(crate) fn tell(&mut self, order: &str) {
        writeln!(self.orders.as_mut().unwrap(), "{order}").unwrap();
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }

    /// Tells the host to stop properly, and when that was.
    pub(crate) fn stop(&mut self) -> Instant {
        self.orders.take();
        Instant::now()
    }

    /// Whether it ended by itself within `limit`.
    pub(crate) fn ends_within(&mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if self.child.try_wait().unwrap().is_some() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        false
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_lines(out: ChildStdout) -> Receiver<(Instant, Seen)> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(out).lines().map_while(Result::ok) {
            if let Some(seen) = parse(&line) {
                let _ = sender.send((Instant::now(), seen));
            }
        }
    });
    lines
}

fn parse(line: &str) -> Option<Seen> {
    let mut words = line.strip_prefix("SEEN ")?.split_whitespace();
    Some(match words.next()? {
        "ready" => Seen::Ready,
        "found" => Seen::Found(words.next()?.parse().ok()?, words.map(str::to_owned).collect()),
        "goodbye" => Seen::Goodbye(words.next()?.parse().ok()?),
        "answer" => Seen::Answer(words.map(str::to_owned).collect()),
        _ => Seen::Interfaces(words.next()?.parse().ok()?),
    })
}

fn print(event: &Event) {
    match event {
        Event::Found { peer, addrs } => {
            let addrs: Vec<String> = addrs.iter().map(Multiaddr::to_string).collect();
            println!("\nSEEN found {peer} {}", addrs.join(" "));
        }
        Event::Goodbye { peer } => println!("\nSEEN goodbye {peer}"),
        Event::Interfaces(subnets) => println!("\nSEEN interfaces {}", subnets.iter().count()),
    }
}

fn addresses(text: &str) -> Vec<Multiaddr> {
    text.split_whitespace().map(|addr| addr.parse().unwrap()).collect()
}

/// Not a test of its own: the body of a host process. Passes at once when it is run as a test.
#[tokio::test]
async fn a_host() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let mut words = role.splitn(4, ' ');
    let loopback_only = words.next() == Some("loopback");
    let tag = words.next().unwrap().to_owned();
    let me = peer(words.next().unwrap().parse().unwrap());
    let (sender, mut events) = mpsc::channel(64);
    let discovery = Discovery::start(Options { me, tag, loopback_only }, sender).unwrap();
    discovery.announce(addresses(words.next().unwrap())).await;
    println!("\nSEEN ready");
    let mut orders = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    loop {
        tokio::select! {
            Some(event) = events.recv() => print(&event),
            order = orders.next_line() => match order {
                Ok(Some(addrs)) => discovery.announce(addresses(&addrs)).await,
                _ => break,
            },
        }
    }
    discovery.shutdown().await;
    std::process::exit(0);
}
