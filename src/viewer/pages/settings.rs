//! `/settings`: what a person would change, a field for each key; the others are named with their values. What is saved goes to the
//! configuration file by the API; saving needs JavaScript.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use serde_json::Value;

use super::Frame;
use crate::config::{Kind, Origin};
use crate::http::Problem;
use crate::http::page::{self, Face};
use crate::viewer::App;
use crate::viewer::api::settings::{Setting, Settings, settings};

/// What stands together, and what its keys are called.
const GROUPS: [(&str, &[(&str, &str)]); 4] = [
    ("You", &[("profile.label", "Name"), ("profile.email", "Email"), ("profile.share_email", "Tell everybody my email address")]),
    (
        "Where you meet others",
        &[
            ("discovery.mdns", "Find peers on the same network, and be found by them"),
            ("presence.rendezvous_wan", "Your communities: their addresses, one on each line"),
            ("discovery.hubs", "Directories of communities (super hubs) that are searched, one on each line"),
        ],
    ),
    (
        "What you share",
        &[
            ("paths.site_root", "Folder of your site"),
            ("paths.downloads", "Folder for files that you accept"),
            ("p2p.relay_data", "Use a server in between (a relay) where two computers do not reach each other directly"),
        ],
    ),
    (
        "This program",
        &[
            ("viewer.theme", "Colours"),
            ("viewer.http_addr", "Address of these pages on this computer"),
            ("p2p.listen_port", "Port at which others reach you"),
            ("p2p.mdns_tag", "Name of your group on the network"),
            ("p2p.upnp", "Ask the router to let others in from the internet"),
        ],
    ),
];

#[derive(Template)]
#[template(path = "settings.html")]
struct Page<'a> {
    root: &'static str,
    frame: Frame<'a>,
    settings: Option<Settings>,
    /// Why there are none to show.
    fault: String,
    groups: Vec<(&'static str, Vec<Field>)>,
    others: Vec<Setting>,
    face: Face,
    avatar: Option<String>,
}

/// One key as a form has it.
struct Field {
    id: String,
    key: &'static str,
    label: &'static str,
    hint: String,
    kind: Kind,
    /// The value, of a list line by line.
    value: String,
    /// Where the value comes from, if not from the file that is saved to.
    origin: String,
    locked: String,
}

/// `GET /settings`.
pub(super) async fn show(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let me = app.peer.me().await?;
    let (settings, fault) = match settings(&app).await {
        Ok(settings) => (Some(settings), String::new()),
        Err(fault) => (None, fault.detail().to_owned()),
    };
    let page = Page {
        root: "",
        frame: Frame::of(&app, "/settings").await?,
        groups: settings.as_ref().map(groups).unwrap_or_default(),
        others: settings.as_ref().map(others).unwrap_or_default(),
        settings,
        fault,
        face: Face::of(&me.peer_id.to_string()),
        avatar: me.avatar_hash,
    };
    page::answer(&page)
}

fn groups(all: &Settings) -> Vec<(&'static str, Vec<Field>)> {
    let fields = |keys: &[(&'static str, &'static str)]| keys.iter().filter_map(|(key, label)| field(key, label, all)).collect();
    GROUPS.iter().map(|(title, keys)| (*title, fields(keys))).collect()
}

/// Keys without a field that somebody has set.
fn others(all: &Settings) -> Vec<Setting> {
    let has_field = |key: &str| GROUPS.iter().any(|(_, keys)| keys.iter().any(|(known, _)| *known == key));
    all.settings.iter().filter(|one| one.origin != Origin::Default && !has_field(&one.key)).cloned().collect()
}

fn field(key: &'static str, label: &'static str, all: &Settings) -> Option<Field> {
    let setting = all.get(key)?;
    let value = match &setting.value {
        Value::String(text) => text.clone(),
        Value::Array(entries) => entries.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    };
    Some(Field {
        id: key.replace(['.', '_'], "-"),
        key,
        label,
        hint: setting.doc.clone(),
        kind: setting.kind,
        value,
        origin: match &setting.origin {
            Origin::Default => String::new(),
            Origin::File { path, .. } if path.display().to_string() == all.file => String::new(),
            other => other.to_string(),
        },
        locked: setting.locked.clone().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::config::section::KeyDoc;

    #[test]
    fn every_field_is_a_key_and_every_key_has_one_field_at_most() {
        let keys: Vec<String> = Config::keys().iter().map(|key| key.path()).collect();
        let mut fields: Vec<&str> = GROUPS.iter().flat_map(|(_, keys)| keys.iter().map(|(key, _)| *key)).collect();
        assert!(fields.iter().all(|field| keys.iter().any(|key| key == field)), "{fields:?}");
        fields.sort_unstable();
        assert!(fields.windows(2).all(|two| two[0] != two[1]));
    }

    #[test]
    fn labels_and_hints_use_no_word_of_the_trade_unexplained() {
        let trade = ["LAN", "Rendezvous", "mDNS", "libp2p", "GossipSub", "tag", "multiaddr"];
        let has_one = |label: &&str| label.split(|letter: char| !letter.is_alphanumeric()).any(|word| trade.contains(&word));
        let fields = || GROUPS.iter().flat_map(|(_, keys)| keys.iter());
        assert_eq!(fields().map(|(_, label)| *label).find(has_one), None);
        let hints: Vec<KeyDoc> = Config::keys().into_iter().filter(|doc| fields().any(|(key, _)| *key == doc.path())).collect();
        assert_eq!(hints.iter().flat_map(|doc| doc.doc).find(|line| line.contains("LAN")), None);
    }
}
