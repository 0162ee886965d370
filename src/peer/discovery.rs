//! Finds peers on the LAN and lets them find us, with nothing configured.
//!
//! Two sources run side by side: DNS-SD under `_<tag>._udp.local.` ([`mdns`], for everyone who runs this program) and, while the tag is
//! the default one, goop2's own `goop-mdns.local.` ([`goop2_mdns`]). [`table`] merges what they hear; [`interfaces`] tells both when an
//! address of this host appears or goes. Each runs in one task that [`Discovery`] owns; all end when it is shut down or dropped.
//!
//! Whatever is found is a hint that anyone on the LAN can forge: the connection's Noise handshake decides who somebody is, and a goodbye
//! is a reason to look, not a fact. The owner bounds how many strangers it keeps (`proto/neighbours.rs`).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use prometheus_client::registry::Registry;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, warn};

pub use self::counters::Counters;
use self::counters::Tally;
pub use self::interfaces::{Subnet, Subnets};
use self::merge::Merge;
use self::table::Report;
use crate::shutdown::Tasks;

mod counters;
mod goop2_mdns;
mod hint;
mod interfaces;
mod mdns;
mod merge;
mod table;

/// The tag with which goop2 peers are looked for, too.
pub const DEFAULT_TAG: &str = "goop-mdns";

/// Bytes of a tag (RFC 6763, 7.2).
const MAX_TAG: usize = 15;

/// Reports that wait for the table; when it is full the sources wait, and what they then miss is heard again.
const REPORTS: usize = 256;

/// libp2p reports its listen addresses one by one; this long after one of them the lot is announced.
const SETTLE: Duration = Duration::from_millis(50);

/// Goodbyes are sent and tasks ended within this, or left behind.
const SHUTDOWN_DEADLINE: Duration = Duration::from_millis(300);

/// How to look.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who we are.
    pub me: PeerId,
    /// Peers with another tag are not found. Up to 15 letters, digits and inner hyphens, with a letter among them; [`DEFAULT_TAG`] finds
    /// goop2 peers as well.
    pub tag: String,
    /// Say and hear nothing outside this host.
    pub loopback_only: bool,
}

/// What was found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A peer is there, or is there under other addresses than before.
    Found {
        /// Who, as it says; never ourselves.
        peer: PeerId,
        /// All that is known of it now (at most 64), most promising first, each ending in `/p2p/<peer>`. IPv6 link-local ones start with
        /// `/ip6zone/<interface>`.
        addrs: Vec<Multiaddr>,
    },
    /// A peer says that it is leaving, or its records lapsed. Forgeable: a reason to ask it, no more.
    Goodbye {
        /// Who.
        peer: PeerId,
    },
    /// The subnets this host is on: once at the start, before anything else, and whenever they change.
    Interfaces(Subnets),
}

/// Why discovery could not be started.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DiscoveryError {
    /// The tag is no DNS-SD service name.
    #[error("mDNS tag `{0}`: 1 to 15 letters, digits and inner hyphens with at least one letter are allowed")]
    Tag(String),
}

/// The running discovery; dropping it ends its tasks without goodbyes.
pub struct Discovery {
    me: PeerId,
    loopback_only: bool,
    listen: watch::Sender<Vec<Multiaddr>>,
    tally: Arc<Tally>,
    tasks: Tasks,
    stop: DropGuard,
}

impl Discovery {
    /// Starts looking, within a Tokio runtime. Without any usable interface it warns and waits for one. `events` is waited for when it is
    /// full; once its receiver is gone, discovery ends.
    pub fn start(options: Options, events: mpsc::Sender<Event>) -> Result<Self, DiscoveryError> {
        if !is_service_name(&options.tag) {
            return Err(DiscoveryError::Tag(options.tag));
        }
        let Options { me, tag, loopback_only } = options;
        let stop = CancellationToken::new();
        let tally = Arc::new(Tally::default());
        let (listen, listen_seen) = watch::channel(Vec::new());
        let (subnets, subnets_seen) = watch::channel(first_look());
        let (reports, inbox) = mpsc::channel(REPORTS);
        let merge = Merge { inbox, subnets: subnets_seen.clone(), events, tally: tally.clone(), stop: stop.clone() };
        let with_goop2 = tag == DEFAULT_TAG;
        let context = Context {
            me,
            tag,
            loopback_only,
            listen: listen_seen,
            subnets: subnets_seen,
            reports,
            tally: tally.clone(),
            stop: stop.clone(),
        };
        let mut tasks = Tasks::default();
        tasks.spawn("interfaces", interfaces::watch(subnets, stop.clone()));
        tasks.spawn("discovery", merge.run());
        tasks.spawn("mdns", mdns::run(context.clone()));
        if with_goop2 {
            tasks.spawn("goop2-mdns", goop2_mdns::run(context));
        }
        Ok(Self { me, loopback_only, listen, tally, tasks, stop: stop.drop_guard() })
    }

    /// Announces where we listen: every address as libp2p reports it, with or without `/p2p/<me>`. Those that no one on the LAN could
    /// use are left out, and of the rest the eight best are announced. To be called again with the whole list when it changes.
    pub async fn announce(&self, addrs: Vec<Multiaddr>) {
        let ours = hint::advertised(self.me, &addrs, self.loopback_only);
        self.listen.send_if_modified(|known| {
            let changed = *known != ours;
            *known = ours;
            changed
        });
    }

    /// What was dropped so far, and why.
    pub fn counters(&self) -> Counters {
        self.tally.read()
    }

    /// Makes the counters part of `room`.
    pub fn register(&self, room: &mut Registry) {
        self.tally.register(room);
    }

    /// Waits until one of the tasks ends, which none does by itself; answers its name. Whoever sees it stops (THREATS 57).
    pub async fn failed(&mut self) -> &'static str {
        self.tasks.any_end().await.name
    }

    /// Says goodbye and ends every task, within 300 ms.
    pub async fn shutdown(self) {
        let Self { tasks, stop, .. } = self;
        drop(stop);
        let cut_off = tasks.finish(SHUTDOWN_DEADLINE).await;
        if !cut_off.is_empty() {
            debug!(?cut_off, "discovery left some goodbyes unsaid");
        }
    }
}

impl fmt::Debug for Discovery {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Discovery").field("me", &self.me).finish_non_exhaustive()
    }
}

/// What every source is given.
#[derive(Clone)]
struct Context {
    me: PeerId,
    tag: String,
    loopback_only: bool,
    /// Our addresses, ready to be announced.
    listen: watch::Receiver<Vec<Multiaddr>>,
    subnets: watch::Receiver<Subnets>,
    reports: mpsc::Sender<Report>,
    tally: Arc<Tally>,
    stop: CancellationToken,
}

impl Context {
    /// Hands a report to the table, waiting for room unless we are stopping.
    async fn report(&self, report: Report) {
        tokio::select! {
            _ = self.reports.send(report) => {}
            () = self.stop.cancelled() => {}
        }
    }
}

fn first_look() -> Subnets {
    let subnets = Subnets::of_this_host().unwrap_or_default();
    if !subnets.iter().any(|subnet| !subnet.addr.is_loopback()) {
        warn!("no network interface is up; discovery waits for one");
    }
    subnets
}

/// RFC 6763, 7.2 and RFC 6335, 5.1, without the underscore.
fn is_service_name(tag: &str) -> bool {
    let inner = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let letter = tag.bytes().any(|byte| byte.is_ascii_alphabetic());
    inner && letter && tag.len() <= MAX_TAG && !tag.starts_with('-') && !tag.ends_with('-') && !tag.contains("--")
}

/// 40 random letters and digits: no two instances share a name, so nobody needs to probe for conflicts.
fn random_label() -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    (0..40).map(|_| char::from(LETTERS[rand::random_range(0..LETTERS.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_died_is_named_and_the_shutdown_still_ends_the_others() {
        let stop = CancellationToken::new();
        let (stopping, (listen, _)) = (stop.clone(), watch::channel(Vec::new()));
        let (ended, mut goodbye_said) = tokio::sync::oneshot::channel();
        let mut tasks = Tasks::default();
        tasks.spawn("broken", async { panic!("as the test wants") });
        tasks.spawn("living", async move {
            stopping.cancelled().await;
            let _ = ended.send(());
        });
        let (me, tally) = (PeerId::random(), Arc::default());
        let mut discovery = Discovery { me, loopback_only: true, listen, tally, tasks, stop: stop.drop_guard() };
        assert_eq!(discovery.failed().await, "broken");
        discovery.shutdown().await;
        assert_eq!(goodbye_said.try_recv(), Ok(()));
    }

    #[test]
    fn a_tag_is_a_service_name() {
        for good in [DEFAULT_TAG, "a", "x-1", "abcdefghijklmno"] {
            assert!(is_service_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a--b", "1234", "abcdefghijklmnop", "a.b", "_a", "ä", "a b"] {
            assert!(!is_service_name(bad), "{bad}");
        }
    }
}
