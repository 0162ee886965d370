//! A TOML file of ours, as entries that know their lines.

use std::ops::Range;
use std::path::Path;

use toml_edit::{Document, Item, Key, Value};

use super::error::{Fault, Origin};
use super::layers::Entry;
use super::section::KeyDoc;
use super::setting::Raw;

/// Longest configuration file, in bytes.
pub(super) const MAX_FILE: u64 = 1024 * 1024;

/// The entries of the TOML `text` of the file at `path`, in the order of the file. A section that is none, and a value that stands where
/// a section should, are one entry whose key has no dot.
pub(super) fn entries(path: &Path, text: &str, keys: &[KeyDoc], faults: &mut Vec<Fault>) -> Vec<Entry> {
    let at = |span: Option<Range<usize>>| Origin::File { path: path.to_owned(), line: line_at(text, span.map_or(0, |span| span.start)) };
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => {
            faults.push(Fault::new(at(error.span()), "", format!("this is not TOML: {}", error.message().replace('\n', ", "))));
            return Vec::new();
        }
    };
    let mut entries = Vec::new();
    for (section, item) in document.iter() {
        let origin = at(document.key(section).and_then(Key::span).or_else(|| item.span()));
        let table = item.as_table_like().filter(|_| keys.iter().any(|known| known.section == section));
        let Some(table) = table else {
            entries.push(Entry { key: section.to_owned(), raw: Raw::Typed(value_of(item)), origin });
            continue;
        };
        for (name, item) in table.iter() {
            let origin = at(table.key(name).and_then(Key::span).or_else(|| item.span()));
            entries.push(Entry { key: format!("{section}.{name}"), raw: Raw::Typed(value_of(item)), origin });
        }
    }
    entries
}

/// A table where a value should be becomes an inline table, which every key refuses.
fn value_of(item: &Item) -> Value {
    item.clone().into_value().unwrap_or_else(|_| Value::InlineTable(toml_edit::InlineTable::new()))
}

/// The line, from 1, of the byte at `offset`.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}
