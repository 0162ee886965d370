//! Memory of many transfers at a time; a process of its own, so that no other test's memory is counted.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::fs::File;

use goop::peer::site_root::{AHEAD_CHUNK, CHUNK, READERS_AHEAD, SiteRoot};
use goop::peer::streams::site;
use tokio::io::duplex;

/// THREATS 42: what 1000 stalled transfers of a large file hold is one piece each, and two larger ones for the readers ahead.
#[tokio::test]
async fn a_thousand_stalled_transfers_stay_small() {
    const EACH: usize = 2 * CHUNK;
    let folder = tempfile::tempdir().unwrap();
    let site = SiteRoot::new(folder.path().to_owned());
    File::create(site.path().join("file.bin")).unwrap().set_len(64 << 20).unwrap();
    let before = resident();
    let mut transfers = Vec::new();
    for _ in 0..1000 {
        let (asking, answering) = duplex(1024);
        let serving_site = site.clone();
        let serving = tokio::spawn(async move { site::serve(answering, &serving_site).await });
        transfers.push((site::fetch(asking, "/file.bin").await.unwrap(), serving));
    }
    let ahead = READERS_AHEAD * 2 * AHEAD_CHUNK;
    let grown = resident().saturating_sub(before);
    println!("1000 stalled transfers hold {} KiB", grown / 1024);
    assert!(grown < 1000 * EACH + ahead, "{grown} bytes");
}

fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
