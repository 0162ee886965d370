//! `settings`: every key of the configuration, where its value comes from, and how it is changed: in the configuration file, with its comments
//! kept, and only as a whole that `goop run` would take.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;
use toml_edit::Value as Toml;

use super::wishes::Wishes;
use crate::config::base_url::BaseUrl;
use crate::config::discovery::HUBS;
use crate::config::presence::RENDEZVOUS_WAN;
use crate::config::reload::{Applied, Reloaded};
use crate::config::section::KeyDoc;
use crate::config::{Config, ConfigErrors, Draft, EditError, Kind, Loaded, Origin, file_tag, toml_of_json, writable};
use crate::http::auth::password;
use crate::http::{self, Problem, origin};
use crate::viewer::App;

/// Largest body, in bytes.
const MAX_BODY: u64 = 128 * 1024;

/// All settings.
#[derive(Debug, Serialize)]
pub(in crate::viewer) struct Settings {
    /// The file that they are saved to.
    pub(in crate::viewer) file: String,
    /// Why it cannot be written, if so.
    pub(in crate::viewer) read_only: Option<String>,
    /// Whether a `goop.json` of goop2 lies beside it, which is never changed.
    pub(in crate::viewer) goop2: bool,
    /// Each key.
    pub(in crate::viewer) settings: Vec<Setting>,
    /// Names the content of the file.
    #[serde(skip)]
    pub(in crate::viewer) tag: String,
}

/// One key.
#[derive(Debug, Clone, Serialize)]
pub(in crate::viewer) struct Setting {
    pub(in crate::viewer) key: String,
    /// As people may see it.
    pub(in crate::viewer) value: Value,
    pub(in crate::viewer) default: Value,
    pub(in crate::viewer) doc: String,
    #[serde(skip)]
    pub(in crate::viewer) kind: Kind,
    /// Where the value comes from.
    #[serde(serialize_with = "in_words")]
    pub(in crate::viewer) origin: Origin,
    /// What stands above the file, so that a change would change nothing.
    pub(in crate::viewer) locked: Option<String>,
    pub(in crate::viewer) secret: bool,
}

impl Settings {
    /// What `loaded` says, and how the file is.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(in crate::viewer) fn of(loaded: &Loaded) -> Result<Self, EditError> {
        Ok(Self {
            file: loaded.config_file.display().to_string(),
            read_only: writable(&loaded.config_file).err().map(|why: io::Error| why.to_string()),
            goop2: loaded.data.goop2,
            settings: Config::keys().iter().map(|key| setting(loaded, key)).collect(),
            tag: file_tag(&loaded.config_file)?,
        })
    }

    /// One of them; every key has one.
    pub(in crate::viewer) fn get(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }
}

fn setting(loaded: &Loaded, key: &KeyDoc) -> Setting {
    let path = key.path();
    Setting {
        value: loaded.config.show(key).map_or(Value::Null, |value| json_of(&value)),
        default: if key.secret { Value::Null } else { json_of(&key.default) },
        doc: key.doc.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" "),
        kind: key.kind,
        origin: loaded.origin(&path).clone(),
        locked: loaded.locked_by(&path).map(ToString::to_string),
        secret: key.secret,
        key: path,
    }
}

fn in_words<S: Serializer>(origin: &Origin, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(origin)
}

fn json_of(value: &Toml) -> Value {
    match value {
        Toml::String(text) => json!(text.value()),
        Toml::Integer(number) => json!(number.value()),
        Toml::Float(number) => json!(number.value()),
        Toml::Boolean(truth) => json!(truth.value()),
        Toml::Array(entries) => entries.iter().map(json_of).collect(),
        Toml::Datetime(_) | Toml::InlineTable(_) => Value::Null,
    }
}

/// `GET settings`: all of them; the `ETag` is that of the file.
pub(super) async fn read(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    answer(&settings(&app).await?, json!({}))
}

/// The settings as the files say them now.
pub(in crate::viewer) async fn settings(app: &App) -> Result<Settings, Problem> {
    let loaded = app.configuration.read().await?;
    Ok(spawn_blocking(move || Settings::of(&loaded)).await.map_err(|_| Problem::internal())??)
}

fn answer(settings: &Settings, more: Value) -> Result<Response, Problem> {
    let mut said = serde_json::to_value(settings).map_err(|_| Problem::internal())?;
    if let (Some(said), Value::Object(more)) = (said.as_object_mut(), more) {
        said.extend(more);
    }
    Ok(([(header::ETAG, format!("\"{}\"", settings.tag))], Json(said)).into_response())
}

/// `PATCH settings` `{"section.key": value, …}`; null takes a key out of the file. With `If-Match` only where the file is still that one. All
/// or nothing: 422 says of each key what is wrong with it.
pub(super) async fn change(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    http::body::Json(Wishes(wishes)): http::body::Json<Wishes, MAX_BODY>,
) -> Result<Response, Problem> {
    let expected = match headers.contains_key(header::IF_MATCH) {
        true => Some(tag(&headers).ok_or_else(|| Problem::bad_request("If-Match takes one strong ETag in quotes"))?),
        false => None,
    };
    let _one_at_a_time = app.configuration.change().await;
    let loaded = app.configuration.read().await?;
    spawn_blocking(move || save(&loaded, &wishes, expected.as_deref())).await.map_err(|_| Problem::internal())??;
    let applied = app.configuration.apply().await;
    answer(&settings(&app).await?, became(applied))
}

/// What became of a change, for programs: which keys count now, which wait, whether the node was told, and why it refused.
fn became(applied: Applied) -> Value {
    let (told, reloaded, refused) = match applied {
        Applied::Now(reloaded) => (true, reloaded, None),
        Applied::Refused(why) => (true, Reloaded::default(), Some(why)),
        Applied::NotTold => (false, Reloaded::default(), None),
    };
    json!({ "told": told, "applied": reloaded.applied, "needs_restart": reloaded.needs_restart, "refused": refused })
}

fn tag(headers: &HeaderMap) -> Option<String> {
    let tag = origin::only(headers, &header::IF_MATCH)?.strip_prefix('"')?.strip_suffix('"')?;
    (!tag.contains('"')).then(|| tag.to_owned())
}

/// Writes the file, if what it would hold then has no fault.
fn save(loaded: &Loaded, wishes: &Map<String, Value>, expected: Option<&str>) -> Result<(), Problem> {
    let mut draft = Draft::open(&loaded.config_file)?;
    let loaded = &loaded.as_if(&draft.text()).map_err(|faults| Problem::new(StatusCode::CONFLICT, "bad-config", faults.to_string()))?;
    if expected.is_some_and(|expected| expected != draft.tag()) {
        return Err(EditError::Changed(loaded.config_file.clone()).into());
    }
    let mut wrong = BTreeMap::new();
    for (key, value) in wishes {
        match set(&mut draft, loaded, key, value) {
            Ok(()) => {}
            Err(EditError::Refused { why, .. }) => drop(wrong.insert(key.clone(), why)),
            Err(unknown @ EditError::UnknownKey { .. }) => drop(wrong.insert(key.clone(), unknown.to_string())),
            Err(other) => return Err(other.into()),
        }
    }
    if wrong.is_empty() {
        wrong = whole(loaded, &draft.text(), wishes).err().map(|faults| by_key(faults, wishes)).unwrap_or_default();
    }
    if !wrong.is_empty() {
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-settings", words(&wrong)).errors(wrong));
    }
    Ok(draft.save().map(drop)?)
}

/// Whether `goop run` would take what the file would hold then. A password that is not changed here may be as it was.
fn whole(loaded: &Loaded, text: &str, wishes: &Map<String, Value>) -> Result<(), ConfigErrors> {
    let fresh = loaded.as_if(text)?;
    if wishes.contains_key(password::KEY) { password::check(&fresh) } else { Ok(()) }
}

fn set(draft: &mut Draft, loaded: &Loaded, key: &str, value: &Value) -> Result<(), EditError> {
    if let Some(origin) = loaded.locked_by(key) {
        let why = format!("is set by {origin}, which stands above the configuration file: change it there");
        return Err(EditError::Refused { key: key.to_owned(), why });
    }
    match (url_list(&loaded.config, key), value) {
        (Some(known), Value::Array(entries)) => {
            let urls = urls(known, entries).map_err(|why| EditError::Refused { key: key.to_owned(), why })?;
            draft.set_urls(key, &urls)
        }
        _ => draft.set(key, toml_of_json(value.clone())),
    }
}

/// The values of a key that is a list of URLs, of which some hold secrets that are not shown.
fn url_list<'a>(config: &'a Config, key: &str) -> Option<&'a [BaseUrl]> {
    match key {
        RENDEZVOUS_WAN => Some(&config.presence.rendezvous_wan),
        HUBS => Some(&config.discovery.hubs),
        "listing.hubs" => Some(&config.listing.hubs),
        _ => None,
    }
}

/// The URLs that are meant. What is sent back as it is shown stays as it is: of several that look alike, because only their secrets differ,
/// the first text is the first of them, and so on.
fn urls(known: &[BaseUrl], entries: &[Value]) -> Result<Vec<BaseUrl>, String> {
    let mut known: Vec<&BaseUrl> = known.iter().collect();
    let meant = |entry: &Value| {
        let text = entry.as_str().unwrap_or_default().trim();
        match known.iter().position(|url| url.to_string() == text) {
            Some(at) => Ok(known.remove(at).clone()),
            None if is_masked(text) => Err(format!("holds {text}, whose secret is not known here: give the whole URL")),
            None => BaseUrl::parse(text),
        }
    };
    entries.iter().map(meant).collect()
}

/// Whether a URL was shown without its secret; the mask itself is none.
fn is_masked(text: &str) -> bool {
    text.contains("/m/***") || text.contains(":***@")
}

/// The faults of a whole; one of a key that was not to be changed is told at the first that was.
fn by_key(ConfigErrors(faults): ConfigErrors, wishes: &Map<String, Value>) -> BTreeMap<String, String> {
    let at = |key: String| if wishes.contains_key(&key) { key } else { wishes.keys().next().cloned().unwrap_or(key) };
    faults.into_iter().map(|fault| (at(fault.key), fault.message)).collect()
}

fn words(wrong: &BTreeMap<String, String>) -> String {
    wrong.iter().map(|(key, why)| format!("{key}: {why}")).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_of_urls_keeps_the_secrets_of_those_that_are_known() {
        let (config, keys) = (Config::default(), Config::keys());
        assert!(keys.iter().all(|key| (key.kind == Kind::Urls) == url_list(&config, &key.path()).is_some()));
    }
}
