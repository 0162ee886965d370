//! A text of one's own site as it is being written, before it is saved: it stands on the site's own origin, where it looks as it will, for
//! the page that edits it and for nobody else, since its URL holds a key. One at a time is kept, in memory.

use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// The query that names a draft: `?goop-draft=<key>`.
const QUERY: &str = "goop-draft=";

/// The draft there is.
#[derive(Default)]
pub(super) struct Drafts {
    kept: Mutex<Option<Draft>>,
}

struct Draft {
    query: String,
    path: String,
    text: Bytes,
}

impl Drafts {
    /// Keeps `text` instead of the draft before it; answers the query with which `path` shows it.
    pub(super) fn keep(&self, path: String, text: Bytes) -> String {
        let query = format!("{QUERY}{:032x}", rand::random::<u128>());
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(Draft { query: query.clone(), path, text });
        query
    }

    /// The draft of `path`, where `query` names it.
    pub(super) fn find(&self, path: &str, query: Option<&str>) -> Option<Bytes> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|draft| Some(draft.query.as_str()) == query && draft.path == path).map(|draft| draft.text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_is_shown_at_its_path_to_who_knows_its_key_until_the_next_one() {
        let drafts = Drafts::default();
        let query = drafts.keep("a.html".into(), "one".into());
        assert_eq!(drafts.find("a.html", Some(&query)).unwrap(), "one");
        for (path, query) in [("b.html", Some(query.as_str())), ("a.html", None), ("a.html", Some("goop-draft=0")), ("a.html", Some(""))] {
            assert!(drafts.find(path, query).is_none(), "{path} {query:?}");
        }
        drafts.keep("a.html".into(), "two".into());
        assert!(drafts.find("a.html", Some(&query)).is_none());
    }
}
