//! The configuration: typed sections, one file each, and the layers they are read from.
//!
//! Command line > `GOOP_SECTION__KEY` environment > `PORT` > file > default. Each key is declared once ([`section`]) with its
//! type, default, range and documentation; unknown keys, wrong values and impossible combinations are faults that name the key,
//! where it stands, and the key that was probably meant. All faults are told together ([`ConfigErrors`]).

pub mod base_url;
mod combinations;
mod data_dir;
pub mod discovery;
mod edit;
mod error;
pub mod example;
mod file_lock;
pub mod files;
mod goop_json;
pub mod http;
pub mod identity;
mod json_members;
mod layers;
pub mod listing;
mod load;
pub mod multiaddr;
pub mod net;
pub mod p2p;
pub mod paths;
pub mod presence;
pub mod profile;
pub mod reload;
mod secret;
pub mod section;
pub mod setting;
pub mod size;
mod suggest;
pub mod superhub;
pub mod text;
mod toml_file;
pub mod viewer;
mod warning;

pub use data_dir::{DataDir, GOOP_JSON};
pub use edit::{Draft, EditError, can_be_saved, file_tag, set_in_file, writable};
pub use error::{ConfigErrors, Fault, Origin};
pub use layers::{FlagValue, GivenKey, Sources};
pub use load::Loaded;
pub use secret::Secret;
pub use setting::{Kind, toml_of_json};
pub use warning::Warning;

use section::{KeyDoc, Section};

/// Every setting of a node.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// `[identity]`
    pub identity: identity::IdentityConfig,
    /// `[profile]`
    pub profile: profile::ProfileConfig,
    /// `[paths]`
    pub paths: paths::PathsConfig,
    /// `[p2p]`
    pub p2p: p2p::P2pConfig,
    /// `[presence]`
    pub presence: presence::PresenceConfig,
    /// `[viewer]`
    pub viewer: viewer::ViewerConfig,
    /// `[http]`
    pub http: http::HttpConfig,
    /// `[superhub]`
    pub superhub: superhub::SuperhubConfig,
    /// `[listing]`
    pub listing: listing::ListingConfig,
    /// `[discovery]`
    pub discovery: discovery::DiscoveryConfig,
}

impl Config {
    /// What is known about every key, in the order of the file.
    pub fn keys() -> Vec<KeyDoc> {
        let mut config = Config::default();
        config.sections_mut().into_iter().flat_map(|(_, section)| section.keys()).collect()
    }

    /// The value of `key` (`section.name`) as people may see it; `None` if there is no such key.
    pub fn show(&self, key: &KeyDoc) -> Option<toml_edit::Value> {
        let mut copy = self.clone();
        copy.section_mut(key.section)?.show(key.name)
    }

    /// The section called `name`.
    pub fn section_mut(&mut self, name: &str) -> Option<&mut dyn Section> {
        self.sections_mut().into_iter().find(|(known, _)| *known == name).map(|(_, section)| section)
    }

    fn sections_mut(&mut self) -> [(&'static str, &mut dyn Section); 10] {
        [
            ("identity", &mut self.identity),
            ("profile", &mut self.profile),
            ("paths", &mut self.paths),
            ("p2p", &mut self.p2p),
            ("presence", &mut self.presence),
            ("viewer", &mut self.viewer),
            ("http", &mut self.http),
            ("superhub", &mut self.superhub),
            ("listing", &mut self.listing),
            ("discovery", &mut self.discovery),
        ]
    }
}
