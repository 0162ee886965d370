//! What is not wrong, but dangerous or surprising: told at the start, never a reason to stop (THREATS 34, 55).

use std::fmt;

use super::error::Origin;
use super::files::is_exposed;
use super::load::Loaded;

/// A sentence for the log and for `goop config check`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning(String);

impl Warning {
    /// A warning that says `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a password begins of which only a hash is kept.
const HASHED: &str = "$argon2";

/// What a loaded configuration should be warned about.
pub(super) fn warnings(loaded: &Loaded) -> Vec<Warning> {
    let mut found = Vec::new();
    let presence = &loaded.config.presence;
    let public_role = presence.hosts_rendezvous() || loaded.config.superhub.enabled;
    if public_role && !presence.rendezvous_bind.is_loopback() && presence.admin_password.is_empty() {
        found.push(Warning::new(format!(
            "{}:{} is open to other machines and presence.admin_password is empty: the admin pages stay shut",
            presence.rendezvous_bind, presence.rendezvous_port
        )));
    }
    if let Origin::File { path, .. } | Origin::GoopJson { path, .. } = loaded.origin("presence.admin_password")
        && !presence.admin_password.is_empty()
        && !presence.admin_password.expose().starts_with(HASHED)
        && is_exposed(path)
    {
        let file = path.display();
        found.push(Warning::new(format!("{file} holds a password and can be read by others: chmod 600 {file}")));
    }
    if loaded.data.goop2 && loaded.data.root.join("goop.toml").exists() {
        found.push(Warning::new("goop.toml beside goop.json is not read: in a goop2 peer folder it belongs into .goop/"));
    }
    found
}
