//! The systemd units of `docs/`, as systemd itself reads them.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::harness::goop_node::BINARY;
use crate::harness::{has, in_repository};

const UNITS: [&str; 2] = ["goop-rendezvous.service", "goop-rendezvous.socket"];
/// What an older systemd (Debian 12 has 252) says of the one line that it does not know; the line before it holds there.
const UNKNOWN_BEFORE_253: &str = "Failed to parse service type, ignoring: notify-reload";
/// systemd's own measure, in tenths: 0 is shut in, 100 may do everything; what listens on the network cannot go much lower.
const MOST_EXPOSED: &str = "--threshold=20";

/// The units in a folder of their own, with the program at the place it has here.
fn units() -> TempDir {
    let folder = TempDir::new().unwrap();
    for unit in UNITS {
        let text = fs::read_to_string(in_repository("docs").join(unit)).unwrap();
        fs::write(folder.path().join(unit), text.replace("/usr/local/bin/goop", BINARY)).unwrap();
    }
    folder
}

fn analyze(command: &str, folder: &TempDir) -> Output {
    let mut analyze = Command::new("systemd-analyze");
    analyze.arg(command).args(["--no-pager", "--man=no"]);
    if command == "security" {
        analyze.args(["--offline=true", MOST_EXPOSED]);
    }
    let units = UNITS.iter().filter(|unit| command == "verify" || unit.ends_with(".service"));
    analyze.args(units.map(|unit| folder.path().join(unit))).output().unwrap()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units() {
    if !has("systemd-analyze", "--version") {
        return;
    }
    let verified = analyze("verify", &units());
    let said = String::from_utf8_lossy(&verified.stderr).into_owned();
    let complaints: Vec<_> = said.lines().filter(|line| !line.contains(UNKNOWN_BEFORE_253)).collect();
    assert!(verified.status.success() && complaints.is_empty(), "{said}");
}

#[test]
fn the_service_is_shut_in() {
    if !has("systemd-analyze", "--version") {
        return;
    }
    let judged = analyze("security", &units());
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stdout));
}
