//! `[paths]`: folders.

use std::path::PathBuf;

use super::section::section;

section! {
    /// Folders.
    PathsConfig in "paths" {
        /// The folder whose files everyone may read: your site. It may be made later.
        /// A relative path starts at the data folder.
        site_root: PathBuf = PathBuf::from("site");
        /// The folder for files that others sent and you accepted. A relative path starts at the data folder.
        downloads: PathBuf = PathBuf::from("downloads");
    }
}
