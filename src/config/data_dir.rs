//! Where everything of a peer lies on disk.
//!
//! A folder with a `goop.json` is a goop2 peer folder: its own files stay as they are to the byte, and ours live in its `.goop/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy;

use super::Config;
use super::files::create_private_dir;

/// The file that makes a folder a goop2 peer folder.
pub const GOOP_JSON: &str = "goop.json";

/// The data folder of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataDir {
    /// The folder itself; relative paths of the configuration start here.
    pub root: PathBuf,
    /// Where files of ours are written: `root`, or `.goop/` in a goop2 peer folder.
    pub state: PathBuf,
    /// Whether this is a goop2 peer folder.
    pub goop2: bool,
}

impl DataDir {
    /// The data folder at `root`, which need not exist yet.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        let root = std::path::absolute(&root).unwrap_or(root);
        let goop2 = root.join(GOOP_JSON).exists();
        let state = if goop2 { root.join(".goop") } else { root.clone() };
        Self { root, state, goop2 }
    }

    /// What stands where this folder, or one above it, would have to be: a file.
    pub(super) fn is_no_folder(&self) -> Option<&Path> {
        let nearest = self.root.ancestors().find_map(|place| Some((place, fs::metadata(place).ok()?)));
        nearest.filter(|(_, found)| !found.is_dir()).map(|(place, _)| place)
    }

    /// Where data goes if nobody says anything: `goop` in the XDG data folder of the user.
    pub fn default_root() -> Result<PathBuf, etcetera::HomeDirError> {
        Ok(etcetera::choose_base_strategy()?.data_dir().join("goop"))
    }

    /// Make the folders that are missing, with mode 0700.
    pub fn create(&self) -> io::Result<()> {
        create_private_dir(&self.root)?;
        create_private_dir(&self.state)
    }

    /// The private key.
    pub fn identity_key(&self, config: &Config) -> PathBuf {
        self.path(&config.identity.key_file)
    }

    /// The files that everyone may read.
    pub fn site(&self, config: &Config) -> PathBuf {
        self.path(&config.paths.site_root)
    }

    /// Where files go that others sent.
    pub fn downloads(&self, config: &Config) -> PathBuf {
        if config.paths.downloads.is_absolute() { config.paths.downloads.clone() } else { self.state.join(&config.paths.downloads) }
    }

    /// Copies of files that are to be sent.
    pub fn spool(&self) -> PathBuf {
        self.state.join("spool")
    }

    /// The owner's avatar, where we save it.
    pub fn avatar(&self) -> PathBuf {
        self.state.join("avatar.png")
    }

    /// The avatar of a goop2 peer folder, which stands as long as there is none at [`Self::avatar`], and which we never write.
    pub fn goop2_avatar(&self) -> Option<PathBuf> {
        self.goop2.then(|| self.root.join("avatar.png"))
    }

    /// The configuration that we read and save.
    pub fn config_file(&self) -> PathBuf {
        self.state.join("goop.toml")
    }

    /// The `goop.json` of a goop2 peer folder.
    pub fn goop_json(&self) -> Option<PathBuf> {
        self.goop2.then(|| self.root.join(GOOP_JSON))
    }

    /// What a server must know after a restart.
    pub fn database(&self) -> PathBuf {
        self.state.join("goop.db")
    }

    /// What a super hub lists.
    pub fn directory(&self) -> PathBuf {
        self.state.join("directory.db")
    }

    /// The numbers that a super hub may have signed; no backup holds it (FEDERATION B.7).
    pub fn feed_state(&self) -> PathBuf {
        self.state.join("feed.state")
    }

    /// What super hubs listed when they were last asked, by the node that runs.
    pub fn known_communities(&self) -> PathBuf {
        self.state.join("communities.ndjson")
    }

    /// What was found on super hubs by searching.
    pub fn found_communities(&self) -> PathBuf {
        self.state.join("found.ndjson")
    }

    /// What a running node says about itself, while it runs.
    pub fn run_json(&self) -> PathBuf {
        self.state.join("run.json")
    }

    /// Held by the one process that may use this folder.
    pub fn lock_file(&self) -> PathBuf {
        self.state.join("lock")
    }

    /// The peer id that this folder has had since its first start.
    pub fn known_peer_id(&self) -> PathBuf {
        self.state.join("peer_id")
    }

    /// `path`, from the root of this folder if it is relative.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }
}
