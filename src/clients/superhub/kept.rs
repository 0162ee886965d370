//! Communities kept on the disk, and searched there when no hub answers: one line of JSON for each, the most useful first.
//!
//! Two files, so that nobody overwrites what another process learnt: what the running node lists of each hub ([`MAX_KNOWN`]), and what
//! was found by searching ([`MAX_FOUND`]). A line that cannot be read is as good as none; a file that is longer than it may be, too.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::listing::Listing;
use super::merge::{Once, by_hub, by_turns};
use crate::clock::UnixMillis;
use crate::config::DataDir;
use crate::config::files::{create_private_dir, read_bounded, write_private_atomically};
use crate::proto::search::{Query, words};

/// Longest file of what hubs list, in bytes.
pub const MAX_KNOWN: usize = 12 * 1024 * 1024;
/// Longest file of what was found, in bytes.
pub const MAX_FOUND: usize = 4 * 1024 * 1024;
/// Listings of one search on this machine.
pub const MOST: usize = 50;

/// A community, and who told of it when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Found {
    /// The hub.
    pub hub: String,
    /// When it said so.
    pub at: UnixMillis,
    /// What it said.
    #[serde(flatten)]
    pub listing: Listing,
}

impl Found {
    fn read(line: &[u8]) -> Option<Self> {
        let said: Value = serde_json::from_slice(line).ok()?;
        let (hub, at) = (said["hub"].as_str()?.to_owned(), UnixMillis(said["at"].as_u64()?));
        Some(Self { hub, at, listing: Listing::read(&said)? })
    }
}

/// What the file at `path` holds, of at most `most` bytes; nothing where there is none.
pub fn read(path: &Path, most: usize) -> Vec<Found> {
    let bytes = read_bounded(path, most as u64).unwrap_or_default();
    bytes.split(|byte| *byte == b'\n').filter_map(Found::read).collect()
}

/// Replaces the file at `path`: the first of `found`, each community once of each hub that says something else of it, as far as `most` bytes go.
///
/// # Errors
/// The file cannot be written; it is as it was then.
pub fn write<'a>(path: &Path, found: impl IntoIterator<Item = &'a Found>, most: usize) -> io::Result<()> {
    let (mut text, mut once) = (Vec::new(), Once::default());
    for found in found {
        let line = serde_json::to_vec(found)?;
        if text.len() + line.len() >= most {
            break;
        }
        if once.is_new(found) {
            text.extend_from_slice(&line);
            text.push(b'\n');
        }
    }
    if let Some(folder) = path.parent() {
        create_private_dir(folder)?;
    }
    write_private_atomically(path, &text)
}

/// Keeps what a search found, before what earlier ones did.
///
/// # Errors
/// As [`write()`].
pub fn remember(data: &DataDir, found: &[Found]) -> io::Result<()> {
    if found.is_empty() {
        return Ok(());
    }
    let (path, most) = (data.found_communities(), MAX_FOUND);
    let before = read(&path, most);
    write(&path, found.iter().chain(&before), most)
}

/// Another one after each change of what is kept.
pub type Stamp = [Option<(u64, u64, i64, i64)>; 2];

/// See [`Stamp`].
pub fn stamp(data: &DataDir) -> Stamp {
    [data.found_communities(), data.known_communities()].map(|path| {
        let found = fs::metadata(path).ok()?;
        Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    })
}

/// Everything that is kept, each community once of each hub that says something else of it, as it was told of last.
pub fn all(data: &DataDir) -> Vec<Found> {
    let mut found = read(&data.found_communities(), MAX_FOUND);
    found.extend(read(&data.known_communities(), MAX_KNOWN));
    found.sort_by_key(|found| std::cmp::Reverse(found.at));
    let mut once = Once::default();
    found.retain(|found| once.is_new(found));
    found
}

/// Those of `kept` in which each word of `query` begins one of theirs, at most [`MOST`]: found in the name first, then in the tags, then in
/// the description; without a query the first ones. The best of each hub come first, then the second of each, so that none drowns the others.
pub fn search(kept: Vec<Found>, query: Option<&Query>) -> Vec<Found> {
    let mut ranked: Vec<(usize, Found)> =
        kept.into_iter().filter_map(|found| Some((query.map_or(Some(0), |query| rank(&found.listing, query))?, found))).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    by_turns(by_hub(ranked.into_iter().map(|(_, found)| found).collect())).into_iter().take(MOST).collect()
}

/// The last of the places in which a word of `query` is found; `None` where one is nowhere.
fn rank(listing: &Listing, query: &Query) -> Option<usize> {
    let tags: Vec<&str> = listing.tags.iter().map(|tag| tag.as_str()).collect();
    let places = [listing.name.as_str(), &tags.join(" "), listing.description.as_str()].map(|text| words(text).collect::<Vec<_>>());
    let place = |word: &String| places.iter().position(|place| place.iter().any(|known| known.starts_with(word.as_str())));
    query.words().iter().map(place).try_fold(0, |worst, place| Some(worst.max(place?)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::proto::directory::ListingId;

    fn found(number: u8, name: &str, tag: &str) -> Found {
        let id = ListingId::from_bytes([number; 16]).to_string();
        let said = json!({ "id": id, "community": name, "rendezvous": "https://rv.example", "type": "open", "tags": [tag], "description": "For everybody" });
        Found { hub: "https://hub.example/".into(), at: UnixMillis(number.into()), listing: Listing::read(&said).unwrap() }
    }

    fn names(found: &[Found]) -> Vec<&str> {
        found.iter().map(|found| found.listing.name.as_str()).collect()
    }

    fn look(query: &str) -> Vec<String> {
        let kept = vec![found(1, "Board games", "chess"), found(2, "Chess Club", "go"), found(3, "Knitting", "wool")];
        let found = search(kept, Query::parse(query).unwrap().as_ref());
        names(&found).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_beginning_of_a_word_is_enough_and_names_stand_first() {
        assert_eq!(look("che"), ["Chess Club", "Board games"]);
        assert_eq!(look("CHÉSS club"), ["Chess Club"]);
        assert_eq!(look("chess xyz"), [""; 0]);
        assert_eq!(look("everybody").len(), 3);
        assert_eq!(look("").len(), 3);
    }

    #[test]
    fn what_was_found_last_stands_first_and_nothing_grows() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::at(folder.path());
        remember(&data, &[found(1, "One", "a"), found(2, "Two", "a")]).unwrap();
        remember(&data, &[found(2, "Two again", "a")]).unwrap();
        assert_eq!(names(&read(&data.found_communities(), MAX_FOUND)), ["Two again", "One"]);
        let many: Vec<Found> = (0..=255).map(|number| found(number, "Many", "a")).collect();
        write(&data.known_communities(), &many, 4096).unwrap();
        assert!(std::fs::metadata(data.known_communities()).unwrap().len() <= 4096);
        assert_eq!(names(&read(&data.known_communities(), 4096))[0], "Many");
    }

    /// Ids are read by everybody: a hub that says one again, with another place behind it, is believed beside the other, not in its stead.
    #[test]
    fn attack_no_hub_leads_elsewhere_what_another_lists() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataDir::at(folder.path());
        let honest = found(1, "Chess Club", "chess");
        let mut evil = Found { hub: "https://evil.example/".into(), at: UnixMillis(99), listing: honest.listing.clone() };
        let same = evil.clone();
        evil.listing.rendezvous = crate::proto::directory::Endpoint::parse("https://evil.example").unwrap();
        remember(&data, std::slice::from_ref(&honest)).unwrap();
        remember(&data, &[evil.clone()]).unwrap();
        write(&data.known_communities(), &[evil.clone(), honest.clone()], MAX_KNOWN).unwrap();
        assert_eq!(search(all(&data), None), [evil.clone(), honest.clone()], "both are there, each with its hub");
        remember(&data, &[same]).unwrap();
        assert_eq!(search(all(&data), None).len(), 1, "and what both say alike by now stands once");
    }

    #[test]
    fn attack_a_hub_that_lists_without_end_drowns_nobody() {
        let mut kept: Vec<Found> = (0..=255).map(|number| found(number, "Chess", "chess")).collect();
        let honest = Found { hub: "https://honest.example/".into(), ..found(0, "My chess", "chess") };
        kept.push(honest.clone());
        assert_eq!(search(kept, Query::parse("chess").unwrap().as_ref())[1], honest);
    }

    #[test]
    fn bad_input_a_damaged_file_costs_its_bad_lines_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let mut text = b"{\"hub\": 7}\n\xff\xfe\n[[[[\n\n".to_vec();
        text.extend(serde_json::to_vec(&found(1, "One", "a")).unwrap());
        std::fs::write(&path, text).unwrap();
        assert_eq!(names(&read(&path, MAX_FOUND)), ["One"]);
        assert_eq!(read(&path, 10), []);
    }
}
