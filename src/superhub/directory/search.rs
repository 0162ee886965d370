//! Text to listings, by way of the index; what counts as better is in [`crate::proto::search`].
//!
//! Rows of the index stand in the order of rank, so each look is "the first so many of these after that one": it costs what it answers, wherever
//! it begins. Each [`Tier`] is one such look, without what the tiers before it have answered; where little fits at all, one look finds it. The sizes of all lists count only where several
//! common words never stand together: such a query may cost 100 ms at a million listings; [`DEADLINE`] ends it after the tier that it was in.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;

use super::dictionary::Dictionary;
use super::store::{self, ALL, CLASSES, Entry, FEDERATED, MARK, OURS, StoreError, facet, how_many_origins, place_of};
use super::{Directory, store::BEST_ID};
use crate::clock::Moment;
use crate::proto::community::Kind;
use crate::proto::health::Health;
use crate::proto::names::{Lang, Tag};
use crate::proto::search::{FIRST, PER_ORIGIN, Query, Tier, spread};

mod cursor;
mod expression;

pub use cursor::{Cursor, Sort};
use expression::Expressions;

/// Most listings of one page.
pub const MOST: usize = 50;
/// How long a search looks into further tiers.
pub const DEADLINE: Duration = Duration::from_millis(100);
/// Listings with a rare word that are read to see whether they have the others too: a list of a million costs more.
const FEW_TO_READ: usize = 40;
/// With fewer results than this, typing errors are thought of.
const FEW: usize = 5;

/// What listings must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// How somebody comes in.
    pub kind: Option<Kind>,
    /// Filed under this.
    pub tag: Option<Tag>,
    /// In this language, or a dialect of it.
    pub lang: Option<Lang>,
    /// Whether it costs money.
    pub paid: Option<bool>,
    /// Listed by this origin, by its number.
    pub origin: Option<i64>,
    /// At least this well, or exactly so; see [`Least`].
    pub health: Option<Least>,
}

/// Which health is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Least {
    /// Exactly this.
    Is(Health),
    /// This or better.
    AtLeast(Health),
}

impl Least {
    /// The places that such listings have: above the first, up to the second.
    fn places(self) -> (i64, i64) {
        match self {
            Self::Is(health) => (place_of(health, 0), place_of(health, BEST_ID)),
            Self::AtLeast(health) => (-1, place_of(health, BEST_ID)),
        }
    }
}

/// One page of results.
#[derive(Debug, Clone)]
pub struct Found {
    /// The listings, the best first.
    pub entries: Vec<Entry>,
    /// Where the next page begins; `None`: there is none.
    pub next: Option<Cursor>,
    /// Whether all was looked through that this page could hold; `false` where [`DEADLINE`] came first.
    pub complete: bool,
    /// How long it took a reader.
    pub took: Duration,
}

/// A result before it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hit {
    tier: Tier,
    place: i64,
}

impl Directory {
    /// The listings that fit, from `cursor` on, at most `limit` of them (1 to [`MOST`]).
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn search(
        &self,
        query: Option<Query>,
        filter: Filter,
        sort: Sort,
        cursor: Option<Cursor>,
        limit: usize,
    ) -> Result<Found, StoreError> {
        let dictionary = self.dictionary.clone();
        let limit = limit.clamp(1, MOST);
        let search = move |look: &Connection| {
            let (began, search) = (Moment::now(), Search { look, dictionary, filter, limit });
            let found = search.run(query, sort, cursor.unwrap_or_default())?;
            Ok(Found { took: Moment::now().since(began), ..found })
        };
        self.readers.read(search).await
    }
}

struct Search<'a> {
    look: &'a Connection,
    dictionary: Arc<Dictionary>,
    filter: Filter,
    limit: usize,
}

impl Search<'_> {
    fn run(&self, query: Option<Query>, sort: Sort, cursor: Cursor) -> Result<Found, StoreError> {
        match (query, sort) {
            (Some(query), Sort::Best) => self.best(&query, &cursor),
            (Some(query), sort) => {
                let expressions = Expressions::new(&query, &self.dictionary);
                self.by_age(&expressions.anywhere(), sort, &cursor)
            }
            (None, Sort::Best) => self.by_rank(&cursor),
            (None, Sort::Newest) if self.filter == Filter::default() => self.newest(&cursor),
            (None, sort) => self.by_age("", sort, &cursor),
        }
    }

    /// Tier after tier, each in the order of rank.
    fn best(&self, query: &Query, cursor: &Cursor) -> Result<Found, StoreError> {
        let expressions = Expressions::new(query, &self.dictionary);
        let (mut entries, complete) = self.results(&expressions, "", cursor, self.limit + 1)?;
        entries.retain(|(hit, _)| !cursor.pulled.contains(&hit.place));
        if cursor.is_start() && self.filter.origin.is_none() {
            let pulled = self.others(&expressions, &entries)?;
            return self.shared_out(entries, pulled, complete);
        }
        let more = entries.len() > self.limit;
        entries.truncate(self.limit);
        let next =
            entries.last().filter(|_| more).map(|(hit, _)| Cursor { pulled: cursor.pulled.clone(), ..Cursor::after(hit.tier, hit.place) });
        Ok(Found { entries: entries.into_iter().map(|(_, entry)| entry).collect(), next, complete, took: Duration::ZERO })
    }

    /// What fits from `cursor` on, the best first, and whether all was looked through.
    fn results(
        &self,
        expressions: &Expressions,
        besides: &str,
        cursor: &Cursor,
        most: usize,
    ) -> Result<(Vec<(Hit, Entry)>, bool), StoreError> {
        if cursor.is_start()
            && let Some(all) = self.few(expressions, besides, most)?
        {
            return Ok((all, true));
        }
        let (hits, complete) = self.tiers(expressions, besides, cursor, most)?;
        Ok((self.entries(&hits)?, complete))
    }

    /// All that there is, where that is little: each listing says itself in which tier it stands. Most queries of several words find little, and
    /// would have each of their lists read once for each tier.
    fn few(&self, expressions: &Expressions, besides: &str, most: usize) -> Result<Option<Vec<(Hit, Entry)>>, StoreError> {
        let rare = if besides.is_empty() && self.filter == Filter::default() { expressions.rare() } else { Vec::new() };
        let looks =
            rare.iter().map(|word| (word.clone(), FEW_TO_READ + 1)).chain([(format!("({}){besides}", expressions.anywhere()), most)]);
        for (expression, enough) in looks {
            let places = self.places(&expression, -1, BEST_PLACE, false, enough)?;
            if places.len() < enough {
                return self.ranked(expressions, besides, &places, most).map(Some);
            }
        }
        Ok(None)
    }

    /// Those listings at `places`, among which is all that fits, that do fit, the best first; and what nearly does where they are too few.
    fn ranked(&self, expressions: &Expressions, besides: &str, places: &[i64], most: usize) -> Result<Vec<(Hit, Entry)>, StoreError> {
        let read = |places: &[i64], tier| self.entries(&places.iter().map(|place| Hit { tier, place: *place }).collect::<Vec<_>>());
        let judged = |(hit, entry): (Hit, Entry)| {
            let tier = expressions.tier_of(entry.record.listing()?)?;
            Some((Hit { tier, ..hit }, entry))
        };
        let mut all: Vec<_> = read(places, Tier::Text)?.into_iter().filter_map(judged).collect();
        all.sort_by_key(|(hit, _)| *hit);
        if all.len() < FEW
            && let Some(near) = expressions.tier(Tier::Near)
        {
            let places = self.places(&format!("({near}){besides}"), -1, BEST_PLACE, false, most - all.len())?;
            all.extend(read(&places, Tier::Near)?);
        }
        Ok(all)
    }

    /// Tier after tier, until there are `most`.
    fn tiers(&self, expressions: &Expressions, besides: &str, cursor: &Cursor, most: usize) -> Result<(Vec<Hit>, bool), StoreError> {
        let began = Moment::now();
        let mut hits = Vec::new();
        for tier in Tier::ALL.into_iter().filter(|tier| *tier >= cursor.tier) {
            // What nearly fits is looked for where little fits, and that is known before ([`Self::few`]).
            if hits.len() >= most || (tier == Tier::Near && cursor.tier != Tier::Near) {
                break;
            }
            if Moment::now().since(began) > DEADLINE {
                return Ok((hits, false));
            }
            // Where the better ones are all known, passing over them costs less than having the index leave them out.
            let all_known = cursor.is_start();
            let expression = if all_known { expressions.with_better(tier) } else { expressions.tier(tier) };
            let Some(expression) = expression else { continue };
            let after = if tier == cursor.tier { cursor.place } else { -1 };
            let places = self.places(&format!("({expression}){besides}"), after, BEST_PLACE, false, most)?;
            let fresh = places.into_iter().filter(|place| hits.iter().all(|hit: &Hit| hit.place != *place));
            let fresh: Vec<Hit> = fresh.map(|place| Hit { tier, place }).take(most - hits.len()).collect();
            hits.extend(fresh);
        }
        Ok((hits, true))
    }

    /// Results of origins that the first page would not show, because one or a few have so many (FEDERATION B.8).
    fn others(&self, expressions: &Expressions, entries: &[(Hit, Entry)]) -> Result<Vec<(Hit, Entry)>, StoreError> {
        let mut counts: HashMap<i64, usize> = HashMap::new();
        entries.iter().take(FIRST).for_each(|(_, entry)| *counts.entry(entry.origin).or_default() += 1);
        let drowning: Vec<i64> = counts.iter().filter(|(_, count)| **count > PER_ORIGIN).map(|(origin, _)| *origin).collect();
        if drowning.is_empty() || how_many_origins(self.look)? as usize <= drowning.len() {
            return Ok(Vec::new());
        }
        let foreign: Vec<String> =
            drowning.iter().filter(|origin| **origin != OURS).map(|origin| format!("\"{}\"", facet::origin(*origin))).collect();
        // Of our own there may be a million: what is not ours has a list of its own.
        let ours = if drowning.contains(&OURS) { format!(" AND (facets : \"{FEDERATED}\")") } else { String::new() };
        let theirs = if foreign.is_empty() { String::new() } else { format!(" NOT (facets : ({}))", foreign.join(" OR ")) };
        let (mut others, _) = self.results(expressions, &format!("{ours}{theirs}"), &Cursor::default(), FIRST - PER_ORIGIN)?;
        others.retain(|(hit, _)| entries.iter().all(|(known, _)| known.place != hit.place));
        Ok(others)
    }

    /// The first page, on which nobody drowns others: what was pulled up takes the place of the last ones, and is not shown again later.
    fn shared_out(&self, mut entries: Vec<(Hit, Entry)>, pulled: Vec<(Hit, Entry)>, complete: bool) -> Result<Found, StoreError> {
        let kept = self.limit.saturating_sub(pulled.len());
        let more = entries.len() > kept;
        entries.truncate(kept);
        let next = entries
            .last()
            .filter(|_| more)
            .map(|(hit, _)| Cursor { pulled: pulled.iter().map(|(hit, _)| hit.place).collect(), ..Cursor::after(hit.tier, hit.place) });
        entries.extend(pulled);
        entries.sort_by_key(|(hit, _)| *hit);
        let entries = spread(entries, |(_, entry)| entry.origin).into_iter().take(self.limit).map(|(_, entry)| entry).collect();
        Ok(Found { entries, next, complete, took: Duration::ZERO })
    }

    /// What fits the filter, in the order of rank.
    fn by_rank(&self, cursor: &Cursor) -> Result<Found, StoreError> {
        let places = self.places("", cursor.place, BEST_PLACE, false, self.limit + 1)?;
        self.page(places, Cursor::at)
    }

    /// What fits, the newest or the oldest first: each class of health has such an order of its own.
    fn by_age(&self, expression: &str, sort: Sort, cursor: &Cursor) -> Result<Found, StoreError> {
        let newest = sort != Sort::Oldest;
        let mut numbers = Vec::new();
        for class in 0..CLASSES {
            let (least, most) = (class << 40, (class + 1) << 40);
            let (after, upto) = match (newest, cursor.place) {
                (true, -1) => (least, most - 1),
                (true, before) => (least, (least + before).min(most) - 1),
                (false, after) => ((least + after).max(least), most - 1),
            };
            numbers.extend(self.places(expression, after, upto, newest, self.limit + 1)?.into_iter().map(|place| place & BEST_ID));
        }
        numbers.sort_unstable();
        if newest {
            numbers.reverse();
        }
        self.page(numbers, Cursor::at)
    }

    /// Everything, the newest first.
    fn newest(&self, cursor: &Cursor) -> Result<Found, StoreError> {
        let before = if cursor.place < 0 { i64::MAX } else { cursor.place };
        self.page(store::newest(self.look, before, self.limit + 1)?, Cursor::at)
    }

    fn page(&self, mut places: Vec<i64>, cursor: impl Fn(i64) -> Cursor) -> Result<Found, StoreError> {
        let more = places.len() > self.limit;
        places.truncate(self.limit);
        let next = places.last().filter(|_| more).map(|place| cursor(*place));
        let entries = places.iter().filter_map(|place| store::by_place(self.look, *place).transpose()).collect::<Result<_, _>>()?;
        Ok(Found { entries, next, complete: true, took: Duration::ZERO })
    }

    fn entries(&self, hits: &[Hit]) -> Result<Vec<(Hit, Entry)>, StoreError> {
        let read = |hit: &Hit| store::by_place(self.look, hit.place).map(|entry| entry.map(|entry| (*hit, entry))).transpose();
        hits.iter().filter_map(read).collect()
    }

    /// Places of the index from `after` to `upto` that fit an expression (none: anything) and the filter, at most `most`.
    fn places(&self, expression: &str, after: i64, upto: i64, backwards: bool, most: usize) -> Result<Vec<i64>, StoreError> {
        let (above, last) = self.filter.health.map_or((-1, BEST_PLACE), Least::places);
        let (after, upto) = (after.max(above), upto.min(last));
        if after >= upto {
            return Ok(Vec::new());
        }
        let query = match backwards {
            false => "SELECT rowid FROM search WHERE search MATCH ?1 AND rowid > ?2 AND rowid <= ?3 ORDER BY rowid LIMIT ?4",
            true => "SELECT rowid FROM search WHERE search MATCH ?1 AND rowid > ?2 AND rowid <= ?3 ORDER BY rowid DESC LIMIT ?4",
        };
        let mut query = self.look.prepare_cached(query)?;
        let found = query.query_map((self.with_facets(expression), after, upto, most as i64), |row| row.get(0))?;
        Ok(found.collect::<rusqlite::Result<_>>()?)
    }

    fn with_facets(&self, expression: &str) -> String {
        let filter = &self.filter;
        let facets = [
            filter.kind.map(facet::kind),
            filter.tag.as_ref().map(facet::tag),
            filter.lang.as_ref().map(facet::lang),
            filter.paid.map(facet::paid),
            filter.origin.map(facet::origin),
        ];
        let mut facets: Vec<String> = facets.into_iter().flatten().collect();
        if facets.is_empty() && expression.is_empty() {
            facets.push(ALL.to_owned());
        }
        let facets = facets.iter().map(|facet| format!("\"{facet}\"")).collect::<Vec<_>>().join(" AND ");
        match (expression.is_empty(), facets.is_empty()) {
            (_, true) => expression.to_owned(),
            (true, false) => format!("facets : ({facets})"),
            (false, false) => format!("({expression}) AND (facets : ({facets}))"),
        }
    }
}

/// Beyond every place.
const BEST_PLACE: i64 = CLASSES << 40;
