//! What the service manager is told. The test stands in for it, with a datagram socket of its own.

use std::io::Read;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use goop::clock::Moment;
use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};
use tempfile::TempDir;

use crate::harness::goop_node::Plan;
use crate::harness::{Place, SOON};
use crate::talk::{ask, get, host, line_with, post, server};

/// How long nothing comes from a process that is not allowed to run.
const QUIET: Duration = Duration::from_secs(3);

struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        Self { socket: UnixDatagram::bind(folder.path().join("notify")).unwrap(), folder }
    }

    fn of(&self, plan: Plan) -> Plan {
        plan.env("NOTIFY_SOCKET", self.folder.path().join("notify").to_string_lossy())
    }

    /// The next notification, as its lines; `None` where none comes in time.
    fn hears_within(&self, limit: Duration) -> Option<Vec<String>> {
        let mut bytes = [0; 4096];
        self.socket.set_read_timeout(Some(limit)).unwrap();
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(std::str::from_utf8(&bytes[..length]).unwrap().lines().map(str::to_owned).collect())
    }

    /// The next notification, which must say `word`.
    fn hears(&self, word: &str) -> Vec<String> {
        let said = self.hears_within(SOON).unwrap_or_else(|| panic!("no {word}"));
        assert!(said.iter().any(|line| line == word), "{word}: {said:?}");
        said
    }
}

fn monotonic_micros() -> i128 {
    let now = clock_gettime(ClockId::Monotonic);
    i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1000
}

#[test]
fn ready_is_told_once_everything_answers() {
    let manager = Manager::new();
    let goop = manager.of(server()).start();
    let said = manager.hears("READY=1");
    assert!(get(&host(&goop), "/readyz").unwrap().starts_with("HTTP/1.1 200"));
    assert!(said.iter().any(|line| line.starts_with("STATUS=") && line.contains("rendezvous server")), "{said:?}");
    let second = manager.of(server().data(goop.data())).try_start();
    assert!(second.is_err(), "the data folder is in use");
    assert_eq!(manager.hears_within(Duration::from_millis(200)), None, "a start that fails is never ready");
}

#[test]
fn stopping_is_told_before_anything_is_stopped() {
    let manager = Manager::new();
    let goop = manager.of(server()).start();
    manager.hears("READY=1");
    let mut stream = ask(&host(&goop), "GET /events", "").unwrap();
    line_with(&mut stream, ": ok");
    goop.signal(Signal::TERM);
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    let said = manager.hears_within(Duration::from_millis(1)).expect("it was told before the stream ended");
    assert!(said.contains(&"STOPPING=1".to_owned()), "{said:?}");
}

#[test]
fn a_reload_is_told_with_its_moment_and_its_end_good_or_bad() {
    let manager = Manager::new();
    let goop = manager.of(server()).start();
    manager.hears("READY=1");
    for (file, word) in
        [("", "STATUS=The configuration was read again"), ("presence = 1\n", "STATUS=The configuration was not read again:")]
    {
        std::fs::write(goop.data().join("goop.toml"), file).unwrap();
        let before = monotonic_micros();
        goop.signal(Signal::HUP);
        let said = manager.hears("RELOADING=1");
        let moment: i128 = said.iter().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap().parse().unwrap();
        assert!((before..=monotonic_micros()).contains(&moment), "{said:?}");
        let said = manager.hears("READY=1");
        assert!(said.len() == 2 && said[1].starts_with(word), "{said:?}");
    }
    goop.stop();
}

#[test]
fn a_reload_changes_who_may_operate_and_the_ttl_waits_for_the_next_start() {
    let goop = server().start();
    let opens = |password: &str| post(&host(&goop), "/api/v1/admin/standby", "", Some(password)).split(' ').nth(1).unwrap().to_owned();
    assert_eq!(opens("new"), "403", "no password is set");
    std::fs::write(goop.data().join("goop.toml"), "presence.admin_password = 'new'\npresence.ttl_seconds = 30\n").unwrap();
    goop.signal(Signal::HUP);
    assert!(goop.logged("needs a restart: presence.ttl_seconds"));
    assert_eq!((opens("new").as_str(), opens("old").as_str()), ("204", "401"));
    goop.stop();
}

#[test]
fn the_watchdog_is_fed_twice_in_its_time_and_not_by_a_process_that_hangs() {
    let manager = Manager::new();
    let allowed = Duration::from_secs(2);
    let watched = Plan::new(&Place::Here).arg("--rendezvous-host").arg("--port").arg("0");
    let goop = manager.of(watched).env("WATCHDOG_USEC", allowed.as_micros().to_string()).start();
    manager.hears("READY=1");
    manager.hears("WATCHDOG=1");
    let beats: Vec<Duration> = (0..3)
        .map(|_| {
            let last = Moment::now();
            manager.hears("WATCHDOG=1");
            Moment::now().since(last)
        })
        .collect();
    assert!(beats.iter().min().is_some_and(|beat| *beat < allowed), "{beats:?}");
    assert!(beats.iter().sum::<Duration>() > allowed, "three halves of the time have passed: {beats:?}");
    goop.signal(Signal::STOP);
    while manager.hears_within(Duration::from_millis(100)).is_some() {}
    assert_eq!(manager.hears_within(QUIET), None);
    goop.signal(Signal::CONT);
    manager.hears("WATCHDOG=1");
    goop.stop();
}
