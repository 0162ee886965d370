//! What a check found, for people and for programs.

use serde::{Deserialize, Serialize};

use crate::proto::presence::label;

/// Most characters of one text of a finding.
const MAX_TEXT: usize = 600;

/// How it looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Look {
    /// It works.
    Good,
    /// It works, but not for everybody, or not for long.
    Warn,
    /// It does not work.
    Bad,
    /// There is nothing to judge.
    #[default]
    Plain,
}

impl Look {
    /// The class of its badge on a page.
    pub fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Plain => "",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which check found it: a stable word for programs.
    pub check: String,
    /// What was looked at.
    pub what: String,
    /// How it looks.
    pub look: Look,
    /// One or two words for it.
    pub word: String,
    /// What it means; empty where the word says it.
    pub said: String,
    /// What its owner can do; empty where nothing is to be done.
    pub todo: String,
    /// What to type or to write for that, each line by itself.
    pub copy: Vec<String>,
}

impl Finding {
    /// `check` looked at `what`, and it looks like this. Whatever anybody else wrote is told without controls, and bounded.
    pub fn of(check: &str, what: impl AsRef<str>, look: Look, word: &str) -> Self {
        let (what, word) = (label::clean(what.as_ref(), MAX_TEXT), word.to_owned());
        Self { check: check.to_owned(), what, look, word, said: String::new(), todo: String::new(), copy: Vec::new() }
    }

    /// What it means.
    #[must_use]
    pub fn said(mut self, said: impl AsRef<str>) -> Self {
        self.said = label::clean(said.as_ref(), MAX_TEXT);
        self
    }

    /// What its owner can do.
    #[must_use]
    pub fn todo(mut self, todo: impl AsRef<str>) -> Self {
        self.todo = label::clean(todo.as_ref(), MAX_TEXT);
        self
    }

    /// And what to type for it, one line more; none where it would be cut, which could end a quotation that another's words stand in.
    #[must_use]
    pub fn copy(mut self, line: impl AsRef<str>) -> Self {
        if line.as_ref().chars().count() <= MAX_TEXT {
            self.copy.push(label::clean(line.as_ref(), MAX_TEXT));
        }
        self
    }
}

/// Everything that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether nothing is wrong.
    pub well: bool,
    /// What was found, what is wrong first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Of these findings.
    pub fn of(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| match finding.look {
            Look::Bad => 0,
            Look::Warn => 1,
            Look::Plain => 2,
            Look::Good => 3,
        });
        Self { well: findings.iter().all(|finding| finding.look != Look::Bad), findings }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::shell::quoted;

    #[test]
    fn what_is_wrong_comes_first_and_only_that_makes_it_unwell() {
        let of = |look| Finding::of("x", "", look, "");
        let report = Report::of(vec![of(Look::Good), of(Look::Plain), of(Look::Warn)]);
        assert!(report.well && report.findings[0].look == Look::Warn);
        let report = Report::of(vec![of(Look::Good), of(Look::Bad)]);
        assert!(!report.well && report.findings[0].look == Look::Bad);
    }

    #[test]
    fn attack_a_long_name_ends_no_quote_by_being_cut() {
        let long = |count: usize| format!("goop status {}", quoted(&"x".repeat(count)));
        assert_eq!(Finding::of("x", "", Look::Bad, "").copy(long(MAX_TEXT - 14)).copy, [long(MAX_TEXT - 14)]);
        assert!(Finding::of("x", "", Look::Bad, "").copy(long(MAX_TEXT - 13)).copy.is_empty());
    }

    #[test]
    fn attack_what_a_server_says_neither_drives_a_terminal_nor_fills_a_page() {
        let told = Finding::of("x", "\u{1b}[2J", Look::Bad, "").said("\u{202e}".repeat(9) + &"y".repeat(5000)).copy("a\nb\u{7}");
        assert_eq!((told.what.as_str(), told.said.chars().count(), told.copy[0].as_str()), ("[2J", MAX_TEXT, "a b"));
    }
}
