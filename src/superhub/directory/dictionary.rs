//! Which words there are, and how many listings hold each: for typing errors, and for long beginnings of words.
//!
//! The words are read from the index after a start, beside everything else: until then there are no corrections, and everything else works. What is
//! listed meanwhile and later is gathered and folded in, [`NEW`] new words at a time. Counts only rank corrections, so they may be a little off.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fst::automaton::Str;
use fst::map::OpBuilder;
use fst::{Automaton, IntoStreamer, Map, MapBuilder, Streamer};
use rusqlite::Connection;
use thiserror::Error;

use crate::db::Db;
use crate::proto::search::Near;

/// New words that are gathered before they are folded in; each is looked at for itself until then.
const NEW: usize = 4096;
/// Known words whose counts are gathered.
const MORE: usize = 50_000;
/// Words in all. Beyond it new ones are not learnt: they are found as they are, and not corrected to.
const MOST: usize = 2_000_000;
/// Words that one look goes through; the rest of an even longer beginning is not looked at.
const LOOKED_AT: usize = 20_000;

/// The words. A look takes the lock for a moment only.
pub(super) struct Dictionary(RwLock<Words>);

struct Words {
    known: Arc<Map<Vec<u8>>>,
    new: BTreeMap<String, u64>,
    /// What is to be added to the counts of known words.
    more: HashMap<String, u64>,
    /// Whether every word of the index is here.
    whole: bool,
}

impl Default for Dictionary {
    fn default() -> Self {
        Self(RwLock::new(Words { known: Arc::new(Map::default()), new: BTreeMap::new(), more: HashMap::new(), whole: false }))
    }
}

impl Dictionary {
    /// Reads the words of the index.
    pub(super) fn load(&self, db: &Db) {
        match db.read(|look| Ok(of_index(look))) {
            Ok(Ok((known, whole))) => {
                let mut words = self.write();
                words.known = Arc::new(known);
                words.whole = whole;
            }
            Ok(Err(error)) => tracing::warn!(%error, "typing errors are not corrected: the words could not be read"),
            Err(error) => tracing::warn!(%error, "typing errors are not corrected: the words could not be read"),
        }
    }

    /// These words were listed. Only the directory's writer calls this.
    pub(super) fn learn(&self, learnt: Vec<String>) {
        if self.gather(learnt) {
            // Searches go on meanwhile: they read too.
            let folded = fold(&self.read());
            let mut words = self.write();
            words.new.clear();
            words.more.clear();
            match folded {
                Ok(known) => words.known = Arc::new(known),
                Err(error) => {
                    words.whole = false;
                    tracing::warn!(%error, "new words could not be folded into the dictionary");
                }
            }
        }
    }

    /// Notes these words; answers whether enough is gathered. Before the index was read, what is new waits for it.
    fn gather(&self, learnt: Vec<String>) -> bool {
        let mut words = self.write();
        for word in learnt {
            if words.known.contains_key(&word) {
                *words.more.entry(word).or_default() += 1;
            } else if words.known.len() + words.new.len() < MOST {
                *words.new.entry(word).or_default() += 1;
            } else {
                words.whole = false;
            }
        }
        words.whole && (words.new.len() >= NEW || words.more.len() >= MORE)
    }

    fn read(&self) -> RwLockReadGuard<'_, Words> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Words> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every word that begins with `start`, where there are at most `most`; `None` where there are more, or where that is not known.
    pub(super) fn beginning_with(&self, start: &str, most: usize) -> Option<Vec<String>> {
        let words = self.read();
        if !words.whole {
            return None;
        }
        let fresh = words.new.range(start.to_owned()..).map(|(word, _)| word).take_while(|word| word.starts_with(start));
        let mut found: Vec<String> = fresh.take(most + 1).cloned().collect();
        let mut known = words.known.search(Str::new(start).starts_with()).into_stream();
        while found.len() <= most
            && let Some((word, _)) = known.next()
        {
            let word = String::from_utf8_lossy(word).into_owned();
            if !found.contains(&word) {
                found.push(word);
            }
        }
        (found.len() <= most).then_some(found)
    }

    /// The words nearest to `word`, at most `most`: those with the fewest errors, and of these the commonest.
    pub(super) fn near(&self, word: &str, unfinished: bool, most: usize) -> Vec<String> {
        let near = Near::new(word, unfinished);
        let words = self.read();
        let mut found: Vec<(u8, Reverse<u64>, String)> = Vec::new();
        let mut note = |other: &str, count: u64| {
            if let Some(errors) = near.distance(other) {
                found.push((errors, Reverse(count), other.to_owned()));
            }
        };
        let mut known = words.known.search(&near).into_stream();
        let mut looked_at = 0;
        while looked_at < LOOKED_AT
            && let Some((other, count)) = known.next()
        {
            looked_at += 1;
            note(&String::from_utf8_lossy(other), count);
        }
        words.new.iter().for_each(|(other, count)| note(other, *count));
        found.sort_unstable();
        found.dedup_by(|one, other| one.2 == other.2);
        found.into_iter().map(|(_, _, word)| word).take(most).collect()
    }

    /// In how many listings a word is, about.
    pub(super) fn count(&self, word: &str) -> u64 {
        let words = self.read();
        words.known.get(word).unwrap_or(0) + words.new.get(word).copied().unwrap_or(0)
    }
}

/// The words of the index, and whether these are all.
fn of_index(look: &Connection) -> Result<(Map<Vec<u8>>, bool), LoadError> {
    let (mut builder, mut number) = (MapBuilder::memory(), 0);
    let mut query = look.prepare("SELECT term, doc FROM words")?;
    let mut rows = query.query([])?;
    while number < MOST
        && let Some(row) = rows.next()?
    {
        let (word, count) = (row.get_ref(0)?.as_bytes().map_err(rusqlite::Error::from)?, row.get::<_, i64>(1)?);
        if !word.contains(&b':') {
            number += 1;
            builder.insert(word, count.unsigned_abs())?;
        }
    }
    Ok((finished(builder)?, number < MOST))
}

/// Why the words could not be read.
#[derive(Debug, Error)]
enum LoadError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error(transparent)]
    Words(#[from] fst::Error),
}

fn fold(words: &Words) -> Result<Map<Vec<u8>>, fst::Error> {
    let gathered: BTreeMap<&str, u64> = words.new.iter().chain(&words.more).map(|(word, count)| (word.as_str(), *count)).collect();
    let gathered = Map::from_iter(gathered)?;
    let mut builder = MapBuilder::memory();
    let mut both = OpBuilder::new().add(&*words.known).add(&gathered).union();
    while let Some((word, counts)) = both.next() {
        builder.insert(word, counts.iter().map(|count| count.value).sum())?;
    }
    finished(builder)
}

fn finished(builder: MapBuilder<Vec<u8>>) -> Result<Map<Vec<u8>>, fst::Error> {
    Map::new(builder.into_inner()?)
}
