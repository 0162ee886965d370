//! DNS-SD under `_<tag>._udp.local.`, by the `mdns-sd` crate.
//!
//! The instance is random, so it is announced without probing first and found within milliseconds.
//!
//! The crate runs a thread of its own, looks at the interfaces once a second, and keeps a cache without a bound. So this room asks it
//! every second how much it holds, and starts another daemon [`RESTART_PAUSE`] after one is overfull, hangs or has died, for ever: a flood
//! may cost us seconds, but never makes us deaf (THREATS 48, 57).

use std::time::Duration;

use mdns_sd::{IfKind, Metrics, Receiver, ResolvedService, ServiceDaemon, ServiceEvent, ServiceInfo};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep, timeout};
use tracing::warn;

use super::hint::Refused;
use super::table::{Report, Source};
use super::{Context, SETTLE, random_label};
use crate::clock::Moment;
use crate::proto::rate::{Rate, TokenBucket};

mod record;

/// The pause before a restart; with [`CHECK`] a flood makes us start again every three seconds.
const RESTART_PAUSE: Duration = Duration::from_secs(2);

/// Restarts are told of once a minute.
const COMPLAINTS: Rate = Rate { burst: 1, per_second: 1.0 / 60.0 };

/// How often the daemon is asked whether it is well, and how long it may think about it.
const CHECK: Duration = Duration::from_secs(1);
const CHECK_DEADLINE: Duration = Duration::from_secs(5);

/// Records in the daemon's cache beyond which it is replaced: some 2000 peers, where ordinary LANs have hundreds at most.
const MAX_CACHED: i64 = 16_384;

/// After the start and after a new interface: announce and ask again, because the daemon does so too seldom, looks at the interfaces
/// once a second only, and cannot send from an IPv6 address before that was checked for duplicates (about two seconds).
const KICKS: [Duration; 4] = [Duration::ZERO, Duration::from_millis(1100), Duration::from_millis(2200), Duration::from_millis(3500)];

/// The daemon's goodbye is waited for no longer than this.
const GOODBYE_DEADLINE: Duration = Duration::from_millis(250);

/// Runs until the context says stop; then says goodbye.
pub(super) async fn run(mut context: Context) {
    let mut complaints = TokenBucket::new(COMPLAINTS, Moment::now());
    let instance = random_label();
    loop {
        let why = match Session::start(&mut context, &instance) {
            Ok(mut session) => match session.run().await {
                End::Stopped => return,
                End::Broken(why) => why.to_owned(),
            },
            Err(why) => format!("it could not be started: {why}"),
        };
        context.tally.restarts.inc();
        if complaints.take(Moment::now()) {
            warn!(why, "the DNS-SD daemon is started again; further restarts are told of once a minute");
        }
        tokio::select! {
            () = context.stop.cancelled() => return,
            () = sleep(RESTART_PAUSE) => {}
        }
    }
}

enum End {
    Stopped,
    Broken(&'static str),
}

/// One life of the daemon.
struct Session<'a> {
    context: &'a mut Context,
    instance: &'a str,
    service_type: String,
    daemon: ServiceDaemon,
    found: Receiver<ServiceEvent>,
    kicks: Vec<Instant>,
    check: Interval,
}

enum Wake {
    Stop,
    Event(ServiceEvent),
    Overrun,
    Listening,
    Interfaces,
    Kick,
    Check,
}

impl<'a> Session<'a> {
    fn start(context: &'a mut Context, instance: &'a str) -> mdns_sd::Result<Self> {
        let service_type = format!("_{}._udp.local.", context.tag);
        let daemon = ServiceDaemon::new()?;
        daemon.set_ip_check_interval(1)?;
        if context.loopback_only {
            daemon.disable_interface(IfKind::All)?;
            daemon.enable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6])?;
        }
        let found = daemon.browse(&service_type)?;
        let mut check = interval(CHECK);
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self { context, instance, service_type, daemon, found, kicks: kicks(), check })
    }

    async fn run(&mut self) -> End {
        loop {
            let done = match self.wait().await {
                Wake::Stop => {
                    self.say_goodbye().await;
                    return End::Stopped;
                }
                Wake::Event(event) => {
                    self.hear(event).await;
                    Ok(())
                }
                Wake::Overrun => {
                    self.context.tally.flooded.inc();
                    self.browse()
                }
                Wake::Listening => {
                    sleep(SETTLE).await;
                    self.register()
                }
                Wake::Interfaces => {
                    self.kicks = kicks();
                    Ok(())
                }
                Wake::Kick => {
                    self.kicks.remove(0);
                    self.register().and_then(|()| self.browse())
                }
                Wake::Check => match self.check().await {
                    Some(why) => return End::Broken(why),
                    None => Ok(()),
                },
            };
            match done {
                Ok(()) | Err(mdns_sd::Error::Again) => {}
                Err(_) => return End::Broken("it has died"),
            }
        }
    }

    async fn wait(&mut self) -> Wake {
        let kick = self.kicks.first().copied();
        let kicked = async {
            match kick {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.context.stop.cancelled() => Wake::Stop,
            Ok(()) = self.context.listen.changed() => Wake::Listening,
            Ok(()) = self.context.subnets.changed() => Wake::Interfaces,
            () = kicked => Wake::Kick,
            _ = self.check.tick() => Wake::Check,
            event = self.found.recv_async() => event.map_or(Wake::Overrun, Wake::Event),
        }
    }

    /// Announces us, or again; takes the announcement back if we listen nowhere.
    fn register(&self) -> mdns_sd::Result<()> {
        let addrs = self.context.listen.borrow().clone();
        let Some(port) = addrs.iter().find_map(record::port) else {
            return self.daemon.unregister(&format!("{}.{}", self.instance, self.service_type)).map(drop);
        };
        let host = format!("{}.local.", self.instance);
        let mut info = ServiceInfo::new(&self.service_type, self.instance, &host, (), port, record::properties(self.context.me, &addrs))?
            .enable_addr_auto();
        info.set_requires_probe(false);
        self.daemon.register(info)
    }

    /// Asks for the others; what the daemon knows already is told again.
    fn browse(&mut self) -> mdns_sd::Result<()> {
        self.found = self.daemon.browse(&self.service_type)?;
        Ok(())
    }

    async fn hear(&mut self, event: ServiceEvent) {
        match event {
            ServiceEvent::ServiceResolved(service) => {
                self.context.tally.seen.inc();
                if let Some(report) = self.judge(&service) {
                    self.context.report(report).await;
                }
            }
            ServiceEvent::ServiceRemoved(_, instance) => self.context.report(Report::Gone { source: Source::Mdns, instance }).await,
            _ => {}
        }
    }

    fn judge(&self, service: &ResolvedService) -> Option<Report> {
        match record::read(service, self.context.me, &self.context.subnets.borrow()) {
            Ok((peer, addrs)) => Some(Report::Seen { source: Source::Mdns, instance: service.fullname.clone(), peer, addrs, ttl: None }),
            Err(Refused::Mine) => None,
            Err(_) => {
                self.context.tally.refused.inc();
                None
            }
        }
    }

    /// Why the daemon has to be replaced, if it has to; it is told to end when it comes to itself.
    async fn check(&self) -> Option<&'static str> {
        let Ok(answer) = self.daemon.get_metrics() else { return None };
        let why = match timeout(CHECK_DEADLINE, answer.recv_async()).await {
            Err(_) => "it does not answer",
            Ok(Err(_)) => "it has died",
            Ok(Ok(metrics)) if is_overfull(&metrics) => "its cache is flooded",
            Ok(Ok(_)) => return None,
        };
        let _ = self.daemon.shutdown();
        Some(why)
    }

    async fn say_goodbye(&self) {
        if let Ok(done) = self.daemon.shutdown() {
            let _ = timeout(GOODBYE_DEADLINE, done.recv_async()).await;
        }
    }
}

fn is_overfull(metrics: &Metrics) -> bool {
    metrics.iter().filter(|(name, _)| name.starts_with("cached-")).map(|(_, held)| *held).sum::<i64>() > MAX_CACHED
}

fn kicks() -> Vec<Instant> {
    KICKS.iter().map(|after| Instant::now() + *after).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Arc;

    use libp2p::identity::Keypair;
    use tokio::sync::{mpsc, watch};
    use tokio_util::sync::CancellationToken;

    use super::super::counters::Tally;
    use super::super::interfaces::Subnets;
    use super::*;

    fn context() -> (Context, mpsc::Receiver<Report>) {
        let (reports, inbox) = mpsc::channel(16);
        let me = Keypair::generate_ed25519().public().to_peer_id();
        let listen = watch::channel(vec![format!("/ip4/127.0.0.1/tcp/9/p2p/{me}").parse().unwrap()]).1;
        let tag = format!("t{}", &random_label()[..12]);
        let subnets = watch::channel(Subnets::of_this_host().unwrap()).1;
        let (tally, stop) = (Arc::new(Tally::default()), CancellationToken::new());
        (Context { me, tag, loopback_only: true, listen, subnets, reports, tally, stop }, inbox)
    }

    #[tokio::test]
    async fn a_dead_daemon_is_noticed() {
        let (mut context, _inbox) = context();
        // The senders of both watches are gone in this test; only the daemon's end can wake the session.
        let mut session = Session::start(&mut context, "instance").unwrap();
        session.daemon.shutdown().unwrap();
        let end = timeout(Duration::from_secs(10), session.run()).await.unwrap();
        assert!(matches!(end, End::Broken(_)));
    }

    #[test]
    fn attack_a_flooded_cache_is_noticed() {
        let metrics =
            |held| HashMap::from([("cached-ptr".to_owned(), held), ("cached-txt".to_owned(), held), ("timer".to_owned(), i64::MAX / 4)]);
        assert!(!is_overfull(&metrics(MAX_CACHED / 2)));
        assert!(is_overfull(&metrics(MAX_CACHED / 2 + 1)));
    }
}
