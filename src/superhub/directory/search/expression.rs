//! A query in the index's own language. Words hold letters and digits only and stand in quotes, so nothing that somebody types is an operator.

use super::Dictionary;
use crate::proto::search::{Query, Tier, errors_allowed};

/// Longest beginning of a word that the index has a list for; see `prefix` in the migration.
const LISTED: usize = 6;
/// Words that a longer beginning may stand for; for more, the index gathers them itself.
const COMPLETIONS: usize = 12;
/// Words that a mistyped one may have meant.
const MEANT: usize = 6;
/// Listings that a word may be in before it is so common that where it stands says little. Several such words are looked for anywhere only: in
/// names they may never stand together, and finding that out costs as much as they are common.
const COMMON: u64 = 20_000;

/// What a query looks for in each tier.
pub(super) struct Expressions<'a> {
    query: &'a Query,
    dictionary: &'a Dictionary,
    whole: String,
    begun: String,
    common: bool,
}

impl<'a> Expressions<'a> {
    pub(super) fn new(query: &'a Query, dictionary: &'a Dictionary) -> Self {
        let words = query.words();
        let (last, first) = words.split_last().map(|(last, first)| (last.as_str(), first)).unwrap_or_default();
        let whole = |words: &[String]| words.iter().map(|word| quoted(word)).collect::<Vec<_>>();
        let mut begun = whole(first);
        begun.push(if query.is_unfinished() { beginning(last, dictionary) } else { quoted(last) });
        let common = words.len() > 1 && words.iter().all(|word| dictionary.count(word) > COMMON);
        Self { query, dictionary, whole: whole(words).join(" AND "), begun: begun.join(" AND "), common }
    }

    /// The expression of a tier without the results of those before it; `None` where the tier has none of its own.
    pub(super) fn tier(&self, tier: Tier) -> Option<String> {
        let name = format!("{{name}} : ({})", self.whole);
        let start = format!("{{name tags}} : ({})", self.begun);
        let text = self.anywhere();
        match tier {
            Tier::Name | Tier::Start if self.common => None,
            Tier::Name => Some(name),
            Tier::Start => Some(format!("({start}) NOT ({name})")),
            Tier::Text if self.common => Some(text),
            Tier::Text => Some(format!("({text}) NOT ({start})")),
            Tier::Near => self.near().map(|near| format!("({{name tags text}} : ({near})) NOT ({text})")),
        }
    }

    /// Every word, wherever it is.
    pub(super) fn anywhere(&self) -> String {
        format!("{{name tags text}} : ({})", self.begun)
    }

    /// Each word, or one near it; `None` where there is nothing near any.
    fn near(&self) -> Option<String> {
        let words = self.query.words();
        let mut corrected = false;
        let mut alternatives = |(at, word): (usize, &String)| {
            let unfinished = self.query.is_unfinished() && at + 1 == words.len();
            let mut meant = vec![if unfinished { beginning(word, self.dictionary) } else { quoted(word) }];
            if errors_allowed(word.chars().count()) > 0 {
                let near = self.dictionary.near(word, unfinished, MEANT);
                corrected |= near.iter().any(|other| other != word);
                let meaning = |other: &String| if unfinished { beginning(other, self.dictionary) } else { quoted(other) };
                meant.extend(near.iter().filter(|other| *other != word).map(meaning));
            }
            format!("({})", meant.join(" OR "))
        };
        let near = words.iter().enumerate().map(&mut alternatives).collect::<Vec<_>>().join(" AND ");
        corrected.then_some(near)
    }
}

fn quoted(word: &str) -> String {
    format!("\"{word}\"")
}

/// What begins so: one of the index's lists, or the few words that there are.
fn beginning(start: &str, dictionary: &Dictionary) -> String {
    let words = (start.chars().count() > LISTED).then(|| dictionary.beginning_with(start, COMPLETIONS)).flatten();
    match words {
        None => format!("{} *", quoted(start)),
        Some(words) if words.is_empty() => quoted(start),
        Some(words) => format!("({})", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" OR ")),
    }
}
