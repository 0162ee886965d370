//! Changing keys in the configuration file, everything else in it as it was.
//!
//! A [`Draft`] is the file as it was read, and what is to be changed in it. While there is one, no other of this machine's goops changes the
//! file (its lock is held); its tag says which content was read, so that not even an editor's change meanwhile is overwritten.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use super::Config;
use super::base_url::BaseUrl;
use super::file_lock::FileLock;
use super::files::{read_bounded, rehearse_write, write_private_atomically};
use super::setting::Raw;
use super::suggest::nearest;
use super::toml_file::MAX_FILE;

mod urls;

/// Why a key was not changed; the file is as it was.
#[derive(Debug, Error)]
pub enum EditError {
    /// There is no such key.
    #[error("{key}: there is no such key{}", meant.as_ref().map(|meant| format!("; did you mean {meant}?")).unwrap_or_default())]
    UnknownKey {
        /// What was asked for.
        key: String,
        /// What was probably meant.
        meant: Option<String>,
    },
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
    /// It would hold more than is read of a configuration.
    #[error("{}: with this it would be longer than the {MAX_FILE} bytes allowed, and was left as it is", .0.display())]
    TooLong(PathBuf),
    /// Somebody else changed the file meanwhile.
    #[error("{} was changed meanwhile, and was left as it is", .0.display())]
    Changed(PathBuf),
    /// The file may not be written.
    #[error(
        "{}: nothing was saved, for this file cannot be written: {error}. Make it and its folder writable for you (chmod u+w), or name another \
         one with --config",
        path.display()
    )]
    ReadOnly {
        /// Which file.
        path: PathBuf,
        /// What forbids it.
        error: io::Error,
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

impl EditError {
    /// Why the file at `path` was not saved.
    fn of_saving(path: &Path, error: io::Error) -> Self {
        let path = path.to_owned();
        match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, error },
            _ => Self::Io { path, error },
        }
    }
}

/// Set `key` (`section.name`) in the file at `path` to `value`, or take it out with `None`. Comments, order and other keys stay;
/// a file that is not there is made. The file is replaced at once and readable by its owner alone.
///
/// # Errors
/// See [`EditError`].
pub fn set_in_file(path: &Path, key: &str, value: Option<Value>) -> Result<(), EditError> {
    let mut draft = Draft::open(path)?;
    draft.set(key, value)?;
    draft.save().map(drop)
}

/// See the head of this file.
#[derive(Debug)]
pub struct Draft {
    path: PathBuf,
    document: DocumentMut,
    tag: String,
    _lock: FileLock,
}

impl Draft {
    /// The file at `path` as it is now, one that is not there is empty; waits for whoever else is changing it.
    ///
    /// # Errors
    /// It cannot be locked or read, or is not TOML.
    pub fn open(path: &Path) -> Result<Self, EditError> {
        let lock = FileLock::take(path).map_err(|error| EditError::of_saving(path, error))?;
        let text = text_of(path)?;
        let tag = tag_of(&text);
        let malformed = |error: toml_edit::TomlError| EditError::Malformed { path: path.to_owned(), why: error.message().to_owned() };
        Ok(Self { path: path.to_owned(), document: text.parse().map_err(malformed)?, tag, _lock: lock })
    }

    /// Names the content that was read; another content has another tag.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// As [`set_in_file`], in this draft alone.
    ///
    /// # Errors
    /// There is no such key, or the value is none for it; the draft is as it was.
    pub fn set(&mut self, key: &str, value: Option<Value>) -> Result<(), EditError> {
        self.edit(key, |_| value)
    }

    /// The same for a key that is a list of URLs: these are its entries from here on. What stays, stays as it was written, and no comment in the
    /// list is lost.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn set_urls(&mut self, key: &str, urls: &[BaseUrl]) -> Result<(), EditError> {
        self.edit(key, |old| Some(Value::Array(urls::changed(old.and_then(Value::as_array), urls))))
    }

    /// What the file would hold.
    pub fn text(&self) -> String {
        self.document.to_string()
    }

    /// Writes the file; answers the tag of what it holds then.
    ///
    /// # Errors
    /// It is read-only, was changed meanwhile, would be too long, or cannot be written.
    pub fn save(&self) -> Result<String, EditError> {
        let io = |error| EditError::of_saving(&self.path, error);
        writable(&self.path).map_err(io)?;
        if tag_of(&text_of(&self.path)?) != self.tag {
            return Err(EditError::Changed(self.path.clone()));
        }
        let text = self.text();
        if text.len() as u64 > MAX_FILE {
            return Err(EditError::TooLong(self.path.clone()));
        }
        write_private_atomically(&self.path, text.as_bytes()).map_err(io)?;
        Ok(tag_of(&text))
    }

    fn edit(&mut self, key: &str, edit: impl FnOnce(Option<&Value>) -> Option<Value>) -> Result<(), EditError> {
        let (section, name) = key.split_once('.').unwrap_or((key, ""));
        let old = self.document.get(section).and_then(Item::as_table_like).and_then(|table| table.get(name)).and_then(Item::as_value);
        let value = edit(old);
        check(key, section, name, value.as_ref())?;
        if value.is_none() && self.document.get(section).is_none() {
            return Ok(());
        }
        let mut fresh = Table::new();
        if self.document.is_empty() {
            // What stands in a file without keys stays at its beginning.
            fresh.decor_mut().set_prefix(self.document.trailing().clone());
            self.document.set_trailing("");
        }
        let table = self.document.entry(section).or_insert_with(|| Item::Table(fresh));
        let not_one = || EditError::Malformed { path: self.path.clone(), why: format!("{section} is not a section") };
        put(table.as_table_like_mut().ok_or_else(not_one)?, name, value);
        Ok(())
    }
}

/// Whoever made a file read-only does not want it replaced, which the permission alone would not prevent.
///
/// # Errors
/// It is read-only.
pub fn writable(path: &Path) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|found| found.permissions().readonly()) {
        return Err(io::Error::new(ErrorKind::PermissionDenied, "it is read-only"));
    }
    Ok(())
}

/// Whether the file at `path` could be saved with `more` bytes than it has: for what must not be lost once it was begun.
///
/// # Errors
/// It is read-only, or there is no room for it.
pub fn can_be_saved(path: &Path, more: usize) -> Result<(), EditError> {
    let io = |error| EditError::of_saving(path, error);
    writable(path).map_err(io)?;
    let _lock = FileLock::take(path).map_err(io)?;
    rehearse_write(path, text_of(path)?.len() + more).map_err(io)
}

/// The tag of the file at `path` as it is now.
///
/// # Errors
/// It cannot be read.
pub fn file_tag(path: &Path) -> Result<String, EditError> {
    text_of(path).map(|text| tag_of(&text))
}

fn text_of(path: &Path) -> Result<String, EditError> {
    let io = |error| EditError::Io { path: path.to_owned(), error };
    match read_bounded(path, MAX_FILE) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| io(io::Error::new(ErrorKind::InvalidData, error))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(io(error)),
    }
}

/// Its key is another one in each process, so that whoever sees tags cannot find out by trying which secrets stand in the file (THREATS 56).
fn tag_of(text: &str) -> String {
    static KEY: LazyLock<[u8; 32]> = LazyLock::new(rand::random);
    let mac = Hmac::<Sha256>::new_from_slice(&*KEY).expect("HMAC takes a key of any length").chain_update(text);
    mac.finalize().into_bytes().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// A comment behind the old value stays behind the new one.
fn put(table: &mut dyn TableLike, name: &str, value: Option<Value>) {
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

fn check(key: &str, section: &str, name: &str, value: Option<&Value>) -> Result<(), EditError> {
    let keys = Config::keys();
    if !keys.iter().any(|known| known.section == section && known.name == name) {
        return Err(EditError::UnknownKey { key: key.to_owned(), meant: nearest(key, &keys) });
    }
    let mut scratch = Config::default();
    let taken = match (scratch.section_mut(section), value) {
        (Some(section), Some(value)) => section.set(name, &Raw::Typed(value.clone())),
        _ => Ok(()),
    };
    taken.map_err(|why| EditError::Refused { key: key.to_owned(), why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_changes_many_keys_at_once_and_overwrites_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("goop.toml");
        fs::write(&path, "# mine\n[profile]\nlabel = \"Ann\" # me\nemail = \"a@b\"\n").unwrap();
        let mut draft = Draft::open(&path).unwrap();
        draft.set("profile.label", Some(Value::from("Anna"))).unwrap();
        draft.set("profile.email", None).unwrap();
        draft.set("presence.ttl_seconds", None).unwrap();
        assert!(
            matches!(draft.set("profile.lable", Some(Value::from("x"))), Err(EditError::UnknownKey { meant: Some(meant), .. }) if meant == "profile.label")
        );
        assert!(matches!(draft.set("p2p.listen_port", Some(Value::from(-1))), Err(EditError::Refused { .. })));
        assert_eq!(file_tag(&path).unwrap(), draft.tag());
        let (tag, saved) = (draft.save().unwrap(), "# mine\n[profile]\nlabel = \"Anna\" # me\n");
        assert_eq!((fs::read_to_string(&path).unwrap().as_str(), file_tag(&path).unwrap()), (saved, tag));
        draft.set("profile.label", Some(Value::from("Bob"))).unwrap();
        assert!(matches!(draft.save(), Err(EditError::Changed(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), saved);
    }

    #[test]
    fn a_file_that_may_not_be_written_is_named_with_what_to_do() {
        let path = Path::new("/etc/goop.toml");
        for kind in [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem] {
            let why = EditError::of_saving(path, kind.into()).to_string();
            assert!(["/etc/goop.toml: nothing was saved", "chmod u+w", "--config"].iter().all(|word| why.contains(word)), "{why}");
        }
        assert!(matches!(EditError::of_saving(path, ErrorKind::StorageFull.into()), EditError::Io { .. }));
    }

    #[test]
    fn many_who_change_the_file_at_once_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/goop.toml");
        let keys = ["profile.label", "listing.name", "listing.description", "paths.site_root", "paths.downloads"];
        std::thread::scope(|scope| {
            for key in keys {
                let path = &path;
                scope.spawn(move || (0..20).for_each(|at| set_in_file(path, key, Some(Value::from(format!("{key} {at}")))).unwrap()));
            }
        });
        let file = fs::read_to_string(&path).unwrap();
        assert!(keys.iter().all(|key| file.contains(&format!("{key} 19"))), "{file}");
    }

    #[test]
    fn attack_a_change_cannot_make_the_file_too_long_to_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("goop.toml");
        let before = format!("# {}\n", "x".repeat(MAX_FILE as usize - 10));
        fs::write(&path, &before).unwrap();
        assert!(matches!(set_in_file(&path, "profile.label", Some(Value::from("Ann"))), Err(EditError::TooLong(_))));
        assert!(fs::read_to_string(&path).unwrap() == before);
    }

    /// THREATS 56.
    #[test]
    fn attack_a_tag_is_no_oracle_for_the_secrets_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (path, text) = (folder.path().join("goop.toml"), "presence.admin_password = \"1234\"\n");
        fs::write(&path, text).unwrap();
        let tag = file_tag(&path).unwrap();
        let guessed: String =
            sha2::Digest::finalize(<Sha256 as sha2::Digest>::new_with_prefix(text)).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!guessed.starts_with(&tag) && tag.len() == 32);
    }
}
