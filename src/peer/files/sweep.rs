//! Removes what a crash left behind, before anything new begins.

use std::collections::HashSet;
use std::fs::read_dir;
use std::path::Path;

use super::{Folders, part, spool};
use crate::peer::memory::{Memory, MemoryError};

/// Parts and copies of transfers that are not under way. Blocks.
///
/// # Errors
/// See [`MemoryError`].
pub fn sweep(memory: &Memory, folders: &Folders) -> Result<(), MemoryError> {
    let transfers = memory.transfers_under_way()?;
    let parts: HashSet<String> = transfers.iter().map(part::private_name).collect();
    let places: HashSet<&String> = transfers.iter().filter_map(|transfer| transfer.place.as_ref()).collect();
    for name in names(&folders.downloads).filter(|name| part::is_private_name(name) && !parts.contains(name)) {
        let _ = std::fs::remove_file(folders.downloads.join(name));
    }
    names(&folders.spool).filter(|name| !places.contains(name)).for_each(|name| spool::remove(&folders.spool, &name));
    Ok(())
}

fn names(folder: &Path) -> impl Iterator<Item = String> {
    read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok())
}
