//! One process per data folder: two with the same key would speak with one name and two minds (THREATS 52).

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Held as long as this process may use the data folder; the operating system lets go of it however the process ends.
#[derive(Debug)]
pub struct DataLock {
    _file: File,
}

/// Why the data folder cannot be used.
#[derive(Debug, Error)]
pub enum LockError {
    /// Another process uses it.
    #[error("{}: another goop ({process}) runs with this data folder; stop it, or name another folder with --data", path.display())]
    Held {
        /// The lock file.
        path: PathBuf,
        /// What that process said of itself: `process` and its id, or that it is unknown.
        process: String,
    },
    /// The lock file could not be opened or written.
    #[error("{}: the data folder cannot be locked: {error}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
}

impl DataLock {
    /// Take the lock at `path` and write our process id into it. The folder must be there.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        let failed = |error| LockError::Io { path: path.to_owned(), error };
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held { path: path.to_owned(), process: holder(&mut file) }),
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

impl DataLock {
    /// The id of the process that holds the lock at `path` now; `None` if nobody does, or the holder is not known.
    pub fn held_by(path: &Path) -> Option<u32> {
        let mut file = File::open(path).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => process_in(&mut file),
            _ => None,
        }
    }
}

fn holder(file: &mut File) -> String {
    process_in(file).map_or_else(|| "of unknown process id".to_owned(), |process| format!("process {process}"))
}

fn process_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_process_with_the_same_folder_is_refused_and_told_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let first = DataLock::acquire(&path).unwrap();
        let refused = DataLock::acquire(&path).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        assert_eq!(DataLock::held_by(&path), Some(std::process::id()));
        drop(first);
        assert_eq!(DataLock::held_by(&path), None, "a killed process holds nothing, whatever it left in the file");
        DataLock::acquire(&path).unwrap();
    }
}
