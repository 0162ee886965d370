//! Changing one key in the configuration file, everything else in it as it was.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml_edit::{DocumentMut, Item, Table, Value};

use super::Config;
use super::files::{create_private_dir, read_bounded, write_private_atomically};
use super::setting::Raw;
use super::toml_file::MAX_FILE;

/// Why a key was not changed; the file is as it was.
#[derive(Debug, Error)]
pub enum EditError {
    /// There is no such key.
    #[error("{0}: there is no such key")]
    UnknownKey(String),
    /// The value is not one that the key takes.
    #[error("{key}: {why}")]
    Refused {
        /// Which key.
        key: String,
        /// What it wants.
        why: String,
    },
    /// The file is not TOML, so that nothing in it can be changed safely.
    #[error("{}: this is not TOML: {why}", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The file could not be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
}

/// Set `key` (`section.name`) in the file at `path` to `value`, or take it out with `None`. Comments, order and other keys stay;
/// a file that is not there is made. The file is replaced at once and readable by its owner alone.
pub fn set_in_file(path: &Path, key: &str, value: Option<Value>) -> Result<(), EditError> {
    let (section, name) = key.split_once('.').ok_or_else(|| EditError::UnknownKey(key.to_owned()))?;
    check(section, name, value.as_ref())?;
    let io = |error| EditError::Io { path: path.to_owned(), error };
    let text = match read_bounded(path, MAX_FILE) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| io(io::Error::new(io::ErrorKind::InvalidData, error)))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(io(error)),
    };
    let malformed = |why: String| EditError::Malformed { path: path.to_owned(), why };
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| malformed(error.message().to_owned()))?;
    let table = document.entry(section).or_insert_with(|| Item::Table(Table::new()));
    let table = table.as_table_like_mut().ok_or_else(|| malformed(format!("{section} is not a section")))?;
    put(table, name, value);
    if let Some(parent) = path.parent() {
        create_private_dir(parent).map_err(io)?;
    }
    write_private_atomically(path, document.to_string().as_bytes()).map_err(io)
}

/// A comment behind the old value stays behind the new one.
fn put(table: &mut dyn toml_edit::TableLike, name: &str, value: Option<Value>) {
    let Some(mut value) = value else {
        table.remove(name);
        return;
    };
    match table.get_mut(name).and_then(Item::as_value_mut) {
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => {
            table.insert(name, Item::Value(value));
        }
    }
}

fn check(section: &str, name: &str, value: Option<&Value>) -> Result<(), EditError> {
    let key = || format!("{section}.{name}");
    if !Config::keys().iter().any(|known| known.section == section && known.name == name) {
        return Err(EditError::UnknownKey(key()));
    }
    let mut scratch = Config::default();
    let taken = match (scratch.section_mut(section), value) {
        (Some(section), Some(value)) => section.set(name, &Raw::Typed(value.clone())),
        _ => Ok(()),
    };
    taken.map_err(|why| EditError::Refused { key: key(), why })
}
