//! Who changes a file of ours holds its lock from reading it to having it saved, so that no change of another process or thread is lost in
//! between. The lock is a file beside it, `.NAME.lock`, which stays: one that is removed could be held twice.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::files::{PRIVATE_FILE, beside, create_private_dir, replaced, sweep_temporaries};

/// How long a change waits for the one before it: many times what one takes on a slow disk.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(10);

/// The right to change one file, until it is dropped or its process ends.
#[derive(Debug)]
pub(super) struct FileLock {
    _held: File,
}

impl FileLock {
    /// Waits for the lock of the file at `path`, at most [`PATIENCE`]; a folder that is missing is made. What writers left behind that were
    /// killed is removed: nobody else writes while this is held.
    ///
    /// # Errors
    /// [`ErrorKind::TimedOut`], or the folder cannot be written.
    pub(super) fn take(path: &Path) -> io::Result<Self> {
        Self::take_within(path, PATIENCE)
    }

    fn take_within(path: &Path, patience: Duration) -> io::Result<Self> {
        let target = replaced(path)?;
        if let Some(parent) = target.parent() {
            create_private_dir(parent)?;
        }
        let place = beside(&target, "lock")?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(PRIVATE_FILE).open(place)?;
        wait_for(&file, patience)?;
        sweep_temporaries(&target);
        Ok(Self { _held: file })
    }
}

fn wait_for(file: &File, patience: Duration) -> io::Result<()> {
    for _ in 0..patience.as_millis() / AGAIN.as_millis() {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => sleep(AGAIN),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::new(ErrorKind::TimedOut, "another goop is changing this file, and does not come to an end; try again"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn one_holds_it_and_another_waits_but_not_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/goop.toml");
        let held = FileLock::take(&path).unwrap();
        assert_eq!(FileLock::take_within(&path, AGAIN).unwrap_err().kind(), ErrorKind::TimedOut);
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || FileLock::take(&path).is_ok()
        });
        drop(held);
        assert!(waiting.join().unwrap());
    }

    #[test]
    fn what_a_killed_writer_left_behind_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let names = [".goop.toml.77.tmp", ".goop.toml.77.0123456789abcdef.tmp", ".other.toml.77.tmp", "goop.toml.tmp", ".goop.toml.lock"];
        for name in names {
            fs::write(folder.path().join(name), "admin_password = \"s3cret\"").unwrap();
        }
        let _held = FileLock::take(&folder.path().join("goop.toml")).unwrap();
        let left: Vec<bool> = names.iter().map(|name| folder.path().join(name).exists()).collect();
        assert_eq!(left, [false, false, true, true, true]);
    }
}
