//! Changing one key in the configuration file, everything else in it as it was.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use toml_edit::{Array, DocumentMut, Item, RawString, Table, Value};

use super::Config;
use super::base_url::BaseUrl;
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
    edit_in_file(path, key, |_| value)
}

/// The same for a key that is a list of URLs: these are its entries from here on. What stays, stays as it was written, and no comment in the
/// list is lost.
pub fn set_urls_in_file(path: &Path, key: &str, urls: &[BaseUrl]) -> Result<(), EditError> {
    edit_in_file(path, key, |old| Some(Value::Array(with_urls(old.and_then(Value::as_array), urls))))
}

fn with_urls(old: Option<&Array>, urls: &[BaseUrl]) -> Array {
    let (mut list, mut known, mut comments) = (Array::new(), Vec::new(), String::new());
    for entry in old.into_iter().flat_map(Array::iter) {
        let before = entry.decor().prefix().and_then(RawString::as_str).unwrap_or_default();
        match entry.as_str().and_then(|text| BaseUrl::parse(text).ok()).filter(|url| urls.contains(url)) {
            Some(url) => {
                let mut kept = entry.clone();
                kept.decor_mut().set_prefix(std::mem::take(&mut comments) + before);
                list.push_formatted(kept);
                known.push(url);
            }
            // A comment behind an entry stands before the next one.
            None if before.contains('#') => comments = comments + before.trim_end() + "\n",
            None => {}
        }
    }
    comments.push_str(old.and_then(|old| old.trailing().as_str()).unwrap_or_default());
    for url in urls.iter().filter(|url| !known.contains(url)) {
        let mut entry = Value::from(url.url().as_str());
        if comments.contains('\n') {
            entry.decor_mut().set_prefix(format!("{}\n    ", comments.trim_end()));
            comments = "\n".to_owned();
        } else if !list.is_empty() {
            entry.decor_mut().set_prefix(" ");
        }
        list.push_formatted(entry);
    }
    list.set_trailing_comma(comments.contains('\n') && !list.is_empty());
    list.set_trailing(comments);
    list
}

fn edit_in_file(path: &Path, key: &str, edit: impl FnOnce(Option<&Value>) -> Option<Value>) -> Result<(), EditError> {
    let (section, name) = key.split_once('.').ok_or_else(|| EditError::UnknownKey(key.to_owned()))?;
    let io = |error| EditError::Io { path: path.to_owned(), error };
    // Whoever made it read-only does not want it replaced, which the permission alone would not prevent.
    if fs::metadata(path).is_ok_and(|found| found.permissions().readonly()) {
        return Err(io(io::Error::new(io::ErrorKind::PermissionDenied, "this file is read-only, and was left as it is")));
    }
    let text = match read_bounded(path, MAX_FILE) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| io(io::Error::new(io::ErrorKind::InvalidData, error)))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(io(error)),
    };
    let malformed = |why: String| EditError::Malformed { path: path.to_owned(), why };
    let mut document: DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| malformed(error.message().to_owned()))?;
    let table = document.entry(section).or_insert_with(|| Item::Table(Table::new()));
    let table = table.as_table_like_mut().ok_or_else(|| malformed(format!("{section} is not a section")))?;
    let value = edit(table.get(name).and_then(Item::as_value));
    check(section, name, value.as_ref())?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(before: &str, urls: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("goop.toml");
        fs::write(&path, before).unwrap();
        let urls: Vec<BaseUrl> = urls.iter().map(|url| BaseUrl::parse(url).unwrap()).collect();
        set_urls_in_file(&path, "presence.rendezvous_wan", &urls).unwrap();
        fs::read_to_string(&path).unwrap()
    }

    #[test]
    fn a_list_of_urls_is_changed_and_keeps_every_comment() {
        let file = "# mine\n[presence]\nrendezvous_wan = [\n    \"https://a.b\", # first\n    # the second\n    \"https://c.d/x\", # last\n] # all\n";
        let more = changed(file, &["https://a.b", "https://c.d/x", "https://e.f"]);
        assert_eq!(more, file.replace(" # last\n", " # last\n    \"https://e.f/\",\n"));
        let fewer = changed(file, &["https://a.b"]);
        assert!(["# mine", "# first", "# the second", "# last", "# all"].iter().all(|comment| fewer.contains(comment)), "{fewer}");
        assert!(!fewer.contains("c.d"), "{fewer}");
        assert!(changed(file, &[]).contains("# last"));
    }

    #[test]
    fn one_url_becomes_a_list_and_nothing_becomes_one() {
        let one = "presence.rendezvous_wan = \"https://a.b\" # mine\n";
        assert_eq!(
            changed(one, &["https://a.b", "https://c.d"]),
            "presence.rendezvous_wan = [\"https://a.b/\", \"https://c.d/\"] # mine\n"
        );
        assert_eq!(changed("", &["https://a.b"]), "[presence]\nrendezvous_wan = [\"https://a.b/\"]\n");
    }
}
