//! What the documents tell people to type and set exists.

use std::fs;

use clap::error::ErrorKind;
use goop::cli::Cli;
use goop::config::Config;

use crate::harness::in_repository;
use crate::talk::{get, host, server};

const DOCUMENTS: [&str; 5] =
    ["README.md", "docs/OPERATIONS.md", "docs/Caddyfile.example", "docs/goop-rendezvous.service", "docs/goop-rendezvous.socket"];

fn read(document: &str) -> String {
    fs::read_to_string(in_repository(document)).unwrap()
}

/// Pieces of code: between backticks, or a line that is indented.
fn code(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned);
    let inline = text.lines().filter(|line| !line.starts_with("    ")).flat_map(|line| line.split('`').skip(1).step_by(2));
    lines.chain(inline.map(str::to_owned)).collect()
}

/// As a shell splits them, as far as the documents go: what stands in single quotes is one word.
fn words(typed: &str) -> Vec<String> {
    let quoted = |(at, part): (usize, &str)| match at % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect(),
        _ => vec![part.to_owned()],
    };
    typed.split('\'').enumerate().flat_map(quoted).collect()
}

#[test]
fn every_command_in_the_documents_is_one() {
    let mut commands = 0;
    for document in DOCUMENTS {
        for piece in code(&read(document)) {
            let typed = piece.split(" #").next().unwrap_or_default().trim().trim_start_matches("sudo ");
            let words = words(typed);
            if words.first().is_none_or(|word| word != "goop")
                || words.iter().any(|word| ["…", "DIR", "URL"].iter().any(|hole| word.contains(hole)))
            {
                continue;
            }
            if let Err(answer) = Cli::read(&words) {
                // `goop get` is a command's name, and `goop help` is answered like an error.
                let named = words.len() == 2 && answer.kind() == ErrorKind::MissingRequiredArgument;
                assert!(named || !answer.use_stderr(), "{document}: {typed}: {answer}");
            }
            commands += 1;
        }
    }
    assert!(commands > 12, "{commands}: the documents are not read");
}

#[test]
fn every_key_in_the_documents_is_one() {
    let keys: Vec<String> = Config::keys().iter().map(|key| key.path()).collect();
    let sections: Vec<&str> = keys.iter().filter_map(|key| Some(key.split_once('.')?.0)).collect();
    let mut named = 0;
    for document in DOCUMENTS {
        let text = read(document);
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_' || c == '/' || c == ':'));
        for word in words.map(|word| word.trim_matches(['.', ':'])) {
            let Some((section, key)) = word.split_once('.') else { continue };
            if sections.contains(&section) && !key.contains(['.', '/', ':']) && word != "identity.key" {
                assert!(keys.iter().any(|known| known == word), "{document}: there is no key {word}");
                named += 1;
            }
        }
    }
    assert!(named > 8, "{named}: the documents are not read");
}

#[test]
fn every_counter_in_the_documents_is_counted() {
    let goop = server().start();
    let metrics = get(&host(&goop), "/metrics").unwrap();
    let text = read("docs/OPERATIONS.md");
    let named: Vec<_> = text.split('`').filter(|piece| piece.starts_with("goop_")).collect();
    assert!(named.len() >= 4, "{named:?}");
    for name in named {
        assert!(metrics.lines().any(|line| line.starts_with(name)), "{name} is not in\n{metrics}");
    }
    goop.stop();
}
