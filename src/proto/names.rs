//! Names of communities as strangers write them: how they are kept, which are refused, and which look alike (THREATS 23, 66).
//!
//! A name is a label and never an identity (FEDERATION B.8). It is kept as NFKC, white space as single blanks; control characters fall
//! away. What nobody can see is refused, since it makes two names of one: bidirectional controls, zero-width characters, tags. Two names
//! look alike if their *skeletons* are the same (UTS #39, `skeleton`): letter case, punctuation and blanks do not count, and `i`, `l`, `1` and
//! `|` are one, since a capital `I` looks like a small `l`. So "Mail" and "Mall" look alike too: the mark says no more than "look twice".

use serde::Serialize;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;
use unicode_security::confusable_detection::skeleton as uts39;

use super::presence::label::{cut_bytes, is_invisible, is_one_mark_more};

/// Most characters of a name.
pub const MAX_NAME: usize = 64;
/// Most bytes of a summary.
pub const MAX_SUMMARY: usize = 512;
/// Most characters of a tag.
pub const MAX_TAG: usize = 32;
/// Most tags of one community.
pub const MAX_TAGS: usize = 8;
/// Longest language tag, in characters (RFC 5646 §4.4.1).
pub const MAX_LANG: usize = 35;
/// Longest text that is normalised at all, in bytes: NFKC can make eighteen characters of one.
const MAX_READ: usize = 4096;

/// Why a text is no name, tag or language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameError {
    /// Nothing that shows.
    #[error("a community needs a name")]
    Empty,
    /// [`MAX_NAME`].
    #[error("a name has at most {MAX_NAME} characters")]
    Long,
    /// Bidirectional controls, zero-width characters and the like.
    #[error("a name may not hold characters that nobody sees, U+{0:04X} here")]
    Hidden(u32),
    /// [`MAX_SUMMARY`].
    #[error("a description has at most {MAX_SUMMARY} bytes")]
    LongSummary,
    /// [`MAX_TAG`] letters, digits and inner hyphens.
    #[error("a tag has 1 to {MAX_TAG} letters, digits and hyphens between them")]
    Tag,
    /// [`MAX_TAGS`].
    #[error("a community has at most {MAX_TAGS} tags")]
    Tags,
    /// Not BCP 47.
    #[error("a language is written as in \"en\" or \"pt-BR\" (BCP 47)")]
    Lang,
}

/// The name of a community; see the head of this file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// Reads a name; reading the result again gives the same.
    ///
    /// # Errors
    /// [`NameError::Empty`], [`NameError::Long`], [`NameError::Hidden`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let normal = normal(text).ok_or(NameError::Long)?;
        if let Some(hidden) = normal.chars().find(|c| is_hidden(*c)) {
            return Err(NameError::Hidden(hidden.into()));
        }
        match normal.chars().count() {
            0 => Err(NameError::Empty),
            1..=MAX_NAME => Ok(Self(normal)),
            _ => Err(NameError::Long),
        }
    }

    /// A name that was read before it was kept.
    pub(in crate::proto) fn kept(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it looks like: names with the same skeleton look alike.
    pub fn skeleton(&self) -> String {
        let lower: String = self.0.to_lowercase();
        let prototype: String = uts39(&lower).collect::<String>().to_lowercase();
        let bare: String =
            prototype.chars().filter(|c| c.is_alphanumeric()).map(|c| if matches!(c, 'i' | '1') { 'l' } else { c }).collect();
        if bare.is_empty() { prototype } else { bare }
    }
}

/// What a community says of itself: one line of at most [`MAX_SUMMARY`] bytes; may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Summary(String);

impl Summary {
    /// Reads a summary. Control characters become blanks, and what would turn or hide text falls away; joiners stay, since whole
    /// languages are written with them.
    ///
    /// # Errors
    /// [`NameError::LongSummary`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let line = normal(text).ok_or(NameError::LongSummary)?;
        let line: String = line.chars().filter(|c| !is_invisible(*c)).collect();
        let line = blanks(&line.nfkc().collect::<String>());
        if line.len() <= MAX_SUMMARY { Ok(Self(line)) } else { Err(NameError::LongSummary) }
    }

    /// A summary that was read before it was kept.
    pub(in crate::proto) fn kept(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Under what a community is filed: small letters, digits and hyphens between them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Tag(String);

impl Tag {
    /// Reads a tag; blanks and underscores become hyphens.
    ///
    /// # Errors
    /// [`NameError::Tag`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let normal = normal(text).ok_or(NameError::Tag)?.to_lowercase();
        let tag: String = normal.nfkc().map(|c| if c == ' ' || c == '_' { '-' } else { c }).collect();
        let tag = tag.trim_matches('-');
        let fine = !tag.contains("--") && tag.chars().all(|c| c.is_alphanumeric() || c == '-');
        if fine && (1..=MAX_TAG).contains(&tag.chars().count()) { Ok(Self(tag.to_owned())) } else { Err(NameError::Tag) }
    }

    /// A tag that was read before it was kept.
    pub(in crate::proto) fn kept(text: String) -> Self {
        Self(text)
    }

    /// Reads a list of them, each once.
    ///
    /// # Errors
    /// [`NameError::Tag`], [`NameError::Tags`].
    pub fn parse_all<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Self>, NameError> {
        let mut tags: Vec<Self> = Vec::new();
        for tag in texts {
            let tag = Self::parse(tag)?;
            if tags.contains(&tag) {
                continue;
            }
            if tags.len() == MAX_TAGS {
                return Err(NameError::Tags);
            }
            tags.push(tag);
        }
        Ok(tags)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The language that is mostly spoken, in BCP 47 and small letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Lang(String);

impl Lang {
    /// Reads a language: a first part of 2 to 8 letters, further parts of 1 to 8 letters and digits.
    ///
    /// # Errors
    /// [`NameError::Lang`].
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let lang = cut_bytes(text.trim(), MAX_LANG + 1).to_ascii_lowercase().replace('_', "-");
        let mut parts = lang.split('-');
        let first = parts.next().unwrap_or_default();
        let letters = (2..=8).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_lowercase());
        let rest = parts.all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        if letters && rest && lang.len() <= MAX_LANG { Ok(Self(lang)) } else { Err(NameError::Lang) }
    }

    /// A language that was read before it was kept.
    pub(in crate::proto) fn kept(text: String) -> Self {
        Self(text)
    }

    /// The text, such as `pt-br`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its first part, such as `pt`.
    pub fn primary(&self) -> &str {
        self.0.split('-').next().unwrap_or_default()
    }
}

/// NFKC without control characters, single blanks; `None` for what is too long to look at.
fn normal(text: &str) -> Option<String> {
    if text.len() > MAX_READ {
        return None;
    }
    let spaced: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).nfkc().filter(|c| !is_selector(*c)).collect();
    // What was filtered may have kept a letter from its accent.
    Some(blanks(&spaced.nfkc().collect::<String>()))
}

/// Single blanks, and no more marks on a letter than a label may have: more would be drawn over the lines above and below.
fn blanks(text: &str) -> String {
    let mut marks = 0;
    let plain: String = text.chars().filter(|c| !is_one_mark_more(*c, &mut marks)).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A variation selector, which says how the character before it is drawn and shows nothing itself.
fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}')
}

fn is_hidden(c: char) -> bool {
    is_invisible(c) || matches!(c, '\u{200c}' | '\u{200d}' | '\u{2800}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn alike(one: &str, other: &str) -> bool {
        Name::parse(one).unwrap().skeleton() == Name::parse(other).unwrap().skeleton()
    }

    #[test]
    fn a_name_is_kept_as_nfkc_with_single_blanks() {
        let kept =
            [("  Chess \t Club ", "Chess Club"), ("Ｃｈｅｓｓ", "Chess"), ("ﬁne", "fine"), ("Cafe\u{301}", "Café"), ("a\u{0}b", "a b")];
        for (text, name) in kept {
            assert_eq!(Name::parse(text).unwrap().as_str(), name);
        }
        assert_eq!(Name::parse(&"x".repeat(64)).unwrap().as_str().len(), 64);
        assert_eq!(Name::parse(&"x".repeat(65)), Err(NameError::Long));
        assert_eq!(Name::parse(&"\u{fdfa}".repeat(10)), Err(NameError::Long), "one character that NFKC makes eighteen of");
        assert_eq!(Name::parse(" \n "), Err(NameError::Empty));
    }

    #[test]
    fn attack_a_name_turns_no_text_and_hides_nothing() {
        for hidden in
            ['\u{202e}', '\u{2066}', '\u{200b}', '\u{200d}', '\u{200c}', '\u{feff}', '\u{2060}', '\u{ad}', '\u{e0041}', '\u{2800}']
        {
            assert_eq!(Name::parse(&format!("Chess{hidden} Club")), Err(NameError::Hidden(hidden.into())));
        }
    }

    #[test]
    fn attack_no_name_is_drawn_over_its_neighbours() {
        let piled = format!("Che{}ss", "\u{330}".repeat(50));
        assert_eq!(Name::parse(&piled).unwrap().as_str(), format!("Ch\u{1e1b}{}ss", "\u{330}".repeat(4)));
        let hidden = format!("e{}", "\u{330}\u{200b}".repeat(50));
        assert_eq!(Summary::parse(&hidden).unwrap().as_str(), format!("\u{1e1b}{}", "\u{330}".repeat(4)));
    }

    #[test]
    fn attack_look_alikes_have_one_skeleton() {
        let chess = "Chess Club";
        for other in ["chess club", "CHESS-CLUB", "Сhess Club", "Chess CIub", "Chess C1ub", "Ｃhess  Club!"] {
            assert!(alike(chess, other), "{other}");
        }
        assert!(alike("Iceland", "lceland") && alike("rnusic", "music") && alike("ICELAND", "iceland"));
        for other in ["Chess Clubs", "Cheese Club", "Go Club"] {
            assert!(!alike(chess, other), "{other}");
        }
        assert!(!alike("♥", "♠"), "symbols alone are themselves");
    }

    #[test]
    fn a_summary_is_one_harmless_line() {
        let summary = Summary::parse("We play\r\nevery \u{202e}day\u{202c}.").unwrap();
        assert_eq!(summary.as_str(), "We play every day.");
        assert_eq!(Summary::parse(&"x".repeat(513)), Err(NameError::LongSummary));
        assert_eq!(Summary::parse("می\u{200c}خواهم").unwrap().as_str(), "می\u{200c}خواهم");
    }

    #[test]
    fn tags_and_languages_have_one_form() {
        let tags =
            |list: &[&str]| Tag::parse_all(list.iter().copied()).map(|tags| tags.iter().map(|tag| tag.as_str().to_owned()).collect());
        assert_eq!(tags(&["Board Games", "chess", "CHESS", "日本"]), Ok(vec!["board-games".to_owned(), "chess".into(), "日本".into()]));
        assert_eq!(tags(&["a:b"]), Err(NameError::Tag));
        assert_eq!(tags(&["<b>"]), Err(NameError::Tag));
        assert_eq!(tags(&["1", "2", "3", "4", "5", "6", "7", "8", "9"]), Err(NameError::Tags));
        assert_eq!(Lang::parse("pt_BR").unwrap().as_str(), "pt-br");
        assert_eq!(Lang::parse("zh-Hant-TW").unwrap().primary(), "zh");
        for wrong in ["", "e", "english-is-a-language-of-many-people", "en us", "de--ch", "12", "<x>"] {
            assert_eq!(Lang::parse(wrong), Err(NameError::Lang), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_kept_is_kept_again_unchanged(text in any::<String>()) {
            if let Ok(name) = Name::parse(&text) {
                prop_assert!(name.as_str().chars().count() <= MAX_NAME);
                prop_assert_eq!(Name::parse(name.as_str()), Ok(name.clone()));
                prop_assert!(!name.skeleton().is_empty());
            }
            if let Ok(summary) = Summary::parse(&text) {
                prop_assert_eq!(Summary::parse(summary.as_str()), Ok(summary));
            }
            if let Ok(tag) = Tag::parse(&text) {
                prop_assert_eq!(Tag::parse(tag.as_str()), Ok(tag));
            }
            if let Ok(lang) = Lang::parse(&text) {
                prop_assert_eq!(Lang::parse(lang.as_str()), Ok(lang));
            }
        }
    }
}
