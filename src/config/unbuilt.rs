//! Roles that the configuration knows and this build does not have yet. Asking for one is an error rather than silence.
//!
//! Delete a row when its role is built, and this file with the last one.

use super::error::Fault;
use super::load::Loaded;

/// What is said of such a key or option.
const MESSAGE: &str = "this build does not have that role yet";

/// Every key or option that asks for a role this build does not have.
pub(super) fn faults(loaded: &Loaded) -> Vec<Fault> {
    asked_for(loaded).into_iter().map(|key| Fault::new(loaded.origin(key).clone(), key, MESSAGE)).collect()
}

fn asked_for(loaded: &Loaded) -> Vec<&'static str> {
    let config = &loaded.config;
    let rows = [("http.metrics_addr", config.http.metrics_addr.is_some())];
    rows.into_iter().filter(|(_, asked)| *asked).map(|(key, _)| key).collect()
}
