//! What is wrong with a configuration, and where: every fault that was found, not only the first.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything: the default of the program.
    Default,
    /// A TOML file of ours.
    File {
        /// Which file.
        path: PathBuf,
        /// The line of the key, from 1.
        line: usize,
    },
    /// A goop2 peer folder's `goop.json`.
    GoopJson {
        /// Which file.
        path: PathBuf,
        /// The line of the key, from 1.
        line: usize,
    },
    /// An environment variable.
    Env(String),
    /// `--set section.key=value`.
    Set,
    /// An option of its own, such as `--port`.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } | Origin::GoopJson { path, line } => write!(f, "{}:{line}", path.display()),
            Origin::Env(name) => f.write_str(name),
            Origin::Set => f.write_str("--set"),
            Origin::Flag(flag) => f.write_str(flag),
        }
    }
}

/// One fault: where it is, what is wrong, and often what was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where the value stands.
    pub origin: Origin,
    /// The key, or the text that should have been one; empty where the fault belongs to no key.
    pub key: String,
    /// What is wrong, and the way out.
    pub message: String,
}

impl Fault {
    /// A fault of `key`, found at `origin`.
    pub fn new(origin: Origin, key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { origin, key: key.into(), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.origin != Origin::Default {
            write!(f, "{}: ", harmless(&self.origin.to_string()))?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", harmless(&self.key))?;
        }
        f.write_str(&harmless(&self.message))
    }
}

/// Text of others without control characters and marks of writing direction, which could forge lines of a log (THREATS 20).
fn harmless(text: &str) -> String {
    let dangerous = |character: char| {
        character.is_control() || matches!(character, '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let escaped = |character: char| if dangerous(character) { character.escape_unicode().to_string() } else { character.to_string() };
    text.chars().map(escaped).collect()
}

/// Every fault of a configuration; nothing was changed or created.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct ConfigErrors(pub Vec<Fault>);

impl ConfigErrors {
    /// Whether options of their own (such as `--port`) alone are at fault: then the command line was used wrongly.
    pub fn is_usage(&self) -> bool {
        self.0.iter().all(|fault| matches!(fault.origin, Origin::Flag(_)))
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [fault] = self.0.as_slice() {
            return fault.fmt(f);
        }
        write!(f, "{} things are wrong with the configuration:", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}
