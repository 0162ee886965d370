//! Whom a name on the command line means.

use anyhow::{Context, Result};
use serde::Deserialize;
use thiserror::Error;

/// The peer list of the API, as far as the command line reads it.
#[derive(Debug, Deserialize)]
pub struct PeerList {
    /// The rows, sorted by name.
    pub peers: Vec<Listed>,
}

/// One row of it.
#[derive(Debug, Clone, Deserialize)]
pub struct Listed {
    /// Who, as base58 text.
    pub peer_id: String,
    /// The name, fit to be shown.
    pub label: String,
    /// Whether it is here.
    pub online: bool,
    /// How it is reached, as the API calls it.
    pub path: String,
}

/// The node itself, as the API tells it.
#[derive(Debug, Deserialize)]
pub struct Oneself {
    /// Who, as base58 text.
    pub peer_id: String,
    /// The name.
    pub label: String,
}

/// Why a name means nobody.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum WhomError {
    /// Nobody has it.
    #[error("nobody here is called `{0}`, and it is no peer id; see `goop peers`")]
    Nobody(String),
    /// More than one has it.
    #[error("{1} peers are called `{0}`; name one by its id, see `goop peers`")]
    Several(String, usize),
}

impl PeerList {
    /// Read the list from its JSON.
    ///
    /// # Errors
    /// What is not such a list.
    pub fn read(json: &str) -> Result<Self> {
        serde_json::from_str(json).context("the peer list is not understood")
    }

    /// The id of the one peer that is called `name`: in the very same letters, else in any case; those who are here before those who
    /// left, and others before oneself.
    ///
    /// # Errors
    /// Nobody, or several.
    pub fn called(&self, name: &str, me: &Oneself) -> Result<String, WhomError> {
        let wanted = name.to_lowercase();
        self.matching(name, me, |label| label == name)
            .or_else(|| self.matching(name, me, |label| label.to_lowercase() == wanted))
            .unwrap_or_else(|| Err(WhomError::Nobody(name.to_owned())))
    }

    /// `None` where no name matches.
    fn matching(&self, name: &str, me: &Oneself, matches: impl Fn(&str) -> bool) -> Option<Result<String, WhomError>> {
        let named = |online| self.peers.iter().filter(|peer| peer.online == online && matches(&peer.label)).collect::<Vec<_>>();
        let here = named(true);
        if here.is_empty() && matches(&me.label) {
            return Some(Ok(me.peer_id.clone()));
        }
        let found = if here.is_empty() { named(false) } else { here };
        match found.as_slice() {
            [] => None,
            [one] => Some(Ok(one.peer_id.clone())),
            several => Some(Err(WhomError::Several(name.to_owned(), several.len()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn called(name: &str, peers: &[(&str, &str, bool)]) -> Result<String, WhomError> {
        let row = |(id, label, online): &(&str, &str, bool)| Listed {
            peer_id: (*id).into(),
            label: (*label).into(),
            online: *online,
            path: "lan".into(),
        };
        let me = Oneself { peer_id: "me".into(), label: "Ann".into() };
        PeerList { peers: peers.iter().map(row).collect() }.called(name, &me)
    }

    #[test]
    fn of_several_with_one_name_those_who_are_here_win() {
        assert_eq!(called("Bob", &[("1", "Bob", false), ("2", "Bob", true), ("3", "Bob", false)]).unwrap(), "2");
        let two = [("1", "Bob", true), ("2", "Bob", true), ("3", "Bob", false)];
        assert_eq!(called("Bob", &two), Err(WhomError::Several("Bob".into(), 2)));
        assert_eq!(called("Bob", &[("1", "Bob", false)]).unwrap(), "1");
    }

    #[test]
    fn letter_case_counts_only_between_two_that_differ_in_it() {
        assert_eq!(called("bob", &[("1", "Bob", true)]).unwrap(), "1");
        assert_eq!(called("bob", &[("1", "Bob", true), ("2", "bob", false)]).unwrap(), "2");
        assert_eq!(called("carol", &[("1", "Bob", true)]), Err(WhomError::Nobody("carol".into())));
    }

    #[test]
    fn ones_own_name_means_oneself_unless_another_who_is_here_has_it() {
        assert_eq!(called("Ann", &[("1", "Bob", true)]).unwrap(), "me");
        assert_eq!(called("ann", &[("1", "Ann", false)]).unwrap(), "me");
        assert_eq!(called("Ann", &[("1", "Ann", true)]).unwrap(), "1");
    }
}
