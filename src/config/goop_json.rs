//! goop2's `goop.json`, as entries that know their lines.
//!
//! Read as goop2 reads it: UTF-8 with an optional byte order mark, keys in any letter case, the last of two equal keys wins,
//! `null` says nothing. Keys of goop2 that mean nothing here are passed over; unknown ones are faults, as in our own file.
//! Some keys are read by what goop2 does with them, not by what they say, and a warning tells so:
//!
//! - `p2p.mdns_tag` and `presence.topic`: every goop2 peer uses the defaults. So do we, or a peer that moved here would no longer
//!   be found by the others. `.goop/goop.toml` can still change them.
//! - `viewer.http_addr`: only this machine may reach our viewer, so the port alone counts. Empty is what goop2 writes where nobody
//!   chose an address (its desktop then takes a free port), so our default stands; `"off"` in `.goop/goop.toml` turns the viewer off.
//! - `presence.rendezvous_bind`: empty means the default.

use std::net::SocketAddr;
use std::path::Path;

use toml_edit::Value;

use super::error::{Fault, Origin};
use super::json_members::members;
use super::layers::Entry;
use super::net::is_localhost;
use super::section::KeyDoc;
use super::setting::{Raw, toml_of_json};
use super::toml_file::line_at;
use super::warning::Warning;

/// Names of goop2's keys, both generations, that mean nothing here.
const PASSED_OVER: &str = "\
    site_source site_stage \
    bridge_mode nacl_public_key nacl_private_key \
    templates_dir external_url relay_port relay_ws_port relay_key_file relay_cleanup_delay_sec relay_poll_deadline_sec \
    relay_connect_timeout_sec relay_refresh_interval_sec relay_recovery_grace_sec use_services \
    credits_url registration_url email_url templates_url bridge_url encryption_url \
    credits_admin_token registration_admin_token templates_admin_token bridge_admin_token encryption_admin_token \
    verification_token bridge_token \
    debug theme preferred_cam preferred_mic video_disabled hide_unverified active_template open_sites_external splash \
    peer_offline_grace_min cluster_binary_path cluster_binary_mode";
/// A section of goop2 that means nothing here.
const PASSED_OVER_SECTION: &str = "lua";

/// The entries of the `goop.json` at `path`, in the order of the file.
pub(super) fn entries(path: &Path, text: &str, keys: &[KeyDoc], faults: &mut Vec<Fault>, warnings: &mut Vec<Warning>) -> Vec<Entry> {
    let document = text.strip_prefix('\u{feff}').unwrap_or(text);
    let origin = |at: usize| Origin::GoopJson { path: path.to_owned(), line: line_at(document, at) };
    if let Err(fault) = check_syntax(path, document) {
        faults.push(fault);
        return Vec::new();
    }
    let mut entries = Vec::new();
    for section in members(document, 0) {
        let name = section.key.to_ascii_lowercase();
        let is_object = document[section.value.clone()].starts_with('{');
        if name == PASSED_OVER_SECTION || &document[section.value.clone()] == "null" {
            continue;
        }
        if !is_object || !keys.iter().any(|known| known.section == name) {
            entries.push(Entry { key: section.key, raw: Raw::Typed(Value::from(is_object)), origin: origin(section.at) });
            continue;
        }
        for member in members(document, section.value.start) {
            let key = format!("{name}.{}", member.key.to_ascii_lowercase());
            let origin = origin(member.at);
            if let Some(value) = value_of(&key, &document[member.value], &origin, warnings) {
                entries.push(Entry { key, raw: Raw::Typed(value), origin });
            }
        }
    }
    entries
}

fn check_syntax(path: &Path, document: &str) -> Result<(), Fault> {
    let fault = |line: usize, message: String| Fault::new(Origin::GoopJson { path: path.to_owned(), line: line.max(1) }, "", message);
    match serde_json::from_str::<serde_json::Value>(document) {
        Ok(serde_json::Value::Object(_)) => Ok(()),
        Ok(_) => Err(fault(1, "this must be a JSON object: { … }".to_owned())),
        Err(error) => Err(fault(error.line(), format!("this is not JSON: {error}"))),
    }
}

/// What the JSON `value` of `key` means here; `None` if nothing.
fn value_of(key: &str, value: &str, origin: &Origin, warnings: &mut Vec<Warning>) -> Option<Value> {
    let name = key.split_once('.').map_or(key, |(_, name)| name);
    if PASSED_OVER.split_whitespace().any(|passed| passed == name) {
        return None;
    }
    let value = toml_of_json(serde_json::from_str(value).ok()?)?;
    let mut warn = |text: String| warnings.push(Warning::new(format!("{origin}: {key}: {text}")));
    match (key, value.as_str().map(str::trim)) {
        ("viewer.http_addr" | "presence.rendezvous_bind", Some("")) => None,
        ("viewer.http_addr", Some(addr)) => Some(Value::from(on_loopback(addr, warn))),
        ("p2p.mdns_tag", Some("goop-mdns")) | ("presence.topic", Some("goop.presence.v1")) => None,
        ("p2p.mdns_tag" | "presence.topic", _) => {
            warn("not used: goop2 peers always use the default, and so does this one; .goop/goop.toml can change it".to_owned());
            None
        }
        _ => Some(value),
    }
}

/// goop2 itself takes an empty host and 0.0.0.0 as 127.0.0.1; it opens its viewer to others for any other address, and we do not.
fn on_loopback(addr: &str, warn: impl FnOnce(String)) -> String {
    let Some((host, port)) = addr.rsplit_once(':') else { return addr.to_owned() };
    let is_loopback = host == "localhost" || addr.parse::<SocketAddr>().is_ok_and(|addr| is_localhost(addr.ip()));
    if is_loopback {
        return addr.to_owned();
    }
    if !matches!(host, "" | "0.0.0.0") {
        warn(format!("only this machine may reach the viewer, so it is at 127.0.0.1:{port}"));
    }
    format!("127.0.0.1:{port}")
}
