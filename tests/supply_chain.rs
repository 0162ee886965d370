//! THREATS 47 and 59: what this program is built from. Plain `cargo test` checks it, so nothing needs to be installed for it.
#![allow(missing_docs, reason = "the names of the tests say it")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Licences that MIT OR Apache-2.0 can be combined with in a binary that is given away.
const LICENCES: [&str; 13] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "0BSD",
    "CC0-1.0",
    "Unlicense",
    "Unicode-3.0",
    "MPL-2.0",
    "CDLA-Permissive-2.0",
    "Apache-2.0 WITH LLVM-exception",
];

/// The first versions without the panics that a stranger could cause (CVE-2026-33040, CVE-2026-34219, GHSA-5hq8, GHSA-cqfx).
const AT_LEAST: [(&str, [u64; 3]); 3] = [("libp2p-gossipsub", [0, 49, 4]), ("libp2p-quic", [0, 13, 1]), ("libp2p-rendezvous", [0, 17, 1])];

fn locked_packages() -> Vec<toml::Table> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).expect("Cargo.lock is committed");
    let lock: toml::Table = text.parse().expect("Cargo.lock is TOML");
    let packages = lock["package"].as_array().expect("it lists packages");
    packages.iter().filter_map(|package| package.as_table().cloned()).collect()
}

fn cargo_metadata() -> Value {
    let rustc = Command::new("rustc").arg("-vV").output().expect("rustc runs");
    let about = String::from_utf8_lossy(&rustc.stdout).into_owned();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).expect("rustc names its host");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--locked", "--format-version", "1", "--filter-platform", host]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "Cargo.lock does not fit Cargo.toml: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo speaks JSON")
}

#[test]
fn every_dependency_comes_from_one_registry_with_its_checksum() {
    let mut registries = BTreeSet::new();
    for package in locked_packages().iter().filter(|package| package["name"].as_str() != Some("goop")) {
        let source = package.get("source").and_then(|source| source.as_str()).unwrap_or("a path");
        assert!(source.starts_with("registry+"), "{} comes from {source}", package["name"]);
        assert!(package.contains_key("checksum"), "{} has no checksum", package["name"]);
        registries.insert(source.to_owned());
    }
    assert_eq!(registries.len(), 1, "{registries:?}");
}

#[test]
fn known_remote_panics_are_not_locked_in() {
    for package in locked_packages() {
        let (name, version) = (package["name"].as_str().unwrap_or_default(), package["version"].as_str().unwrap_or_default());
        let Some((_, least)) = AT_LEAST.iter().find(|(affected, _)| *affected == name) else { continue };
        let parts: Vec<u64> = version.split(['.', '-', '+']).take(3).filter_map(|part| part.parse().ok()).collect();
        assert!(parts.as_slice() >= least.as_slice(), "{name} {version} is older than {least:?}");
    }
}

#[test]
fn every_licence_may_be_combined_with_ours() {
    let mut refused = BTreeMap::new();
    let metadata = cargo_metadata();
    for package in metadata["packages"].as_array().expect("it lists packages") {
        let licence = package["license"].as_str().unwrap_or("none named");
        if !is_allowed(licence) {
            refused.insert(package["name"].to_string(), licence.to_owned());
        }
    }
    assert!(refused.is_empty(), "look at these before adding them: {refused:?}");
}

/// Each side of every AND must be allowed by one side of its ORs; a slash is the old way to write OR.
fn is_allowed(expression: &str) -> bool {
    let plain = expression.replace(['(', ')'], "").replace('/', " OR ");
    plain.split(" AND ").all(|part| part.split(" OR ").any(|licence| LICENCES.contains(&licence.trim())))
}
