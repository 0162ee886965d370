//! How a query is read, and what is done with what it finds: words, the beginning of a word, small typing errors, nobody drowning others.
//!
//! Names, tags, descriptions and queries go through the same [`words`], so that what was written one way is found the other: letter case,
//! accents and width do not count. Languages without blanks between words are read character by character. A query has no operators: `AND`,
//! `"`, `*`, `:` and the like separate words or are words. The last word may be unfinished, since people read results while they type.
//!
//! Results stand in [`Tier`]s: first where every word is a word of the name, then where name or tags begin so, then where the words
//! are anywhere, at last where they are nearly. In a tier stand those whose servers were seen well before the others, and the older listing
//! before the newer. What a community claims about its size never counts.

use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

mod near;
mod spread;

pub use near::{Near, State as NearState, errors_allowed};
pub use spread::{FIRST, PER_ORIGIN, spread};

/// Longest query, in bytes.
pub const MAX_QUERY: usize = 256;
/// Words of a query that count; further ones are passed over.
pub const MAX_WORDS: usize = 8;
/// Longest word, in characters; of a longer one the beginning counts.
pub const MAX_WORD: usize = 32;

/// How well a listing fits, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Every word is a word of the name.
    Name,
    /// Every word is in name or tags, the last one perhaps unfinished.
    Start,
    /// The same, in any text.
    Text,
    /// The same, but for typing errors.
    Near,
}

impl Tier {
    /// All of them, the best first.
    pub const ALL: [Self; 4] = [Self::Name, Self::Start, Self::Text, Self::Near];
}

/// Why a text is no query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum QueryError {
    /// [`MAX_QUERY`].
    #[error("a query has at most {MAX_QUERY} bytes")]
    Long,
    /// Signs only.
    #[error("a query needs a letter or a digit")]
    NoWord,
}

/// What somebody looks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    words: Vec<String>,
    unfinished: bool,
}

impl Query {
    /// Reads a query; `None` where nothing was typed.
    ///
    /// # Errors
    /// See [`QueryError`].
    pub fn parse(text: &str) -> Result<Option<Self>, QueryError> {
        if text.len() > MAX_QUERY {
            return Err(QueryError::Long);
        }
        if text.trim().is_empty() {
            return Ok(None);
        }
        let words: Vec<String> = words(text).take(MAX_WORDS).collect();
        let unfinished = !text.ends_with(char::is_whitespace);
        if words.is_empty() { Err(QueryError::NoWord) } else { Ok(Some(Self { words, unfinished })) }
    }

    /// Its words, at least one; they hold letters, digits and combining marks only.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether the last word may go on.
    pub fn is_unfinished(&self) -> bool {
        self.unfinished
    }
}

/// The words of a text.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    let mut chars = text.nfkd().filter(|c| !is_accent(*c)).flat_map(char::to_lowercase).filter(|c| !is_accent(*c)).peekable();
    std::iter::from_fn(move || {
        while chars.next_if(|c| !is_of_word(*c)).is_some() {}
        let first = chars.next()?;
        let mut word = String::from(first);
        if stands_alone(first) {
            return Some(word);
        }
        let mut length = 1;
        while let Some(c) = chars.next_if(|c| is_of_word(*c) && !stands_alone(*c)) {
            length += 1;
            if length <= MAX_WORD {
                word.push(c);
            }
        }
        Some(word)
    })
}

/// Accents of Latin, Greek, Cyrillic and kana; the vowel signs of other scripts are part of their words.
fn is_accent(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{3099}' | '\u{309a}')
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c)
}

/// Characters of scripts that put no blanks between words: Chinese and Japanese, Thai, Lao, Myanmar, Khmer.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{3040}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}'
        | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> Vec<String> {
        words(text).collect()
    }

    #[test]
    fn case_accents_and_width_do_not_count() {
        assert_eq!(of("Café-RÖSTEREI, Ｚürich!"), ["cafe", "rosterei", "zurich"]);
        assert_eq!(of("İstanbul ΑΘΉΝΑ Ёлка"), ["istanbul", "αθηνα", "елка"]);
        assert_eq!(of("将棋クラブ go"), ["将", "棋", "ク", "ラ", "フ", "go"]);
        assert_eq!(of(&"x".repeat(100)), ["x".repeat(32)]);
    }

    #[test]
    fn a_query_has_no_operators() {
        let query = Query::parse("NEAR(\"chess\" AND name:x*) OR -y").unwrap().unwrap();
        assert_eq!(query.words(), ["near", "chess", "and", "name", "x", "or", "y"]);
        for empty in ["", " ", "\t\n"] {
            assert_eq!(Query::parse(empty), Ok(None));
        }
        for signs in ["*", "\"\"", "()", ":-)", "^"] {
            assert_eq!(Query::parse(signs), Err(QueryError::NoWord), "{signs}");
        }
        assert_eq!(Query::parse(&"chess ".repeat(2000)), Err(QueryError::Long));
        assert_eq!(Query::parse("a b c d e f g h i j k").unwrap().unwrap().words().len(), MAX_WORDS);
    }

    #[test]
    fn a_blank_finishes_a_word() {
        assert!(Query::parse("che").unwrap().unwrap().is_unfinished());
        assert!(!Query::parse("chess ").unwrap().unwrap().is_unfinished());
    }

    proptest! {
        #[test]
        fn words_are_short_plain_and_their_own_words(text in any::<String>()) {
            for word in words(&text) {
                prop_assert!(word.chars().count() <= MAX_WORD * 2 && !word.is_empty());
                prop_assert!(word.chars().all(is_of_word));
            }
            if let Ok(Some(query)) = Query::parse(&text) {
                prop_assert!((1..=MAX_WORDS).contains(&query.words().len()));
            }
        }
    }
}
