//! From layers to a configuration: every fault of every layer is found before anything is said.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use super::data_dir::DataDir;
use super::error::{ConfigErrors, Fault, Origin};
use super::files::read_bounded;
use super::layers::{Entry, GivenKey, Sources, from_command_line, from_dyno, from_env, from_port};
use super::section::KeyDoc;
use super::suggest::nearest;
use super::toml_file::MAX_FILE;
use super::warning::{Warning, warnings};
use super::{Config, combinations, goop_json, toml_file};

/// Longest part of an unknown key that an error repeats, in characters.
const MAX_SHOWN: usize = 80;

/// A configuration without faults, and where each value comes from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// Where everything lies.
    pub data: DataDir,
    /// The file that settings are saved to: `--config`, or `goop.toml` in the data folder. It need not exist.
    pub config_file: PathBuf,
    /// The identity key, where the environment gives it.
    pub given_key: Option<GivenKey>,
    /// What its owner should be told.
    pub warnings: Vec<Warning>,
    origins: BTreeMap<String, Origin>,
    sources: Sources,
}

impl Loaded {
    /// Whether anybody set `key` (`section.name`): an explicit address in use is an error, a default one moves.
    pub fn is_explicit(&self, key: &str) -> bool {
        self.origins.contains_key(key)
    }

    /// Where the value of `key` (`section.name`) comes from.
    pub fn origin(&self, key: &str) -> &Origin {
        self.origins.get(key).unwrap_or(&Origin::Default)
    }

    /// What stands above the file for `key`: the environment or the command line. Then a change of the file changes nothing.
    pub fn locked_by(&self, key: &str) -> Option<&Origin> {
        Some(self.origin(key)).filter(|origin| matches!(origin, Origin::Env(_) | Origin::Set | Origin::Flag(_)))
    }

    /// Reads every layer anew: the files as they are now, with the same command line and environment.
    ///
    /// # Errors
    /// Every fault that is found.
    pub fn again(&self) -> Result<Self, ConfigErrors> {
        Config::load(&self.sources)
    }

    /// The same, as if [`Self::config_file`] held `text`. Nothing is written.
    ///
    /// # Errors
    /// Every fault that is found.
    pub fn as_if(&self, text: &str) -> Result<Self, ConfigErrors> {
        load(&self.sources, Some(text))
    }
}

impl Config {
    /// Read every layer. Nothing is written, and nothing outside `sources` and the files they name is asked.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigErrors> {
        load(sources, None)
    }
}

/// `text` stands in for the configuration file.
fn load(sources: &Sources, text: Option<&str>) -> Result<Loaded, ConfigErrors> {
    let data = DataDir::at(sources.data_root());
    if let Some(file) = data.is_no_folder() {
        let message =
            format!("{} is no folder, and goop keeps its data in one: name a folder, which is made if it is not there", file.display());
        return Err(ConfigErrors(vec![Fault::new(sources.data_origin(), "", message)]));
    }
    let mut building = Building::new(data, sources);
    let keys = Config::keys();
    for entry in building.entries(sources, &keys, text) {
        building.apply(entry, &keys);
    }
    building.finish(sources)
}

struct Building {
    loaded: Loaded,
    faults: Vec<Fault>,
}

impl Building {
    fn new(data: DataDir, sources: &Sources) -> Self {
        let mut config = Config::default();
        if data.goop2 {
            config.identity.key_file = PathBuf::from("data/identity.key");
        }
        let config_file = sources.config.clone().unwrap_or_else(|| data.config_file());
        let given_key = GivenKey::from_env(&sources.env);
        let loaded =
            Loaded { config, data, config_file, given_key, warnings: Vec::new(), origins: BTreeMap::new(), sources: sources.clone() };
        Self { loaded, faults: Vec::new() }
    }

    /// The entries of all layers, lowest first.
    fn entries(&mut self, sources: &Sources, keys: &[KeyDoc], text: Option<&str>) -> Vec<Entry> {
        let mut entries: Vec<Entry> = from_dyno(&sources.env).into_iter().collect();
        if let Some(path) = self.loaded.data.goop_json()
            && let Some(text) = self.read(&path, true)
        {
            entries.extend(goop_json::entries(&path, &text, keys, &mut self.faults, &mut self.loaded.warnings));
        }
        let path = self.loaded.config_file.clone();
        if let Some(text) = text.map(str::to_owned).or_else(|| self.read(&path, sources.config.is_some())) {
            entries.extend(toml_file::entries(&path, &text, keys, &mut self.faults));
        }
        entries.extend(from_port(&sources.env));
        entries.extend(from_env(&sources.env, keys, &mut self.faults));
        entries.extend(from_command_line(sources, &mut self.faults));
        entries
    }

    /// The text of a configuration file; one that is not there is a fault only if it `must_exist`.
    fn read(&mut self, path: &Path, must_exist: bool) -> Option<String> {
        let at = |line| Origin::File { path: path.to_owned(), line };
        match read_bounded(path, MAX_FILE) {
            Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => None,
            Err(error) => {
                self.faults.push(Fault::new(at(1), "", format!("cannot be read: {error}")));
                None
            }
            Ok(bytes) => String::from_utf8(bytes)
                .map_err(|error| {
                    let good = error.utf8_error().valid_up_to();
                    let line = 1 + error.as_bytes()[..good].iter().filter(|byte| **byte == b'\n').count();
                    self.faults.push(Fault::new(at(line), "", "this is not text in UTF-8"));
                })
                .ok(),
        }
    }

    fn apply(&mut self, entry: Entry, keys: &[KeyDoc]) {
        let Some(known) = keys.iter().find(|known| known.path() == entry.key) else {
            return self.unknown(entry, keys);
        };
        let section = self.loaded.config.section_mut(known.section);
        match section.map(|section| section.set(known.name, &entry.raw)) {
            Some(Err(why)) => self.faults.push(Fault::new(entry.origin, entry.key, why)),
            _ => {
                self.loaded.origins.insert(entry.key, entry.origin);
            }
        }
    }

    fn unknown(&mut self, entry: Entry, keys: &[KeyDoc]) {
        let is_section = keys.iter().any(|known| known.section == entry.key);
        let message = match nearest(&entry.key, keys) {
            _ if is_section => "this is a section of keys, and takes no value itself".to_owned(),
            Some(meant) => format!("there is no such key; did you mean {meant}?"),
            None => "there is no such key; \"goop config example\" prints them all".to_owned(),
        };
        let key = entry.key.chars().take(MAX_SHOWN).collect::<String>();
        self.faults.push(Fault::new(entry.origin, key, message));
    }

    fn finish(mut self, sources: &Sources) -> Result<Loaded, ConfigErrors> {
        self.bind_everywhere_for_port();
        let presence = &mut self.loaded.config.presence;
        presence.rendezvous_host |= presence.rendezvous_only;
        self.faults.extend(combinations::faults(&self.loaded, sources));
        if !self.faults.is_empty() {
            return Err(ConfigErrors(self.faults));
        }
        let found = warnings(&self.loaded);
        self.loaded.warnings.extend(found);
        Ok(self.loaded)
    }

    /// A hosting service that sets `PORT` sends its traffic to every address of the machine.
    fn bind_everywhere_for_port(&mut self) {
        let port = Origin::Env("PORT".to_owned());
        if *self.loaded.origin("presence.rendezvous_port") == port && !self.loaded.is_explicit("presence.rendezvous_bind") {
            self.loaded.config.presence.rendezvous_bind = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            self.loaded.origins.insert("presence.rendezvous_bind".to_owned(), port);
        }
    }
}
