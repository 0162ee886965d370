//! Small typing errors: the words of a dictionary that differ from a given one by few letters left out, put in, changed or swapped.
//!
//! The dictionary is walked letter by letter, as an `fst` automaton. The state is one row of the table by which the edit distance is
//! computed (with swaps of neighbours: optimal string alignment), so a branch ends as soon as no word below it can be near enough, and nothing
//! is built beforehand.

use fst::Automaton;

use super::MAX_WORD;

/// A row: one place more than the longest word has letters.
const ROW: usize = MAX_WORD + 1;

/// How many errors a word of so many letters may have: with fewer letters, everything would be near everything.
pub fn errors_allowed(letters: usize) -> u8 {
    match letters {
        0..=3 => 0,
        4..=7 => 1,
        _ => 2,
    }
}

/// Finds the words near one word; see the head of this file.
#[derive(Debug, Clone)]
pub struct Near {
    word: Vec<char>,
    most: u8,
    unfinished: bool,
}

/// What is known after some letters.
#[derive(Debug, Clone)]
pub struct State {
    row: [u8; ROW],
    before: [u8; ROW],
    last: char,
    /// Bytes of a character that is not complete yet.
    partial: [u8; 4],
    held: usize,
    reached: bool,
}

impl Near {
    /// Words at most [`errors_allowed`] away from `word`; if it is `unfinished`, those that begin so.
    pub fn new(word: &str, unfinished: bool) -> Self {
        let word: Vec<char> = word.chars().take(MAX_WORD).collect();
        Self { most: errors_allowed(word.len()), word, unfinished }
    }

    /// Whether an unfinished word may have gone on from here: what begins with the letters so far is near.
    pub fn is_begun(&self, state: &State) -> bool {
        state.reached && state.held == 0
    }

    /// How far away `other` is; `None` where that is too far.
    pub fn distance(&self, other: &str) -> Option<u8> {
        let mut state = self.start();
        let mut nearest = None;
        for byte in other.bytes() {
            state = self.accept(&state, byte);
            if !self.can_match(&state) {
                return None;
            }
            let here = state.row[self.word.len()];
            if self.unfinished && state.held == 0 && here <= self.most {
                nearest = Some(nearest.map_or(here, |nearest: u8| nearest.min(here)));
            }
        }
        let end = state.row[self.word.len()];
        if self.unfinished { nearest } else { Some(end).filter(|end| *end <= self.most) }
    }

    fn step(&self, state: &State, c: char) -> State {
        let mut row = [u8::MAX; ROW];
        row[0] = state.row[0].saturating_add(1);
        for (at, letter) in self.word.iter().enumerate() {
            let changed = state.row[at].saturating_add(u8::from(*letter != c));
            let swapped = at > 0 && *letter == state.last && self.word[at - 1] == c;
            let swapped = if swapped { state.before[at - 1].saturating_add(1) } else { u8::MAX };
            row[at + 1] = changed.min(swapped).min(row[at].saturating_add(1)).min(state.row[at + 1].saturating_add(1));
        }
        let reached = state.reached || (self.unfinished && row[self.word.len()] <= self.most);
        State { row, before: state.row, last: c, partial: [0; 4], held: 0, reached }
    }
}

impl Automaton for Near {
    type State = State;

    fn start(&self) -> State {
        let mut row = [u8::MAX; ROW];
        row.iter_mut().zip(0..).for_each(|(place, at)| *place = at);
        State { row, before: [u8::MAX; ROW], last: '\0', partial: [0; 4], held: 0, reached: false }
    }

    fn is_match(&self, state: &State) -> bool {
        state.held == 0 && (state.reached || state.row[self.word.len()] <= self.most)
    }

    fn can_match(&self, state: &State) -> bool {
        state.reached || state.row[..=self.word.len()].iter().any(|errors| *errors <= self.most)
    }

    fn will_always_match(&self, state: &State) -> bool {
        state.reached
    }

    fn accept(&self, state: &State, byte: u8) -> State {
        let mut next = state.clone();
        next.partial[next.held] = byte;
        next.held += 1;
        match std::str::from_utf8(&next.partial[..next.held]).ok().and_then(|text| text.chars().next()) {
            Some(c) => self.step(state, c),
            // No character has more than four bytes; what is none counts as a strange letter.
            None if next.held == next.partial.len() => self.step(state, '\u{fffd}'),
            None => next,
        }
    }
}

#[cfg(test)]
mod tests {
    use fst::{IntoStreamer, Set, Streamer};
    use proptest::prelude::*;

    use super::*;

    fn found(word: &str, unfinished: bool, among: &[&str]) -> Vec<String> {
        let mut sorted = among.to_vec();
        sorted.sort_unstable();
        let set = Set::from_iter(sorted).unwrap();
        let mut stream = set.search(Near::new(word, unfinished)).into_stream();
        let mut found = Vec::new();
        while let Some(word) = stream.next() {
            found.push(String::from_utf8(word.to_vec()).unwrap());
        }
        found
    }

    #[test]
    fn one_letter_wrong_missing_extra_or_swapped_is_near() {
        let words = ["chess", "cheese", "chest", "club", "clubs", "schach", "chss"];
        for typed in ["chwss", "chss", "chesss", "hcess", "cehss"] {
            assert!(found(typed, false, &words).contains(&"chess".to_owned()), "{typed}");
        }
        assert_eq!(found("ches", false, &words), ["chess", "chest", "chss"]);
        assert!(found("clb", false, &["club"]).is_empty(), "three letters may have no error");
        assert_eq!(found("develpers", false, &["developers"]), ["developers"]);
        assert_eq!(found("dveelpoers", false, &["developers"]), ["developers"], "long words may have two");
    }

    #[test]
    fn an_unfinished_word_is_near_what_begins_nearly_so() {
        assert_eq!(found("chwss", true, &["chessboard", "chestnut", "chwz"]), ["chessboard"]);
        assert_eq!(found("gärt", true, &["gärtner", "görtner", "gurtner"]), ["gurtner", "gärtner", "görtner"]);
    }

    /// The textbook's table, whole.
    fn textbook(a: &[char], b: &[char]) -> usize {
        let mut d = vec![vec![0; b.len() + 1]; a.len() + 1];
        for i in 0..=a.len() {
            for j in 0..=b.len() {
                d[i][j] = if i == 0 || j == 0 {
                    i + j
                } else {
                    let swap = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
                    let one = (d[i - 1][j] + 1).min(d[i][j - 1] + 1).min(d[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]));
                    if swap { one.min(d[i - 2][j - 2] + 1) } else { one }
                };
            }
        }
        d[a.len()][b.len()]
    }

    proptest! {
        #[test]
        fn the_walk_finds_exactly_what_the_textbook_finds(word in "[abcé]{1,10}", others in proptest::collection::hash_set("[abcé]{1,10}", 1..20)) {
            let others: Vec<&str> = others.iter().map(String::as_str).collect();
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let most = usize::from(errors_allowed(chars(&word).len()));
            let mut expected: Vec<String> = others.iter().filter(|other| textbook(&chars(&word), &chars(other)) <= most).map(|other| (*other).to_owned()).collect();
            expected.sort();
            for other in &others {
                let distance = textbook(&chars(&word), &chars(other));
                prop_assert_eq!(Near::new(&word, false).distance(other).map(usize::from), Some(distance).filter(|distance| *distance <= most));
            }
            prop_assert_eq!(found(&word, false, &others), expected);
        }

        #[test]
        fn any_word_and_any_bytes_are_walked_without_panic(word in any::<String>(), bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let near = Near::new(&word, true);
            let mut state = near.start();
            for byte in bytes {
                state = near.accept(&state, byte);
                near.can_match(&state);
            }
        }
    }
}
