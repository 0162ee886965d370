//! The page that answers for a folder without an index file: its files and folders, by the same rules by which they are served.
//!
//! It is whole in memory before its first byte goes out, at most [`MAX_LISTED`] lines of it.

use askama::Template;
use cap_std::fs::{Dir, DirEntry};
use sha2::{Digest, Sha256};

use super::file::modified;
use super::{FileBody, OpenFile, SiteError, SitePath};

/// Files and folders on the page of one folder.
pub const MAX_LISTED: usize = 1000;
/// Names looked at for one page, private ones included.
const MAX_SEEN: usize = 10 * MAX_LISTED;

#[derive(Template)]
#[template(path = "site_folder.html")]
struct Page<'a> {
    folder: &'a str,
    up: Option<&'static str>,
    lines: &'a [Line],
    cut: bool,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    is_file: bool,
    name: String,
    href: String,
    size: String,
}

/// Blocking: the page of the folder that `path` names beneath `root`; `NotFound` if there is nothing to show.
pub(super) fn page(root: &Dir, path: &SitePath) -> Result<OpenFile, SiteError> {
    let folder = path.relative();
    let dir = root.open_dir(if folder.is_empty() { "." } else { folder })?;
    let modified = modified(&dir.dir_metadata()?);
    let (mut lines, cut) = lines(&dir, path)?;
    if lines.is_empty() {
        return Err(SiteError::NotFound);
    }
    lines.sort_unstable();
    let up = (!folder.is_empty()).then_some(if path.is_folder() { "../" } else { "./" });
    let html = Page { folder, up, lines: &lines, cut }.render().map_err(|error| SiteError::Io(std::io::Error::other(error)))?;
    let etag = Sha256::digest(&html).iter().take(12).map(|byte| format!("{byte:02x}")).collect();
    let (size, mime) = (html.len() as u64, "text/html; charset=utf-8".into());
    Ok(OpenFile { size, mime, modified, etag, body: FileBody::of(html.into_bytes()) })
}

fn lines(dir: &Dir, path: &SitePath) -> Result<(Vec<Line>, bool), SiteError> {
    let mut lines = Vec::new();
    for (seen, entry) in dir.entries()?.enumerate() {
        if lines.len() >= MAX_LISTED || seen >= MAX_SEEN {
            return Ok((lines, true));
        }
        lines.extend(entry.ok().and_then(|entry| line(dir, &entry, path)));
    }
    Ok((lines, false))
}

/// What vanishes, cannot be read or is never served is left out.
fn line(dir: &Dir, entry: &DirEntry, path: &SitePath) -> Option<Line> {
    let name = entry.file_name().into_string().ok()?;
    SitePath::parse(&format!("{}/{name}", path.relative())).ok()?;
    let metadata = dir.metadata(&name).ok().filter(|found| found.is_file() || found.is_dir())?;
    let here = if path.is_folder() { String::new() } else { encoded(path.relative().rsplit('/').next()?) + "/" };
    let (is_file, href) = (metadata.is_file(), here + &encoded(&name));
    match is_file {
        true => Some(Line { is_file, name, href, size: readable(metadata.len()) }),
        false => Some(Line { is_file, name: name + "/", href: href + "/", size: String::new() }),
    }
}

/// A name as one component of a URL.
pub fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    name.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn readable(bytes: u64) -> String {
    let (mut size, mut units) = (bytes, ["kB", "MB", "GB", "TB"].iter());
    let mut unit = "bytes";
    while size >= 10_000 {
        let Some(next) = units.next() else { break };
        (size, unit) = (size / 1000, next);
    }
    format!("{size} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_component_of_a_url_whatever_it_holds() {
        assert_eq!(encoded("a b.html"), "a%20b.html");
        assert_eq!(encoded("\"><é&#?%/:"), "%22%3E%3C%C3%A9%26%23%3F%25%2F%3A");
    }

    #[test]
    fn a_size_is_said_in_a_unit_that_keeps_it_short() {
        for (bytes, text) in [(0, "0 bytes"), (9_999, "9999 bytes"), (10_000, "10 kB"), (123_456_789, "123 MB"), (u64::MAX, "18446744 TB")]
        {
            assert_eq!(readable(bytes), text);
        }
    }
}
