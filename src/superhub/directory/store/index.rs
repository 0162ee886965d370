//! What of a listing is in the index, and where: [`place_of`] is the rank.

use rusqlite::{Connection, params};

use super::StoreError;
use super::origins::OURS;
use crate::proto::community::Kind;
use crate::proto::directory::Listing;
use crate::proto::health::Health;
use crate::proto::names::{Lang, Tag};
use crate::proto::search::words;

/// Pages of the index that are joined at once: some fifty milliseconds.
const JOINED: i32 = 1000;
/// Parts beside the largest that a search may have to look into.
const PARTS: usize = 3;
/// The largest part is written anew for others that are this part of it together: one eighth.
const WORTH: i64 = 8;
/// Bits of a listing's number in its place.
const ID_BITS: u32 = 40;
/// The largest number of a listing.
pub(in crate::superhub) const BEST_ID: i64 = (1 << ID_BITS) - 1;
/// How many classes of health there are; a place's upper bits.
pub(in crate::superhub) const CLASSES: i64 = Health::ALL.len() as i64;
/// The facet that every listing has.
pub(in crate::superhub) const ALL: &str = "a:";
/// What stands before a word of a name or a tag.
pub(in crate::superhub) const MARK: &str = "=";
/// The facet of what other hubs list.
pub(in crate::superhub) const FEDERATED: &str = "f:";

/// The row of a listing in the index: those whose servers do well come first, then the older ones.
pub(in crate::superhub) fn place_of(health: Health, id: i64) -> i64 {
    (health as i64) << ID_BITS | (id & BEST_ID)
}

/// The words that stand for what a listing is; none of them can be a word of its text, which holds no colon.
pub(in crate::superhub) mod facet {
    use super::{Kind, Lang, Tag};

    pub(in crate::superhub) fn kind(kind: Kind) -> String {
        format!("k:{}", kind.word())
    }

    pub(in crate::superhub) fn tag(tag: &Tag) -> String {
        format!("t:{}", tag.as_str())
    }

    /// A language, which stands for its dialects too.
    pub(in crate::superhub) fn lang(lang: &Lang) -> String {
        format!("l:{}", lang.as_str())
    }

    pub(in crate::superhub) fn origin(origin: i64) -> String {
        format!("o:{origin}")
    }

    pub(in crate::superhub) fn paid(paid: bool) -> String {
        format!("p:{}", u8::from(paid))
    }
}

/// The values of a facet, as `t` is that of tags, which the most listings have; their words are `t:value`, and `;` comes after `:`.
pub(in crate::superhub) fn most_used(look: &Connection, facet: char, most: usize) -> Result<Vec<String>, StoreError> {
    let query = "SELECT substr(term, 3) FROM words WHERE term >= ?1 AND term < ?2 ORDER BY doc DESC, term LIMIT ?3";
    let mut query = look.prepare_cached(query)?;
    let found = query.query_map((format!("{facet}:"), format!("{facet};"), most as i64), |row| row.get(0))?;
    Ok(found.collect::<rusqlite::Result<_>>()?)
}

fn facets(listing: &Listing, origin: i64) -> String {
    let mut all = vec![ALL.to_owned(), facet::kind(listing.kind), facet::paid(listing.paid), facet::origin(origin)];
    all.extend((origin != OURS).then(|| FEDERATED.to_owned()));
    all.extend(listing.tags.iter().map(facet::tag));
    if let Some(lang) = &listing.lang {
        all.push(facet::lang(lang));
        all.extend((lang.primary() != lang.as_str()).then(|| format!("l:{}", lang.primary())));
    }
    all.join(" ")
}

/// Puts a listing into the index; answers its words.
pub(super) fn add(change: &Connection, place: i64, listing: &Listing, origin: i64) -> rusqlite::Result<Vec<String>> {
    let name: Vec<String> = words(listing.name.as_str()).collect();
    let tags: Vec<String> = listing.tags.iter().flat_map(|tag| words(tag.as_str()).collect::<Vec<_>>()).collect();
    let text: Vec<String> = words(listing.summary.as_str()).collect();
    let added = "INSERT INTO search (rowid, name, tags, text, facets) VALUES (?1, ?2, ?3, ?4, ?5)";
    let (name_again, tags_again) = (marked(&name), marked(&tags));
    let all = [name, tags, text].concat();
    change.prepare_cached(added)?.execute(params![place, name_again, tags_again, all.join(" "), facets(listing, origin)])?;
    Ok(all)
}

/// Words that stand in a name or are tags.
fn marked(words: &[String]) -> String {
    words.iter().map(|word| format!("{MARK}{word}")).collect::<Vec<_>>().join(" ")
}

/// Joins parts of the index that many changes have left; answers whether there was anything to do. First those of one size; then, where
/// what stands beside the largest is worth writing that anew, all of them.
pub(super) fn join_parts(change: &Connection) -> rusqlite::Result<bool> {
    Ok(join(change, JOINED)? || (is_scattered(change)? && join(change, -JOINED)?))
}

/// The index's own command: a negative number of pages begins to make one part of all.
fn join(change: &Connection, pages: i32) -> rusqlite::Result<bool> {
    let before = change.total_changes();
    change.prepare_cached("INSERT INTO search (search, rank) VALUES ('merge', ?1)")?.execute([pages])?;
    // The statement itself counts as one (FTS5, "the 'merge' command").
    Ok(change.total_changes() - before > 1)
}

fn is_scattered(look: &Connection) -> rusqlite::Result<bool> {
    let mut query = look.prepare_cached("SELECT count(*) FROM search_idx GROUP BY segid ORDER BY 1 DESC")?;
    let pages: Vec<i64> = query.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let Some((largest, others)) = pages.split_first() else { return Ok(false) };
    Ok(others.len() >= PARTS && others.iter().sum::<i64>() * WORTH >= *largest)
}

/// Takes a listing out of the index.
pub(super) fn remove(change: &Connection, place: i64) -> rusqlite::Result<()> {
    change.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([place]).map(drop)
}
