//! Which words there are, and how many listings hold each: for typing errors, and for long beginnings of words.
//!
//! The words are read from the index after a start, beside everything else: until then there are no corrections, and everything else works. What is
//! listed meanwhile and later is gathered and folded in, [`NEW`] new words at a time. Counts only rank corrections, so they may be a little off.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use fst::automaton::Str;
use fst::map::OpBuilder;
use fst::raw::{Fst, Node};
use fst::{Automaton, IntoStreamer, Map, MapBuilder, Streamer};
use rusqlite::Connection;
use thiserror::Error;

use super::store::MARK;
use crate::db::Db;
use crate::proto::search::{Near, NearState as State};

/// New words that are gathered before they are folded in; each is looked at for itself until then.
const NEW: usize = 4096;
/// Known words whose counts are gathered.
const MORE: usize = 50_000;
/// Words in all. Beyond it new ones are not learnt: they are found as they are, and not corrected to.
const MOST: usize = 2_000_000;
/// Branches of the dictionary that one look for typing errors goes into.
const LOOKED_AT: usize = 10_000;
/// Beginnings or words near a mistyped one that are weighed against each other.
const WEIGHED: usize = 64;
/// Words by which a beginning is weighed.
const SAMPLE: usize = 16;

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
                // Where nothing is folded in any more, no more is gathered either.
                if words.more.len() < MORE || words.more.contains_key(&word) {
                    *words.more.entry(word).or_default() += 1;
                }
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

    /// What is nearest to `word`, at most `most`: words, or beginnings of words where it is `unfinished`. Those with the fewest errors come
    /// first, and of these the commonest.
    pub(super) fn near(&self, word: &str, unfinished: bool, most: usize) -> Vec<String> {
        let near = Near::new(word, unfinished);
        let words = self.read();
        let mut walk =
            Walk { near: &near, unfinished, known: words.known.as_fst(), letters: Vec::new(), left: LOOKED_AT, found: Vec::new() };
        walk.below(words.known.as_fst().root(), &near.start());
        let mut found: Vec<(u8, Reverse<u64>, String)> = Vec::new();
        for begun in walk.found {
            let count = if unfinished { sample(&words.known, &begun) } else { words.known.get(&begun).unwrap_or(0) };
            found.extend(near.distance(&begun).map(|errors| (errors, Reverse(count), begun)));
        }
        found.extend(
            words.new.iter().filter_map(|(other, count)| near.distance(other).map(|errors| (errors, Reverse(*count), other.clone()))),
        );
        found.sort_unstable();
        found.dedup_by(|one, other| one.2 == other.2);
        found.into_iter().map(|(_, _, word)| word).take(most).collect()
    }

    /// Whether there is such a word, or one that begins so where it is `unfinished`.
    pub(super) fn knows(&self, word: &str, unfinished: bool) -> bool {
        let words = self.read();
        if !unfinished {
            return words.known.contains_key(word) || words.new.contains_key(word);
        }
        let new = words.new.range(word.to_owned()..).next().is_some_and(|(other, _)| other.starts_with(word));
        new || words.known.search(Str::new(word).starts_with()).into_stream().next().is_some()
    }

    /// In how many listings a word is, about.
    pub(super) fn count(&self, word: &str) -> u64 {
        let words = self.read();
        words.known.get(word).unwrap_or(0) + words.new.get(word).copied().unwrap_or(0)
    }
}

/// About how common words are that begin so.
fn sample(known: &Map<Vec<u8>>, start: &str) -> u64 {
    let (mut below, mut sum) = (known.search(Str::new(start).starts_with()).into_stream(), 0);
    for _ in 0..SAMPLE {
        let Some((_, count)) = below.next() else { break };
        sum += count;
    }
    sum
}

/// A walk into those branches of the dictionary that may hold something near; where all that is below is near, it goes no further.
struct Walk<'a> {
    near: &'a Near,
    unfinished: bool,
    known: &'a Fst<Vec<u8>>,
    letters: Vec<u8>,
    left: usize,
    found: Vec<String>,
}

impl Walk<'_> {
    fn below(&mut self, node: Node<'_>, state: &State) {
        for branch in node.transitions() {
            if self.left == 0 || self.found.len() == WEIGHED {
                return;
            }
            let next = self.near.accept(state, branch.inp);
            if !self.near.can_match(&next) {
                continue;
            }
            self.left -= 1;
            self.letters.push(branch.inp);
            let node = self.known.node(branch.addr);
            let whole = !self.unfinished && node.is_final() && self.near.is_match(&next);
            if whole || self.near.is_begun(&next) {
                self.found.push(String::from_utf8_lossy(&self.letters).into_owned());
            }
            if !self.near.is_begun(&next) {
                self.below(node, &next);
            }
            self.letters.pop();
        }
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
        if !word.contains(&b':') && !word.starts_with(MARK.as_bytes()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever lists junk until the dictionary is full does not fill the memory after it.
    #[test]
    fn attack_a_dictionary_that_learns_no_more_gathers_no_more() {
        let words: Vec<String> = (0..MORE + 1000).map(|number| format!("{number:07}")).collect();
        let known = Map::from_iter(words.iter().map(|word| (word, 1))).unwrap();
        let full = Words { known: Arc::new(known), new: BTreeMap::new(), more: HashMap::new(), whole: false };
        let dictionary = Dictionary(RwLock::new(full));
        dictionary.learn(words.clone());
        dictionary.learn(words);
        assert_eq!(dictionary.read().more.len(), MORE);
    }
}
