//! The layers of a configuration, lowest first: the platform, file, `PORT`, environment, command line. Each gives entries; later ones win.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use toml_edit::{Array, Value};

use super::error::{Fault, Origin};
use super::files::read_bounded;
use super::secret::Secret;
use super::section::KeyDoc;
use super::setting::Raw;

/// Longest file with a secret, in bytes.
const MAX_SECRET_FILE: u64 = 64 * 1024;
/// What every environment variable of ours begins with.
const PREFIX: &str = "GOOP_";

/// What the layers are made of. Nothing else is asked: the process environment is passed in as a map. Holds secrets, so its
/// `Debug` says nothing.
#[derive(Clone, Default)]
pub struct Sources {
    /// `--data`; wins over `GOOP_DATA`.
    pub data: Option<PathBuf>,
    /// The data folder if nobody names one.
    pub default_data: PathBuf,
    /// `--config`: read instead of the data folder's `goop.toml`; must exist.
    pub config: Option<PathBuf>,
    /// `--set section.key=value`, in order.
    pub set: Vec<String>,
    /// Options of their own, in order.
    pub flags: Vec<FlagValue>,
    /// The environment.
    pub env: BTreeMap<String, String>,
}

/// An option of its own that stands for a key.
#[derive(Debug, Clone)]
pub struct FlagValue {
    /// As it is typed, such as `--port`.
    pub flag: &'static str,
    /// The key it stands for.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sources(…)")
    }
}

impl Sources {
    /// The data folder that is meant.
    pub fn data_root(&self) -> PathBuf {
        let from_env = || self.env.get("GOOP_DATA").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        self.data.clone().or_else(from_env).unwrap_or_else(|| self.default_data.clone())
    }

    /// Who named it.
    pub(super) fn data_origin(&self) -> Origin {
        match (&self.data, self.env.get("GOOP_DATA").filter(|dir| !dir.is_empty())) {
            (Some(_), _) => Origin::Flag("--data"),
            (None, Some(_)) => Origin::Env("GOOP_DATA".to_owned()),
            (None, None) => Origin::Default,
        }
    }
}

/// The identity key, where it is not to be read from the data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GivenKey {
    /// `GOOP_IDENTITY_KEY`: base64.
    Text(Secret),
    /// `GOOP_IDENTITY_KEY_FILE`: a file with base64, or with the bytes themselves.
    File(PathBuf),
}

impl GivenKey {
    /// The key that the environment gives, if it does.
    pub(super) fn from_env(env: &BTreeMap<String, String>) -> Option<Self> {
        let given = |name: &str| env.get(name).filter(|value| !value.trim().is_empty());
        let text = given("GOOP_IDENTITY_KEY").map(|text| GivenKey::Text(Secret::new(text.trim())));
        text.or_else(|| given("GOOP_IDENTITY_KEY_FILE").map(|path| GivenKey::File(PathBuf::from(path))))
    }
}

/// One value of one layer, its key not yet checked.
pub(super) struct Entry {
    /// `section.key`, as it was written.
    pub(super) key: String,
    pub(super) raw: Raw,
    pub(super) origin: Origin,
}

/// `--set` and options of their own; the latter win.
pub(super) fn from_command_line(sources: &Sources, faults: &mut Vec<Fault>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for text in &sources.set {
        match text.split_once('=') {
            Some((key, value)) => {
                entries.push(Entry { key: key.trim().to_owned(), raw: Raw::Text(value.to_owned()), origin: Origin::Set });
            }
            None => faults.push(Fault::new(Origin::Set, text, "write it as section.key=value")),
        }
    }
    let flags = sources.flags.iter().cloned();
    entries.extend(flags.map(|given| Entry { key: given.key.to_owned(), raw: Raw::Typed(given.value), origin: Origin::Flag(given.flag) }));
    entries
}

/// `GOOP_SECTION__KEY`, and `…_FILE` of a secret. Variables without `__` are somebody else's.
pub(super) fn from_env(env: &BTreeMap<String, String>, keys: &[KeyDoc], faults: &mut Vec<Fault>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (variable, value) in env {
        let Some((section, name)) = variable.strip_prefix(PREFIX).and_then(|rest| rest.split_once("__")) else { continue };
        let key = format!("{section}.{name}").to_lowercase();
        let origin = Origin::Env(variable.clone());
        let is_secret = |path: &str| keys.iter().any(|known| known.secret && known.path() == path);
        match key.strip_suffix("_file").filter(|secret| is_secret(secret)) {
            Some(secret) => match read_secret(Path::new(value)) {
                Ok(text) => entries.push(Entry { key: secret.to_owned(), raw: Raw::Typed(Value::from(text)), origin }),
                Err(why) => faults.push(Fault::new(origin, secret, why)),
            },
            None if is_secret(&key) => entries.push(Entry { key, raw: Raw::Typed(Value::from(value.as_str())), origin }),
            None => entries.push(Entry { key, raw: Raw::Text(value.clone()), origin }),
        }
    }
    entries
}

/// The text of a file with a secret, without the line end that editors add.
fn read_secret(path: &Path) -> Result<String, String> {
    let bytes = read_bounded(path, MAX_SECRET_FILE).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("{}: this is not text in UTF-8", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// `PORT`, as hosting services set it: the public port. An entry only if it is a port.
pub(super) fn from_port(env: &BTreeMap<String, String>) -> Option<Entry> {
    let port: u16 = env.get("PORT")?.trim().parse().ok()?;
    let origin = Origin::Env("PORT".to_owned());
    Some(Entry { key: "presence.rendezvous_port".to_owned(), raw: Raw::Typed(Value::from(i64::from(port))), origin })
}

/// Networks that are nobody's on the internet (RFC 1918, RFC 6598, RFC 4193).
const PRIVATE: [&str; 5] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"];

/// `DYNO`, as Heroku sets it: only its routers, which have private addresses, reach what runs there, and each adds the client's address at
/// the end of `X-Forwarded-For`. The one place where a proxy is trusted that nobody named (THREATS 15).
pub(super) fn from_dyno(env: &BTreeMap<String, String>) -> Option<Entry> {
    env.get("DYNO").filter(|dyno| !dyno.is_empty())?;
    let routers = PRIVATE.into_iter().collect::<Array>();
    let origin = Origin::Env("DYNO".to_owned());
    Some(Entry { key: "http.trusted_proxies".to_owned(), raw: Raw::Typed(Value::Array(routers)), origin })
}
