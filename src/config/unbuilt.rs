//! Roles that the configuration knows and this build does not have yet. Asking for one is an error rather than silence.
//!
//! Delete a row when its role is built, and this file with the last one.

use super::error::{Fault, Origin};
use super::load::Loaded;
use super::warning::Warning;

/// What is said of such a key or option.
const MESSAGE: &str = "this build does not have that role yet";

/// Every key or option that asks for a role this build does not have. What a goop2 peer does beside being a peer is only warned
/// about, and its key counts as not set, so that a goop2 peer folder still comes up as the same peer on its LAN.
pub(super) fn faults(loaded: &mut Loaded) -> Vec<Fault> {
    let mut faults = Vec::new();
    for key in asked_for(loaded) {
        let origin = loaded.origin(key).clone();
        if matches!(origin, Origin::GoopJson { .. }) && forget(loaded, key) {
            loaded.warnings.push(Warning::new(format!("{origin}: {key}: {MESSAGE}; only the peer on the LAN runs")));
        } else {
            faults.push(Fault::new(origin, key, MESSAGE));
        }
    }
    faults
}

fn asked_for(loaded: &Loaded) -> Vec<&'static str> {
    let (presence, config) = (&loaded.config.presence, &loaded.config);
    let by_option = |key: &str| matches!(loaded.origin(key), Origin::Flag(_));
    let rows = [
        ("presence.rendezvous_only", presence.rendezvous_only),
        ("presence.rendezvous_host", presence.rendezvous_host && !presence.rendezvous_only),
        ("presence.rendezvous_wan", !presence.rendezvous_wan.is_empty()),
        ("presence.rendezvous_bind", by_option("presence.rendezvous_bind")),
        ("presence.rendezvous_port", by_option("presence.rendezvous_port")),
        ("superhub.enabled", config.superhub.enabled),
        ("discovery.hubs", !config.discovery.hubs.is_empty()),
    ];
    rows.into_iter().filter(|(_, asked)| *asked).map(|(key, _)| key).collect()
}

/// Whether a peer can do without `key`; then it has its default again.
fn forget(loaded: &mut Loaded, key: &str) -> bool {
    match key {
        "presence.rendezvous_wan" => loaded.config.presence.rendezvous_wan.clear(),
        "presence.rendezvous_host" => loaded.config.presence.rendezvous_host = false,
        _ => return false,
    }
    loaded.forget_origin(key);
    true
}
