//! Which tags and languages there are most of. Counting them reads all of their lists, at a million listings for a good part of a second:
//! so what was counted stands for [`FRESH`], and [`SHARE`] times as long as counting took.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use crate::clock::Moment;
use crate::http::Problem;
use crate::superhub::App;
use crate::superhub::directory::most_used;

/// How long a count stands at least.
const FRESH: Duration = Duration::from_secs(5);
/// The part of one reader's time that counting takes is one of so many.
const SHARE: u32 = 500;
/// Tags on a page.
const TAGS: usize = 30;
/// Languages on a page.
const LANGS: usize = 20;

/// What was counted last.
#[derive(Default)]
pub(in crate::superhub) struct Facets(Mutex<Option<Counted>>);

#[derive(Clone)]
struct Counted {
    lists: Arc<Lists>,
    until: Moment,
}

/// The most used ones, the most used first.
#[derive(Default)]
pub(super) struct Lists {
    /// Tags.
    pub(super) tags: Vec<String>,
    /// Languages, by their codes.
    pub(super) langs: Vec<String>,
}

impl App {
    /// The tags and languages that are used most.
    pub(super) async fn most_used(&self) -> Result<Arc<Lists>, Problem> {
        let began = Moment::now();
        if let Some(counted) = self.facets.claim(began) {
            return Ok(counted);
        }
        let count = |look: &Connection| Ok(Lists { tags: most_used(look, 't', TAGS)?, langs: most_used(look, 'l', LANGS)? });
        let lists = Arc::new(self.directory.read(count).await?);
        let now = Moment::now();
        self.facets.keep(&lists, now + FRESH.max(now.since(began) * SHARE));
        Ok(lists)
    }
}

impl Facets {
    /// What stands; `None` for the one who is to count anew, while the others take what there was.
    fn claim(&self, now: Moment) -> Option<Arc<Lists>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = held.get_or_insert_with(|| Counted { lists: Arc::default(), until: now });
        if counted.until > now {
            return Some(counted.lists.clone());
        }
        counted.until = now + FRESH;
        None
    }

    fn keep(&self, lists: &Arc<Lists>, until: Moment) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Counted { lists: lists.clone(), until });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_counts_and_the_others_take_what_there_is() {
        let (facets, now) = (Facets::default(), Moment::from_millis(7));
        let tags = |counted: Option<Arc<Lists>>| counted.map(|lists| lists.tags.len());
        assert_eq!((tags(facets.claim(now)), tags(facets.claim(now))), (None, Some(0)));
        let counted = Arc::new(Lists { tags: vec!["chess".into()], langs: Vec::new() });
        facets.keep(&counted, now + FRESH);
        assert_eq!(tags(facets.claim(now)), Some(1));
        assert_eq!((tags(facets.claim(now + FRESH)), tags(facets.claim(now + FRESH))), (None, Some(1)));
    }
}
