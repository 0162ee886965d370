//! Where a page ended. The text of a cursor is numbers with dots; it holds no secret, and a made-up one is another place to begin.

use std::fmt;
use std::str::FromStr;

use crate::proto::search::{FIRST, Tier};

/// Beyond every place of the index.
const LIMIT: i64 = 1 << 44;

/// In which order listings come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sort {
    /// By text, health and age.
    #[default]
    Best,
    /// The newest first.
    Newest,
    /// The oldest first.
    Oldest,
}

impl Sort {
    /// The order of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        match word {
            "best" => Some(Self::Best),
            "newest" => Some(Self::Newest),
            "oldest" => Some(Self::Oldest),
            _ => None,
        }
    }
}

/// Where a page ended: the last result's tier and its place or number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub(super) tier: Tier,
    pub(super) place: i64,
    /// Results that an earlier page has shown before their turn.
    pub(super) pulled: Vec<i64>,
}

impl Default for Cursor {
    fn default() -> Self {
        Self::at(-1)
    }
}

impl Cursor {
    pub(super) fn at(place: i64) -> Self {
        Self::after(Tier::Name, place)
    }

    pub(super) fn after(tier: Tier, place: i64) -> Self {
        Self { tier, place, pulled: Vec::new() }
    }

    pub(super) fn is_start(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.tier as u8, self.place)?;
        self.pulled.iter().try_for_each(|place| write!(f, ".{place}"))
    }
}

/// The text is no cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let possible = |number: &i64| (0..LIMIT).contains(number);
        let mut numbers = text.split('.').take(FIRST + 3).map(|number| number.parse::<i64>().ok().filter(possible).ok_or(NoCursor));
        let tier = usize::try_from(numbers.next().ok_or(NoCursor)??).map_err(|_| NoCursor)?;
        let tier = *Tier::ALL.get(tier).ok_or(NoCursor)?;
        let place = numbers.next().ok_or(NoCursor)??;
        let pulled = numbers.collect::<Result<Vec<_>, _>>()?;
        if pulled.len() > FIRST { Err(NoCursor) } else { Ok(Self { tier, place, pulled }) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_goes_there_and_back(tier in 0..4usize, place in 0..LIMIT, pulled in proptest::collection::vec(0..LIMIT, 0..10), text in ".{0,40}") {
            let cursor = Cursor { tier: Tier::ALL[tier], place, pulled };
            prop_assert_eq!(cursor.to_string().parse(), Ok(cursor));
            let _ = text.parse::<Cursor>();
        }
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let long = format!("0.0{}", ".1".repeat(11));
        for text in ["", "0", "9.1", "0.-1", "0.1.x", "a.b", "0.99999999999999999999", &long] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
