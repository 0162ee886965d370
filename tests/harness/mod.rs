//! What the tests that run the real binary share: hosts in network namespaces, a running goop, and foreign peers to meet.
//!
//! Everything is waited for with a deadline and an explanation ([`eventually`]); nothing sleeps and hopes. What a machine lacks
//! (root, `ip`, `curl`, the foreign peers) makes a test say so and pass on a laptop, and fail where `CI=true` ([`need`]).
#![allow(dead_code, unused_imports, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use goop::clock::Moment;

pub(crate) mod disk;
pub(crate) mod foreign;
pub(crate) mod goop_node;
pub(crate) mod lab;
mod lines;
pub(crate) mod mdns_packets;
pub(crate) mod meeting;
pub(crate) mod natlab;
mod place;

pub(crate) use foreign::Foreign;
pub(crate) use goop_node::Goop;
pub(crate) use lab::{Family, Host, Lab, Lan};
pub(crate) use place::Place;

/// Pause between two looks at a condition that nothing announces.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How long anything that should be quick may take on a loaded machine before a test gives up.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Look until `look` answers, and say how long that took; after `limit`, panic with what was awaited and seen last.
pub(crate) fn eventually<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Result<T, String>) -> (T, Duration) {
    let start = Moment::now();
    loop {
        match look() {
            Ok(seen) => return (seen, Moment::now().since(start)),
            Err(last) if Moment::now().since(start) > limit => panic!("not within {limit:?}: {what}; last seen: {last}"),
            Err(_) => std::thread::sleep(LOOK_AGAIN),
        }
    }
}

/// Look again and again for all of `time`, and panic as soon as `look` finds what must not be.
pub(crate) fn never(time: Duration, what: &str, mut look: impl FnMut() -> Result<(), String>) {
    let start = Moment::now();
    while Moment::now().since(start) < time {
        if let Err(seen) = look() {
            panic!("{what}: {seen}");
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}

/// Whether this machine can run hosts in network namespaces; if not, says why the test is skipped.
pub(crate) fn lab_is_possible() -> bool {
    need(rustix::process::geteuid().is_root(), "root, to make network namespaces") && has("ip", "-V") && has("curl", "--version")
}

/// Whether a program can be run; if not, says that the test is skipped for want of it.
pub(crate) fn has(program: &str, version_flag: &str) -> bool {
    let found = Command::new(program).arg(version_flag).stdout(Stdio::null()).stderr(Stdio::null()).status();
    need(found.is_ok_and(|status| status.success()), &format!("the program `{program}`"))
}

/// Whether `there`; if not, the test is skipped for want of `what`, which is a failure where `CI` is set.
pub(crate) fn need(there: bool, what: &str) -> bool {
    if !there {
        assert!(std::env::var_os("CI").is_none_or(|ci| ci.is_empty() || ci == "false"), "CI must have {what}");
        eprintln!("skipped: this test needs {what}");
    }
    there
}

/// A folder of this repository.
pub(crate) fn in_repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Write `count` files `f<n>.bin` of growing size into `folder`; bytes differ from file to file and from `flavour` to `flavour`.
pub(crate) fn write_files(folder: &Path, count: usize, flavour: u8) {
    std::fs::create_dir_all(folder).expect("make the folder");
    for n in 0..count {
        std::fs::write(folder.join(format!("f{n}.bin")), file_bytes(n, flavour)).expect("write a file");
    }
}

/// What [`write_files`] puts into file `n`.
pub(crate) fn file_bytes(n: usize, flavour: u8) -> Vec<u8> {
    (0..n * 97 + 1).map(|at| (at as u8).wrapping_mul(31).wrapping_add(n as u8) ^ flavour).collect()
}
