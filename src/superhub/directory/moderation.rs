//! What visitors report, and what the operator makes of it.
//!
//! Nobody needs an account to report a listing, so a report proves nothing and changes nothing: it waits until the operator dismisses it,
//! hides the listing, or removes it. A hidden listing keeps its id, its lease and its statements, but stands in no search and on no page.
//!
//! Bounds: [`MOST_REPORTED`] listings wait, with the words of [`MOST_SAID`] reports each, the first and the newest; further ones are counted.
//! So all of it is below 80 MB. Where one more would wait, the one gives way that the fewest reported, and of those the one that was reported
//! longest ago: whoever reports what he finds shuts nobody out. What nobody judged for [`KEPT`] is forgotten with the contacts in it, and with a
//! listing that the operator removes. Who withdraws his own, or lets it lapse, and lists it again finds them still waiting. Reports are not in the
//! audit log: strangers would push what the operator did out of it.

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::registration::{Waiting, waiting_by_turns};
use super::store::{Desk, Entry, StoreError, by_public};
use crate::clock::UnixMillis;
use crate::db::{millis, time};
use crate::proto::directory::ListingId;
use crate::proto::presence::label;

/// Listings whose reports wait; for one more, another gives way.
pub const MOST_REPORTED: i64 = 10_000;
/// Reports of one listing whose words are kept.
pub const MOST_SAID: i64 = 6;
/// Of these, the first ones; the others are the newest.
const FIRST: i64 = 3;
/// Most characters of what somebody says; it has at most twice as many bytes.
pub const MAX_WORDS: usize = 500;
/// Most characters of a contact; it has at most twice as many bytes.
pub const MAX_CONTACT: usize = 100;
/// How long reports wait, in milliseconds: 90 days.
const KEPT: i64 = 90 * 86_400_000;

/// Why somebody reports a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// Against the law, or harmful.
    Illegal,
    /// Somebody poses as somebody else.
    Impostor,
    /// Fraud, or a trap.
    Fraud,
    /// Advertising, or one of many alike.
    Spam,
    /// It is not what it says, or nobody is there.
    Wrong,
    /// What the words say.
    Other,
}

impl Reason {
    /// All of them, with what people are asked.
    pub const ALL: [(Self, &str); 6] = [
        (Self::Illegal, "It is illegal or does harm"),
        (Self::Impostor, "It poses as somebody else"),
        (Self::Fraud, "It is a fraud or a trap"),
        (Self::Spam, "It is advertising, or one of many alike"),
        (Self::Wrong, "It is not what it says, or nobody is there"),
        (Self::Other, "Something else"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Illegal => "illegal",
            Self::Impostor => "impostor",
            Self::Fraud => "fraud",
            Self::Spam => "spam",
            Self::Wrong => "wrong",
            Self::Other => "other",
        }
    }
}

/// What somebody reports.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Why.
    pub reason: Reason,
    /// In their words; may be empty. Cut at [`MAX_WORDS`] characters, on one line.
    #[serde(default)]
    pub words: String,
    /// How to reach them; may be empty. Cut at [`MAX_CONTACT`] characters.
    #[serde(default)]
    pub contact: String,
}

/// One report as the operator reads it.
#[derive(Debug, Clone, Serialize)]
pub struct Said {
    /// When, in milliseconds since 1970.
    pub at: UnixMillis,
    /// Why.
    pub reason: String,
    /// In their words.
    pub words: String,
    /// How to reach them.
    pub contact: String,
}

/// A listing whose reports wait.
#[derive(Debug, Clone)]
pub struct Reported {
    /// The listing.
    pub entry: Entry,
    /// How many reports there are.
    pub count: i64,
    /// When the first came.
    pub first: UnixMillis,
    /// When the last came.
    pub last: UnixMillis,
    /// What the first and the newest of them say.
    pub said: Vec<Said>,
}

impl Desk<'_> {
    /// Notes a report of a listing of this hub.
    ///
    /// # Errors
    /// [`StoreError::Nothing`], [`StoreError::Gone`] for what nobody is shown.
    pub fn report(&mut self, id: &ListingId, report: &Report) -> Result<(), StoreError> {
        let entry = by_public(self.change, id)?.ok_or(StoreError::Nothing)?;
        if entry.record.listing().is_none() || entry.hidden {
            return Err(StoreError::Gone);
        }
        let known: Option<i64> = self
            .change
            .prepare_cached("SELECT count FROM reported WHERE listing = ?1")?
            .query_row([entry.number], |row| row.get(0))
            .optional()?;
        if known.is_none() && self.how_many_reported()? >= MOST_REPORTED {
            self.give_way()?;
        }
        let noted = "INSERT INTO reported (listing, count, first, last) VALUES (?1, 1, ?2, ?2) \
                     ON CONFLICT (listing) DO UPDATE SET count = count + 1, last = ?2";
        self.change.prepare_cached(noted)?.execute((entry.number, millis(self.now)))?;
        if known.unwrap_or(0) >= MOST_SAID {
            let oldest = "DELETE FROM reports WHERE id = (SELECT id FROM reports WHERE listing = ?1 ORDER BY id LIMIT 1 OFFSET ?2)";
            self.change.prepare_cached(oldest)?.execute((entry.number, FIRST))?;
        }
        let said = "INSERT INTO reports (listing, at, reason, words, contact) VALUES (?1, ?2, ?3, ?4, ?5)";
        let (words, contact) = (short(&report.words, MAX_WORDS), short(&report.contact, MAX_CONTACT));
        self.change.prepare_cached(said)?.execute(params![entry.number, millis(self.now), report.reason.word(), words, contact])?;
        Ok(())
    }

    /// Forgets the reports that matter least.
    fn give_way(&mut self) -> Result<(), StoreError> {
        let least = "SELECT listing FROM reported ORDER BY count, last, listing LIMIT 1";
        let least: i64 = self.change.prepare_cached(least)?.query_row([], |row| row.get(0))?;
        self.close_reports(least).map(drop)
    }

    fn how_many_reported(&self) -> Result<i64, StoreError> {
        Ok(self.change.prepare_cached("SELECT count(*) FROM reported")?.query_row([], |row| row.get(0))?)
    }

    /// The operator has judged the reports of a listing up to that at `seen`, or all, and they are forgotten.
    ///
    /// # Errors
    /// [`StoreError::Nothing`] where none wait; [`StoreError::Unseen`] where one came since.
    pub fn dismiss(&mut self, id: &ListingId, seen: Option<UnixMillis>, who: &str) -> Result<(), StoreError> {
        let entry = by_public(self.change, id)?.ok_or(StoreError::Nothing)?;
        let last = "SELECT last FROM reported WHERE listing = ?1";
        let last: Option<i64> = self.change.prepare_cached(last)?.query_row([entry.number], |row| row.get(0)).optional()?;
        if last.zip(seen).is_some_and(|(last, seen)| last != millis(seen)) {
            return Err(StoreError::Unseen);
        }
        match self.close_reports(entry.number)? {
            0 => Err(StoreError::Nothing),
            count => self.note(who, "dismissed", Some(id), &format!("{count} reports")),
        }
    }

    /// Shows a listing to nobody any more, or to everybody again; reports of it are closed.
    ///
    /// # Errors
    /// [`StoreError::Nothing`], [`StoreError::Gone`], [`StoreError::Foreign`]; see [`StoreError`].
    pub fn hide(&mut self, id: &ListingId, hidden: bool, who: &str) -> Result<(), StoreError> {
        let entry = self.own(id, None)?;
        if entry.hidden == hidden {
            return Ok(());
        }
        self.close_reports(entry.number)?;
        self.set_hidden(&entry, hidden)?;
        let name = entry.record.listing().map_or("", |listing| listing.name.as_str());
        self.note(who, if hidden { "hidden" } else { "shown" }, Some(id), name)
    }

    /// Forgets the reports of a listing; answers how many there were.
    pub(super) fn close_reports(&mut self, number: i64) -> Result<i64, StoreError> {
        self.change.prepare_cached("DELETE FROM reports WHERE listing = ?1")?.execute([number])?;
        let gone = "DELETE FROM reported WHERE listing = ?1 RETURNING count";
        Ok(self.change.prepare_cached(gone)?.query_row([number], |row| row.get(0)).optional()?.unwrap_or(0))
    }

    /// Forgets reports that waited for too long.
    pub(super) fn forget_reports(&mut self) -> Result<(), StoreError> {
        let old = "SELECT listing FROM reported WHERE last < ?1 LIMIT 1000";
        let numbers: Vec<i64> = self
            .change
            .prepare_cached(old)?
            .query_map([millis(self.now).saturating_sub(KEPT)], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        numbers.into_iter().try_for_each(|number| self.close_reports(number).map(drop))
    }
}

/// What one asks for reports by.
const REPORTED: &str =
    "SELECT r.listing, r.count, r.first, r.last, l.public FROM reported r JOIN listings l ON l.id = r.listing AND l.deleted IS NULL";

/// Listings whose reports wait, those after `after` in the order of their numbers, and how many there are.
pub(super) fn reported(look: &Connection, after: i64, most: usize) -> Result<(Vec<Reported>, i64), StoreError> {
    read_reported(look, &format!("{REPORTED} WHERE r.listing > ?1 ORDER BY r.listing LIMIT ?2"), (after, most as i64))
}

/// The same, those first that the most reported, and of these what was reported last.
fn most_reported(look: &Connection, most: usize) -> Result<(Vec<Reported>, i64), StoreError> {
    read_reported(look, &format!("{REPORTED} ORDER BY r.count DESC, r.last DESC, r.listing DESC LIMIT ?1"), [most as i64])
}

fn read_reported(look: &Connection, query: &str, values: impl rusqlite::Params) -> Result<(Vec<Reported>, i64), StoreError> {
    let row = |row: &Row| {
        let public: [u8; 16] = row.get(4)?;
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, time(row.get(2)?), time(row.get(3)?), ListingId::from_bytes(public)))
    };
    let rows: Vec<_> = look.prepare_cached(query)?.query_map(values, row)?.collect::<rusqlite::Result<_>>()?;
    let mut found = Vec::with_capacity(rows.len());
    for (number, count, first, last, id) in rows {
        if let Some(entry) = by_public(look, &id)? {
            found.push(Reported { entry, count, first, last, said: said(look, number)? });
        }
    }
    let listed = "SELECT count(*) FROM reported r JOIN listings l ON l.id = r.listing AND l.deleted IS NULL";
    let count = look.prepare_cached(listed)?.query_row([], |row| row.get(0))?;
    Ok((found, count))
}

fn said(look: &Connection, listing: i64) -> Result<Vec<Said>, StoreError> {
    let query = "SELECT at, reason, words, contact FROM reports WHERE listing = ?1 ORDER BY id";
    let row = |row: &Row| Ok(Said { at: time(row.get(0)?), reason: row.get(1)?, words: row.get(2)?, contact: row.get(3)? });
    Ok(look.prepare_cached(query)?.query_map([listing], row)?.collect::<rusqlite::Result<_>>()?)
}

/// Listings that are hidden, those after `after` in the order of their numbers.
pub(super) fn hidden(look: &Connection, after: i64, most: usize) -> Result<Vec<Entry>, StoreError> {
    let query = "SELECT public FROM listings WHERE hidden IS NOT NULL AND deleted IS NULL AND id > ?1 ORDER BY id LIMIT ?2";
    let ids: Vec<[u8; 16]> =
        look.prepare_cached(query)?.query_map((after, most as i64), |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    ids.into_iter().filter_map(|id| by_public(look, &ListingId::from_bytes(id)).transpose()).collect()
}

/// What waits for the operator, the first so many of each list, and how many there are.
pub(in crate::superhub) struct Moderated {
    pub(in crate::superhub) reported: Vec<Reported>,
    pub(in crate::superhub) reports: i64,
    pub(in crate::superhub) waiting: Vec<Waiting>,
    pub(in crate::superhub) requests: i64,
    pub(in crate::superhub) hidden: Vec<Entry>,
}

/// See [`Moderated`].
pub(in crate::superhub) fn moderated(look: &Connection, most: usize) -> Result<Moderated, StoreError> {
    let ((reported, reports), (waiting, requests)) = (most_reported(look, most)?, waiting_by_turns(look, most)?);
    Ok(Moderated { reported, reports, waiting, requests, hidden: hidden(look, 0, most)? })
}

/// What somebody wrote, on one line and within bounds.
fn short(text: &str, max_chars: usize) -> String {
    label::cut_bytes(&label::clean(text, max_chars), 2 * max_chars).to_owned()
}
