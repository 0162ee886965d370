//! The list of what the site serves, for its owner.

use cap_std::fs::{Dir, DirEntry};
use serde::Serialize;

use super::file::modified;
use super::media::media_type;
use super::{SiteError, SitePath, SiteRoot};
use crate::clock::UnixMillis;

/// Files of one listing.
pub const MAX_ENTRIES: usize = 10_000;
/// Folders below each other that are looked into.
pub const MAX_DEPTH: usize = 32;
/// Names looked at for one listing, private ones and folders included.
const MAX_SEEN: usize = 10 * MAX_ENTRIES;

/// One file of the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Path from the root, components joined by `/`.
    pub path: String,
    /// Length, in bytes.
    pub size: u64,
    /// When it was last modified.
    pub modified: UnixMillis,
    /// Media type by extension.
    pub mime: String,
}

/// The files of the site, sorted by path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// What is served, and only that.
    pub entries: Vec<Entry>,
    /// Whether there is more than [`MAX_ENTRIES`], [`MAX_DEPTH`] or the names looked at allow to show.
    pub cut: bool,
    #[serde(skip)]
    seen: usize,
}

impl SiteRoot {
    /// What the site serves. Links to folders are not looked into.
    pub async fn list(&self) -> Result<Listing, SiteError> {
        self.blocking(|site| {
            let mut listing = Listing::default();
            listing.add_folder(&site.dir()?, "", 0)?;
            listing.entries.sort_unstable_by(|a, b| a.path.cmp(&b.path));
            Ok(listing)
        })
        .await
    }
}

impl Listing {
    fn add_folder(&mut self, folder: &Dir, prefix: &str, depth: usize) -> Result<(), SiteError> {
        for entry in folder.entries()? {
            self.seen += 1;
            if self.entries.len() >= MAX_ENTRIES || self.seen > MAX_SEEN {
                self.cut = true;
                return Ok(());
            }
            if let Ok(entry) = entry {
                self.add(folder, &entry, prefix, depth);
            }
        }
        Ok(())
    }

    /// What vanishes or cannot be read while the folder is walked is left out.
    fn add(&mut self, folder: &Dir, entry: &DirEntry, prefix: &str, depth: usize) {
        let Ok(name) = entry.file_name().into_string() else { return };
        let path = format!("{prefix}{name}");
        let (true, Ok(kind)) = (SitePath::parse(&path).is_ok(), entry.file_type()) else { return };
        if kind.is_dir() {
            self.cut |= depth >= MAX_DEPTH;
            if let (true, Ok(inner)) = (depth < MAX_DEPTH, entry.open_dir()) {
                let _ = self.add_folder(&inner, &format!("{path}/"), depth + 1);
            }
        } else if let Ok(metadata) = folder.metadata(&name)
            && metadata.is_file()
        {
            let mime = media_type(&name);
            self.entries.push(Entry { path, size: metadata.len(), modified: modified(&metadata), mime });
        }
    }
}
