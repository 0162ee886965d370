//! Rendezvous servers that list themselves, and the leases by which they stay listed.
//!
//! A server proves by Peer ID auth who it is, and the hub asks the address that it names: whoever answers there must say the same peer id
//! ([`crate::superhub::monitor`]). So nobody lists somebody else's server. What then becomes of it is the operator's [`Policy`]: it waits for his
//! word, or is listed at once; whoever had a listing refused, removed or hidden waits for his word on the next in either case. A listing of this kind is a lease: the server repeats its registration every third of it, without which it lapses
//! and becomes a tombstone. What has lapsed comes back as what it was when the server does, as long as the tombstone is kept; what the operator removed
//! does not.
//!
//! Bounds: [`MOST_WAITING`] requests wait, [`MOST_OF_HOST`] of one host; for one more, those of the site give way that has most (`crowd`). What was
//! not repeated for [`PATIENCE`] is forgotten. They lie on the disk and nowhere else, so that any number of them costs nobody anything.
//! [`MOST_OF_SITE`] servers of one site are listed without the operator's word, where he wants to give none.

use libp2p::PeerId;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::api::{Draft, Who};
use super::crowd::make_room;
use super::store::{Desk, Entry, Listed, StoreError, Version, by_public};
use crate::clock::UnixMillis;
use crate::config::superhub::Policy;
use crate::db::millis;
use crate::proto::directory::site::{behind, site, standing};
use crate::proto::directory::target::Trust;
use crate::proto::directory::{Listing, ListingId};

/// Requests that wait for the operator's word; where as many sites as that have one each, one more hears 503.
pub const MOST_WAITING: i64 = 100_000;
/// Requests of one host that wait; one more hears 503.
pub const MOST_OF_HOST: i64 = 16;
/// Servers of one site that are listed at once where that is the policy; further ones wait for the operator's word.
pub const MOST_OF_SITE: i64 = 100;
/// How long a request waits that nobody repeats, in milliseconds: a week.
const PATIENCE: i64 = 7 * 86_400_000;
/// Leases that end in one transaction.
const LAPSES: usize = 64;

/// A server that wants to be listed, once it has proven itself.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who asks.
    pub peer: PeerId,
    /// The host of its address, by which requests are counted, and by its site.
    pub host: String,
    /// What it wants to be listed as; its server is `peer`.
    pub listing: Listing,
    /// What may be asked of its address.
    pub trust: Trust,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrationState {
    /// It was listed.
    Listed(ListingId),
    /// It was listed before, and its lease is renewed.
    Renewed(ListingId),
    /// It waits for the operator.
    Waiting,
}

/// What is known of a server at an address.
struct Known {
    id: i64,
    state: String,
    listing: Option<ListingId>,
    /// What it wanted to be listed as.
    draft: String,
}

const KNOWN: &str = "SELECT r.id, r.state, l.public, r.draft FROM registrations r LEFT JOIN listings l ON l.id = r.listing";

fn known(row: &Row) -> rusqlite::Result<Known> {
    let listing = row.get::<_, Option<[u8; 16]>>(2)?.map(ListingId::from_bytes);
    Ok(Known { id: row.get(0)?, state: row.get(1)?, listing, draft: row.get(3)? })
}

/// The listing that this server has at this address and need not prove again; `None`: it has none, or the prober saw somebody else answer there.
pub(super) fn listed(look: &Connection, peer: &PeerId, address: &str) -> Result<Option<ListingId>, StoreError> {
    let query = format!(
        "{KNOWN} WHERE r.peer = ?1 AND r.address = ?2 AND r.state = 'listed' AND l.deleted IS NULL \
         AND NOT EXISTS (SELECT 1 FROM endpoints e WHERE e.id = l.endpoint AND e.peer <> r.peer)"
    );
    let found = look.prepare_cached(&query)?.query_row(params![peer.to_bytes(), address], known).optional()?;
    Ok(found.and_then(|known| known.listing))
}

/// What is kept of what a server wants to be listed as.
fn written(listing: &Listing) -> Result<String, StoreError> {
    serde_json::to_string(&Draft::of(listing)).map_err(|error| StoreError::Unfit(error.to_string()))
}

/// How many registrations there are of this kind.
pub(super) fn count(look: &Connection, which: &str, values: impl rusqlite::Params) -> Result<i64, StoreError> {
    Ok(look.prepare_cached(&format!("SELECT count(*) FROM registrations WHERE {which}"))?.query_row(values, |row| row.get(0))?)
}

impl Desk<'_> {
    /// Lists, renews or queues what has proven itself.
    ///
    /// # Errors
    /// [`StoreError::TurnedDown`]; [`StoreError::TooMany`]; see [`StoreError`].
    pub fn register(&mut self, request: Request, policy: Policy, lease: u64) -> Result<RegistrationState, StoreError> {
        let address = request.listing.endpoints.first().map(|one| one.as_str().to_owned()).unwrap_or_default();
        let query = format!("{KNOWN} WHERE r.peer = ?1 AND r.address = ?2");
        let found = self.change.prepare_cached(&query)?.query_row(params![request.peer.to_bytes(), address], known).optional()?;
        match found {
            Some(known) if known.state == "refused" => Err(StoreError::TurnedDown),
            Some(known) if known.state == "listed" => self.renew(&known, request, lease),
            found if policy == Policy::Open && !self.is_doubtful(&request.peer, &request.host)? && !self.is_crowded(&request.host)? => {
                let id = self.queue(found, &request, &address)?;
                self.accept(id, request.listing, request.trust, &request.peer.to_base58(), lease).map(RegistrationState::Listed)
            }
            found => self.queue(found, &request, &address).map(|_| RegistrationState::Waiting),
        }
    }

    /// Whether the operator has turned down something of this server, or of another of its site: a key, a path or a name below one's own costs
    /// nothing.
    pub(super) fn is_doubtful(&self, peer: &PeerId, host: &str) -> Result<bool, StoreError> {
        let standing = standing(host);
        let (from, to) = (site(&standing), behind(site(&standing)));
        // Each part begins at what the operator has turned down, however much of the site waits.
        let bad = "SELECT EXISTS (SELECT 1 FROM registrations WHERE peer = ?1 AND state = 'refused') \
                   OR EXISTS (SELECT 1 FROM registrations WHERE state = 'refused' AND host >= ?2 AND host < ?3) \
                   OR EXISTS (SELECT 1 FROM listings l CROSS JOIN registrations r ON r.listing = l.id \
                              WHERE l.hidden IS NOT NULL AND (+r.peer = ?1 OR (+r.host >= ?2 AND +r.host < ?3)))";
        Ok(self.change.prepare_cached(bad)?.query_row(params![peer.to_bytes(), from, to], |row| row.get(0))?)
    }

    /// Whether the site of this host has as many servers as may be listed without the operator's word.
    fn is_crowded(&self, host: &str) -> Result<bool, StoreError> {
        let standing = standing(host);
        let (from, to) = (site(&standing), behind(site(&standing)));
        Ok(count(self.change, "host >= ?1 AND host < ?2 AND state = 'listed'", [from, &to])? >= MOST_OF_SITE)
    }

    /// The operator's word on a request that waits.
    ///
    /// # Errors
    /// [`StoreError::Nothing`]; see [`StoreError`].
    pub fn decide(&mut self, id: i64, approved: bool, trust: Trust, lease: u64, who: &str) -> Result<Option<ListingId>, StoreError> {
        let query = "SELECT peer, address, draft FROM registrations WHERE id = ?1 AND state = 'waiting'";
        let row = |row: &Row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?));
        let Some((peer, address, draft)) = self.change.prepare_cached(query)?.query_row([id], row).optional()? else {
            return Err(StoreError::Nothing);
        };
        if !approved {
            self.change.prepare_cached("UPDATE registrations SET state = 'refused' WHERE id = ?1")?.execute([id])?;
            return self.note(who, "refused", None, &address).map(|()| None);
        }
        let draft: Draft = serde_json::from_str(&draft).map_err(|_| StoreError::Nothing)?;
        let listing = Listing { rendezvous_id: PeerId::from_bytes(&peer).ok(), ..draft.listing()? };
        self.accept(id, listing, trust, who, lease).map(Some)
    }

    /// Ends leases that nobody has renewed: their listings become tombstones. Answers whether there may be more.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn lapse(&mut self) -> Result<bool, StoreError> {
        let query = "SELECT l.public FROM registrations r JOIN listings l ON l.id = r.listing WHERE r.lapses < ?1 LIMIT ?2";
        let row = |row: &Row| row.get(0).map(ListingId::from_bytes);
        let over: Vec<ListingId> =
            self.change.prepare_cached(query)?.query_map((millis(self.now), LAPSES as i64), row)?.collect::<rusqlite::Result<_>>()?;
        for id in &over {
            if let Some(entry) = by_public(self.change, id)?.filter(|entry| entry.record.listing().is_some()) {
                self.remove(&entry, "the lease lapsed", "hub")?;
            }
        }
        let old = "DELETE FROM registrations WHERE id IN (SELECT id FROM registrations WHERE state = 'waiting' AND asked < ?1 LIMIT 1000)";
        self.change.prepare_cached(old)?.execute([millis(self.now) - PATIENCE])?;
        Ok(over.len() == LAPSES)
    }

    /// Leases end so much later, in milliseconds, or sooner where that is negative.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn move_leases(&mut self, by: i64) -> Result<(), StoreError> {
        Ok(self.change.execute("UPDATE registrations SET lapses = lapses + ?1 WHERE lapses IS NOT NULL", [by]).map(drop)?)
    }

    /// What one lapse signs at most.
    pub const LAPSE_NUMBERS: u64 = LAPSES as u64;

    /// The listing that `who` may change: any of this hub for the operator, his own for an owner.
    pub(super) fn of(&self, id: &ListingId, version: Version, who: &Who) -> Result<Entry, StoreError> {
        let entry = self.own(id, None)?;
        if let Who::Owner(peer) = who
            && count(self.change, "listing = ?1 AND peer = ?2", params![entry.number, peer.to_bytes()])? == 0
        {
            return Err(StoreError::NotYours);
        }
        self.own(id, version)
    }

    /// Removes a listing on somebody's word. What the operator removes does not come back by itself.
    pub(super) fn withdraw(&mut self, entry: &Entry, who: &Who) -> Result<(), StoreError> {
        if let Who::Operator(_) = who {
            let refuse = "UPDATE registrations SET state = 'refused' WHERE listing = ?1";
            self.change.prepare_cached(refuse)?.execute([entry.number])?;
        }
        self.remove(entry, "removed", &who.name())
    }

    /// No lease stands behind this listing any more.
    pub(super) fn end_lease(&mut self, number: i64) -> Result<(), StoreError> {
        let end = "UPDATE registrations SET lapses = NULL WHERE listing = ?1";
        Ok(self.change.prepare_cached(end)?.execute([number]).map(drop)?)
    }

    /// Notes a request that waits, or what it wants now; answers its number.
    fn queue(&mut self, found: Option<Known>, request: &Request, address: &str) -> Result<i64, StoreError> {
        let draft = written(&request.listing)?;
        if let Some(known) = found {
            let set = "UPDATE registrations SET draft = ?2, asked = ?3 WHERE id = ?1";
            self.change.prepare_cached(set)?.execute(params![known.id, draft, millis(self.now)])?;
            return Ok(known.id);
        }
        let host = standing(&request.host);
        if count(self.change, "host = ?1 AND state = 'waiting'", [&host])? >= MOST_OF_HOST {
            return Err(StoreError::TooMany("as many requests of this host wait as may"));
        }
        if count(self.change, "state = 'waiting'", [])? >= MOST_WAITING && !make_room(self.change, &host)? {
            return Err(StoreError::TooMany("as many requests wait for the operator as may"));
        }
        let added = "INSERT INTO registrations (peer, address, host, state, draft, asked) VALUES (?1, ?2, ?3, 'waiting', ?4, ?5)";
        self.change.prepare_cached(added)?.execute(params![request.peer.to_bytes(), address, host, draft, millis(self.now)])?;
        Ok(self.change.last_insert_rowid())
    }

    fn accept(&mut self, id: i64, listing: Listing, trust: Trust, who: &str, lease: u64) -> Result<ListingId, StoreError> {
        let listed = self.list(listing, trust, who)?;
        self.lease(id, &listed, lease)?;
        Ok(listed.id)
    }

    /// A lease goes on. What its owner wants counts where that is something else than before, so that what the operator has changed stays changed;
    /// what had lapsed is listed again as the same community.
    fn renew(&mut self, known: &Known, request: Request, lease: u64) -> Result<RegistrationState, StoreError> {
        let entry = match &known.listing {
            Some(id) => by_public(self.change, id)?,
            None => None,
        };
        let (who, draft) = (request.peer.to_base58(), written(&request.listing)?);
        let Some(entry) = entry else {
            return self.accept(known.id, request.listing, request.trust, &who, lease).map(RegistrationState::Listed);
        };
        let listed = match entry.record.listing() {
            Some(same) if *same == request.listing || known.draft == draft => {
                Listed { id: entry.id, number: entry.number, version: entry.record.order.seq }
            }
            Some(_) => self.edit(&entry, request.listing, request.trust, &who)?,
            None => self.list_as(entry.record.community, request.listing, request.trust, &who)?,
        };
        self.lease(known.id, &listed, lease)?;
        self.change.prepare_cached("UPDATE registrations SET draft = ?2 WHERE id = ?1")?.execute((known.id, draft))?;
        Ok(RegistrationState::Renewed(listed.id))
    }

    fn lease(&mut self, id: i64, listed: &Listed, lease: u64) -> Result<(), StoreError> {
        let set = "UPDATE registrations SET state = 'listed', listing = ?2, lapses = ?3, asked = ?4 WHERE id = ?1";
        let lapses = UnixMillis(self.now.0.saturating_add(lease.saturating_mul(1000)));
        self.change.prepare_cached(set)?.execute(params![id, listed.number, millis(lapses), millis(self.now)])?;
        Ok(())
    }
}
