//! A query in the index's own language. Words hold letters and digits only and stand in quotes, so nothing that somebody types is an operator.

use super::{Dictionary, MARK};
use crate::proto::directory::Listing;
use crate::proto::search::{Query, Tier, errors_allowed, words};

/// Longest beginning of a word that the index has a list for; see `prefix` in the migration.
const LISTED: usize = 6;
/// Words that a longer beginning may stand for; for more, the index gathers them itself.
const COMPLETIONS: usize = 12;
/// Words that a mistyped one may have meant.
const MEANT: usize = 6;
/// Listings that a word may be in before it is so common that where it stands says little. Several such words are looked for anywhere only: in
/// names they may never stand together, and finding that out costs as much as they are common there.
const COMMON: u64 = 200_000;

/// Listings that a word may be in, as far as is known, so that these are read one by one.
const RARE: u64 = 60;
/// Letters of an unfinished word that may be as rare.
const RARE_LETTERS: usize = 3;

/// What a query looks for in each tier.
pub(super) struct Expressions<'a> {
    query: &'a Query,
    dictionary: &'a Dictionary,
    name: String,
    start: String,
    text: String,
    common: bool,
}

impl<'a> Expressions<'a> {
    pub(super) fn new(query: &'a Query, dictionary: &'a Dictionary) -> Self {
        let words = query.words();
        let all = |mark: &str, unfinished: bool| {
            let one = |(at, word): (usize, &String)| {
                if unfinished && at + 1 == words.len() { beginning(mark, word, dictionary) } else { quoted(mark, word) }
            };
            words.iter().enumerate().map(one).collect::<Vec<_>>().join(" AND ")
        };
        let name = format!("{{name}} : ({})", all(MARK, false));
        let (start, text) = (all(MARK, query.is_unfinished()), all("", query.is_unfinished()));
        let common = words.len() > 1 && words.iter().all(|word| dictionary.count(word) > COMMON);
        Self { query, dictionary, name, start, text, common }
    }

    /// The expression of a tier, with the results of those before it; `None` where the tier has none of its own.
    pub(super) fn with_better(&self, tier: Tier) -> Option<String> {
        match tier {
            Tier::Name | Tier::Start if self.common => None,
            Tier::Name => Some(self.name.clone()),
            Tier::Start => Some(self.start.clone()),
            Tier::Text => Some(self.text.clone()),
            Tier::Near => self.near(),
        }
    }

    /// The expression of a tier without the results of those before it; `None` where the tier has none of its own.
    pub(super) fn tier(&self, tier: Tier) -> Option<String> {
        let all = self.with_better(tier)?;
        match tier {
            Tier::Name => Some(all),
            Tier::Text if self.common => Some(all),
            Tier::Start => Some(format!("({all}) NOT ({})", self.name)),
            Tier::Text => Some(format!("({all}) NOT ({})", self.start)),
            Tier::Near => Some(format!("({all}) NOT ({})", self.text)),
        }
    }

    /// Words of a query of several that few listings may hold, the rarest first.
    pub(super) fn rare(&self) -> Vec<String> {
        let words = self.query.words();
        let Some((last, others)) = words.split_last().filter(|(_, others)| !others.is_empty()) else { return Vec::new() };
        let finished = if self.query.is_unfinished() { others } else { words };
        let mut rare: Vec<(u64, &String)> = finished.iter().map(|word| (self.dictionary.count(word), word)).collect();
        rare.retain(|(count, _)| *count <= RARE);
        rare.sort_unstable();
        let unfinished = self.query.is_unfinished() && last.chars().count() >= RARE_LETTERS;
        let unfinished = unfinished.then(|| beginning("", last, self.dictionary));
        rare.first().map(|(_, word)| quoted("", word)).into_iter().chain(unfinished).collect()
    }

    /// The tier of a listing, where it has every word somewhere.
    pub(super) fn tier_of(&self, listing: &Listing) -> Option<Tier> {
        let name: Vec<String> = words(listing.name.as_str()).collect();
        let tags: Vec<String> = listing.tags.iter().flat_map(|tag| words(tag.as_str()).collect::<Vec<_>>()).collect();
        let text: Vec<String> = words(listing.summary.as_str()).collect();
        let wanted = self.query.words();
        let is_in = |places: &[&[String]]| {
            wanted.iter().enumerate().all(|(at, word)| {
                let unfinished = self.query.is_unfinished() && at + 1 == wanted.len();
                places.iter().copied().flatten().any(|known| known == word || (unfinished && known.starts_with(word.as_str())))
            })
        };
        match () {
            () if wanted.iter().all(|word| name.contains(word)) => Some(Tier::Name),
            () if is_in(&[&name, &tags]) => Some(Tier::Start),
            () if is_in(&[&name, &tags, &text]) => Some(Tier::Text),
            () => None,
        }
    }

    /// Every word, wherever it is.
    pub(super) fn anywhere(&self) -> String {
        self.text.clone()
    }

    /// Each word that there is, and what is near each that there is not; `None` where there is nothing near. A word that somebody uses is no typing
    /// error, so queries that just find little cost no walk through the dictionary.
    fn near(&self) -> Option<String> {
        let words = self.query.words();
        let mut corrected = false;
        let mut alternatives = |(at, word): (usize, &String)| {
            let unfinished = self.query.is_unfinished() && at + 1 == words.len();
            let mut meant = vec![if unfinished { beginning("", word, self.dictionary) } else { quoted("", word) }];
            if errors_allowed(word.chars().count()) > 0 && !self.dictionary.knows(word, unfinished) {
                let near = self.dictionary.near(word, unfinished, MEANT);
                corrected |= near.iter().any(|other| other != word);
                let meaning = |other: &String| if unfinished { beginning("", other, self.dictionary) } else { quoted("", other) };
                meant.extend(near.iter().filter(|other| *other != word).map(meaning));
            }
            format!("({})", meant.join(" OR "))
        };
        let near = words.iter().enumerate().map(&mut alternatives).collect::<Vec<_>>().join(" AND ");
        corrected.then_some(near)
    }
}

fn quoted(mark: &str, word: &str) -> String {
    format!("\"{mark}{word}\"")
}

/// What begins so: one of the index's lists, or the few words that there are.
fn beginning(mark: &str, start: &str, dictionary: &Dictionary) -> String {
    let words = (start.chars().count() > LISTED).then(|| dictionary.beginning_with(start, COMPLETIONS)).flatten();
    match words {
        None => format!("{} *", quoted(mark, start)),
        Some(words) if words.is_empty() => quoted(mark, start),
        Some(words) => format!("({})", words.iter().map(|word| quoted(mark, word)).collect::<Vec<_>>().join(" OR ")),
    }
}
