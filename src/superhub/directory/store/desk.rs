//! Every statement that changes a listing. A method finds out that something cannot be done before it writes anything.

use libp2p::PeerId;
use libp2p::identity::Keypair;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::entry::{by_public, health};
use super::origins::OURS;
use super::{Entry, StoreError, index};
use crate::clock::UnixMillis;
use crate::db::millis;
use crate::proto::directory::target::Trust;
use crate::proto::directory::{CommunityKey, Content, Feed, Listing, ListingId, Order, Record};
use crate::proto::health::Health;

/// Rows of the audit log that are kept: so many of what the operator did, and so many of what others caused.
const AUDIT: i64 = 100_000;
/// Listings of the same look that are compared; among more, the oldest speak for all.
const ALIKE: usize = 8;
/// How long a tombstone is kept, in milliseconds: 30 days (FEDERATION B.6).
const TOMBSTONE: i64 = 30 * 86_400_000;

/// The version of a listing that a change is meant for; `None`: whatever it is.
pub type Version = Option<u64>;

/// A listing that was made or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its public id.
    pub id: ListingId,
    /// Its number in this hub's store.
    pub number: i64,
    /// The number of the statement.
    pub version: u64,
}

/// Where changes are made; see the head of this file.
pub struct Desk<'a> {
    pub(in crate::superhub) change: &'a Connection,
    key: &'a Keypair,
    feed: &'a mut Feed,
    /// The wall time of the transaction.
    pub now: UnixMillis,
    learnt: &'a mut Vec<String>,
    said: bool,
}

/// What was seen at an endpoint last.
struct Seen {
    endpoint: i64,
    health: Health,
}

impl<'a> Desk<'a> {
    pub(super) fn new(change: &'a Connection, key: &'a Keypair, feed: &'a mut Feed, now: UnixMillis, learnt: &'a mut Vec<String>) -> Self {
        Self { change, key, feed, now, learnt, said: false }
    }

    /// Lists a community; `trust` says whether the operator answers for its address. `who` is noted.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn list(&mut self, listing: Listing, trust: Trust, who: &str) -> Result<Listed, StoreError> {
        self.list_as(rand::random(), listing, trust, who)
    }

    /// The same with the `community` bytes that it had before.
    pub(in crate::superhub) fn list_as(
        &mut self,
        community: CommunityKey,
        listing: Listing,
        trust: Trust,
        who: &str,
    ) -> Result<Listed, StoreError> {
        let (record, sealed) = self.say(community, Content::Listed(Box::new(listing)))?;
        let Content::Listed(listing) = &record.content else { return Err(StoreError::Nothing) };
        let (skeleton, seen) = (look(listing), self.endpoint(listing, trust)?);
        let added = "INSERT INTO listings (public, origin, sealed, created, skeleton, similar, endpoint) VALUES (?1, ?7, ?2, ?3, ?4, ?5, ?6) \
                     ON CONFLICT (public) DO UPDATE SET sealed = ?2, deleted = NULL, endpoint = ?6, skeleton = ?4, \
                     similar = CASE WHEN skeleton = ?4 THEN similar ELSE ?5 END RETURNING id";
        let similar = self.alike(skeleton, 0, listing)?;
        let (id, now) = (record.id(), millis(self.now));
        let columns = params![id.as_bytes(), sealed, now, skeleton, similar, seen.endpoint, OURS];
        let number: i64 = self.change.prepare_cached(added)?.query_row(columns, |row| row.get(0))?;
        self.place(number, listing, seen.health)?;
        self.note(who, "listed", Some(&id), listing.name.as_str())?;
        Ok(Listed { id, number, version: record.order.seq })
    }

    /// Changes a listing of this hub.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn edit(&mut self, entry: &Entry, listing: Listing, trust: Trust, who: &str) -> Result<Listed, StoreError> {
        let (record, sealed) = self.say(entry.record.community, Content::Listed(Box::new(listing)))?;
        let Content::Listed(listing) = &record.content else { return Err(StoreError::Nothing) };
        let (skeleton, seen) = (look(listing), self.endpoint(listing, trust)?);
        let similar = self.alike(skeleton, entry.number, listing)?;
        let before = self.endpoint_of(entry.number)?;
        let set = "UPDATE listings SET sealed = ?2, endpoint = ?5, skeleton = ?3, \
                   similar = CASE WHEN skeleton = ?3 THEN similar ELSE ?4 END WHERE id = ?1";
        self.change.prepare_cached(set)?.execute(params![entry.number, sealed, skeleton, similar, seen.endpoint])?;
        self.forget_endpoint(before)?;
        self.place(entry.number, listing, seen.health)?;
        self.note(who, "changed", Some(&entry.id), listing.name.as_str())?;
        Ok(Listed { id: entry.id, number: entry.number, version: record.order.seq })
    }

    /// Makes a tombstone of a listing of this hub.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn remove(&mut self, entry: &Entry, reason: &str, who: &str) -> Result<(), StoreError> {
        let (_, sealed) = self.say(entry.record.community, Content::Deleted(reason.to_owned()))?;
        self.unplace(entry.number)?;
        let before = self.endpoint_of(entry.number)?;
        let set = "UPDATE listings SET sealed = ?2, deleted = ?3, place = NULL, endpoint = NULL WHERE id = ?1";
        self.change.prepare_cached(set)?.execute(params![entry.number, sealed, millis(self.now)])?;
        self.forget_endpoint(before)?;
        self.end_lease(entry.number)?;
        self.note(who, "removed", Some(&entry.id), reason)
    }

    /// The live listing of this hub with this id, in the version that is meant.
    ///
    /// # Errors
    /// [`StoreError::Nothing`], [`StoreError::Gone`], [`StoreError::Foreign`], [`StoreError::Changed`].
    pub fn own(&self, id: &ListingId, version: Version) -> Result<Entry, StoreError> {
        let entry = by_public(self.change, id)?.ok_or(StoreError::Nothing)?;
        let is = entry.record.order.seq;
        match () {
            () if !entry.is_ours() => Err(StoreError::Foreign),
            () if entry.record.listing().is_none() => Err(StoreError::Gone),
            () if version.is_some_and(|meant| meant != is) => Err(StoreError::Changed(is)),
            () => Ok(entry),
        }
    }

    /// Writes into the audit log who did what. What is beyond [`AUDIT`] goes when [`Self::forget`] is called.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn note(&mut self, who: &str, what: &str, listing: Option<&ListingId>, detail: &str) -> Result<(), StoreError> {
        let added = "INSERT INTO audit (at, who, what, listing, detail, stranger) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let (public, stranger) = (listing.map(|id| id.as_bytes().to_vec()), self.is_stranger(who)?);
        self.change.prepare_cached(added)?.execute(params![millis(self.now), who, what, public, detail, stranger])?;
        Ok(())
    }

    /// Whether this is a server that lists itself, or the hub, which acts by itself on what such servers do.
    fn is_stranger(&self, who: &str) -> Result<bool, StoreError> {
        let Ok(peer) = who.parse::<PeerId>() else { return Ok(who == "hub") };
        let known = "SELECT EXISTS (SELECT 1 FROM registrations WHERE peer = ?1)";
        Ok(self.change.prepare_cached(known)?.query_row([peer.to_bytes()], |row| row.get(0))?)
    }

    /// What was seen at an endpoint counts from now on; its listings move to where they rank. Answers whether that changed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn observed(&mut self, seen: &Observed) -> Result<bool, StoreError> {
        let before = "SELECT health FROM endpoints WHERE id = ?1";
        let before: Option<i64> = self.change.prepare_cached(before)?.query_row([seen.endpoint], |row| row.get(0)).optional()?;
        let set = "UPDATE endpoints SET health = ?2, misses = ?3, peer = ifnull(?4, peer), checked = ?5, due = ?6 WHERE id = ?1";
        let columns =
            params![seen.endpoint, seen.health as i64, seen.misses, seen.peer.map(PeerId::to_bytes), millis(self.now), millis(seen.due)];
        self.change.prepare_cached(set)?.execute(columns)?;
        Ok(before.is_some_and(|before| before != seen.health as i64))
    }

    /// These endpoints are not due before `until`.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn put_off(&mut self, endpoints: &[i64], until: UnixMillis) -> Result<(), StoreError> {
        let mut set = self.change.prepare_cached("UPDATE endpoints SET due = ?2 WHERE id = ?1")?;
        for endpoint in endpoints {
            set.execute((endpoint, millis(until)))?;
        }
        Ok(())
    }

    /// Where a listing is met is due now, unless it is already.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn look_now(&mut self, listing: i64) -> Result<(), StoreError> {
        let set = "UPDATE endpoints SET due = ?2 WHERE id = (SELECT endpoint FROM listings WHERE id = ?1) AND due > ?2";
        self.change.prepare_cached(set)?.execute((listing, millis(self.now)))?;
        Ok(())
    }

    /// Moves those listings of an endpoint that do not stand where its health puts them, at most `most`; answers how many there were.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn move_listings(&mut self, endpoint: i64, most: usize) -> Result<usize, StoreError> {
        let query = "SELECT l.public, e.health FROM listings l JOIN endpoints e ON e.id = l.endpoint \
                     WHERE l.endpoint = ?1 AND l.deleted IS NULL AND (l.place >> 40) <> e.health LIMIT ?2";
        let row = |row: &rusqlite::Row| Ok((ListingId::from_bytes(row.get(0)?), health(row.get(1)?)));
        let found: Vec<_> = self.change.prepare_cached(query)?.query_map((endpoint, most as i64), row)?.collect::<rusqlite::Result<_>>()?;
        for (id, health) in &found {
            if let Some(entry) = by_public(self.change, id)?
                && let Some(listing) = entry.record.listing()
            {
                self.put(entry.number, listing, entry.origin, *health)?;
            }
        }
        Ok(found.len())
    }

    /// Forgets tombstones that every hub has had time to see, a thousand at a time, and with them the servers that they were of, which are strangers
    /// from then on; what the operator has turned down stays turned down. And what is too much for the audit log.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn forget(&mut self) -> Result<(), StoreError> {
        let old = "SELECT id FROM listings WHERE deleted < ?1 LIMIT 1000";
        let before = millis(self.now).saturating_sub(TOMBSTONE);
        let is_hidden = "EXISTS (SELECT 1 FROM listings l WHERE l.id = registrations.listing AND l.hidden IS NOT NULL)";
        for forgotten in [
            // What was hidden when it was last seen does not come back as something new.
            &format!("UPDATE registrations SET state = 'refused' WHERE listing IN ({old}) AND {is_hidden}"),
            &format!("DELETE FROM registrations WHERE listing IN ({old}) AND state = 'listed'"),
            &format!("UPDATE registrations SET listing = NULL WHERE listing IN ({old})"),
            &format!("DELETE FROM reports WHERE listing IN ({old})"),
            &format!("DELETE FROM reported WHERE listing IN ({old})"),
            &format!("DELETE FROM listings WHERE id IN ({old})"),
        ] {
            self.change.execute(forgotten, [before])?;
        }
        for whose in ["stranger = 0", "stranger = 1"] {
            let last = format!("SELECT id FROM audit WHERE {whose} ORDER BY id DESC LIMIT 1 OFFSET ?1");
            self.change.execute(&format!("DELETE FROM audit WHERE {whose} AND id <= ({last})"), [AUDIT])?;
        }
        self.forget_reports()
    }

    /// Some housekeeping of the index, so that searches stay fast; answers whether there may be more.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn tidy(&mut self) -> Result<bool, StoreError> {
        Ok(index::join_parts(self.change)?)
    }

    /// Takes a listing out of the index, or puts it back where it ranks.
    pub(in crate::superhub::directory) fn set_hidden(&mut self, entry: &Entry, hidden: bool) -> Result<(), StoreError> {
        let since = hidden.then(|| millis(self.now));
        self.unplace(entry.number)?;
        self.change.prepare_cached("UPDATE listings SET hidden = ?2, place = NULL WHERE id = ?1")?.execute((entry.number, since))?;
        match entry.record.listing() {
            Some(listing) => self.place(entry.number, listing, entry.health),
            None => Ok(()),
        }
    }

    /// Ends the transaction: the last number that was given stands in it.
    pub(super) fn close(&mut self) -> Result<(), StoreError> {
        if self.said {
            let set = "INSERT INTO feed (one, feed, seq, issued) VALUES (1, ?1, ?2, ?3) ON CONFLICT (one) DO UPDATE SET feed = ?1, seq = ?2, issued = ?3";
            let columns = [self.feed.feed as i64, self.feed.seq as i64, millis(self.feed.issued)];
            self.change.prepare_cached(set)?.execute(columns)?;
        }
        Ok(())
    }

    /// Signs a statement with the next number.
    fn say(&mut self, community: CommunityKey, content: Content) -> Result<(Record, Vec<u8>), StoreError> {
        let (seq, issued) = self.feed.next(self.now)?;
        let order = Order { key_epoch: 0, feed: self.feed.feed, seq };
        let record = Record { origin: self.key.public().to_peer_id(), order, community, issued, content };
        let sealed = record.sign(self.key).map_err(|error| StoreError::Failed(error.to_string()))?;
        self.said = true;
        Ok((record, sealed))
    }

    /// The first endpoint of a listing, noted for the prober.
    fn endpoint(&mut self, listing: &Listing, trust: Trust) -> Result<Seen, StoreError> {
        let address = listing.endpoints.first().map(|one| one.as_str()).unwrap_or_default();
        let noted = "INSERT INTO endpoints (address, trusted, due) VALUES (?1, ?2, ?3) \
                     ON CONFLICT (address) DO UPDATE SET trusted = max(trusted, ?2) RETURNING id, health";
        let trusted = trust == Trust::Operator;
        let row = |row: &rusqlite::Row| Ok(Seen { endpoint: row.get(0)?, health: health(row.get(1)?) });
        Ok(self.change.prepare_cached(noted)?.query_row(params![address, trusted, millis(self.now)], row)?)
    }

    fn endpoint_of(&self, number: i64) -> Result<Option<i64>, StoreError> {
        Ok(self.change.prepare_cached("SELECT endpoint FROM listings WHERE id = ?1")?.query_row([number], |row| row.get(0))?)
    }

    /// Forgets an endpoint where nobody is met any more.
    fn forget_endpoint(&mut self, endpoint: Option<i64>) -> Result<(), StoreError> {
        let unused = "DELETE FROM endpoints WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM listings WHERE endpoint = ?1)";
        Ok(self.change.prepare_cached(unused)?.execute([endpoint]).map(drop)?)
    }

    /// The oldest listing of somebody else, but `number`, whose name looks like this one's. It is asked when a name is taken, and then all that
    /// there are have had theirs for longer, also where the listing that takes it is older.
    fn alike(&self, skeleton: i64, number: i64, listing: &Listing) -> Result<Option<i64>, StoreError> {
        let query =
            "SELECT id, public FROM listings WHERE skeleton = ?1 AND id <> ?2 AND deleted IS NULL AND hidden IS NULL ORDER BY id LIMIT ?3";
        let row = |row: &rusqlite::Row| Ok((row.get::<_, i64>(0)?, ListingId::from_bytes(row.get(1)?)));
        let mut query = self.change.prepare_cached(query)?;
        let found = query.query_map((skeleton, number, ALIKE as i64), row)?.collect::<rusqlite::Result<Vec<_>>>()?;
        for (number, id) in found {
            let other = by_public(self.change, &id)?;
            // What leads to the same place pretends nothing, such as the listing of a community that came to this server.
            let leads_elsewhere =
                |one: &Listing| one.rendezvous_id != listing.rendezvous_id && one.endpoints.first() != listing.endpoints.first();
            let somebody_else = |other: &Entry| !other.is_ours() || other.record.listing().is_some_and(leads_elsewhere);
            if other.as_ref().is_some_and(somebody_else) {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Puts a listing of this hub where it ranks, unless it is hidden.
    fn place(&mut self, number: i64, listing: &Listing, health: Health) -> Result<(), StoreError> {
        let hidden = "SELECT hidden IS NOT NULL FROM listings WHERE id = ?1";
        if self.change.prepare_cached(hidden)?.query_row([number], |row| row.get(0))? {
            return Ok(());
        }
        let words = self.put(number, listing, OURS, health)?;
        self.learnt.extend(words);
        Ok(())
    }

    /// Puts a listing where it ranks, and away from where it was.
    fn put(&mut self, number: i64, listing: &Listing, origin: i64, health: Health) -> Result<Vec<String>, StoreError> {
        self.unplace(number)?;
        let place = index::place_of(health, number);
        let words = index::add(self.change, place, listing, origin)?;
        self.change.prepare_cached("UPDATE listings SET place = ?2 WHERE id = ?1")?.execute((number, place))?;
        Ok(words)
    }

    fn unplace(&mut self, number: i64) -> Result<(), StoreError> {
        let place: Option<i64> =
            self.change.prepare_cached("SELECT place FROM listings WHERE id = ?1")?.query_row([number], |row| row.get(0))?;
        Ok(place.map_or(Ok(()), |place| index::remove(self.change, place))?)
    }
}

/// What the prober saw at an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The number of the endpoint.
    pub endpoint: i64,
    /// How the server does from now on.
    pub health: Health,
    /// Answers that it missed in a row.
    pub misses: u32,
    /// Who answered, where anybody said so.
    pub peer: Option<PeerId>,
    /// When it is looked at again.
    pub due: UnixMillis,
}

/// What a name looks like, as a number.
fn look(listing: &Listing) -> i64 {
    let digest: [u8; 32] = Sha256::digest(listing.name.skeleton().as_bytes()).into();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}
