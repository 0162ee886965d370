//! Listings follow their community to where its old place says that it is now ([`crate::superhub::monitor`] has seen both).
//!
//! The public id stays. Whether the new server wants to be listed is another question, so a listing goes along as its owner's and no
//! more: another server's peer id is not claimed for it, and since the owner cannot prove the new place to be his, his lease is the last. Where the same server
//! has listed itself at the new place already, the older of the two ids is kept, with what the newer one says.
//!
//! Nothing moves to a place that has a listing of somebody else, or to a server that the operator has turned down.

use libp2p::PeerId;
use rusqlite::params;

use super::store::{Desk, Entry, OURS, StoreError, by_public};
use crate::proto::directory::target::Trust;
use crate::proto::directory::{Endpoint, Listing, ListingId};

/// Listings of one place that follow at once; others when it is looked at again.
const FOLLOWERS: usize = 32;

impl Desk<'_> {
    /// What one move signs at most: a change and a tombstone for each listing.
    pub const MOVE_NUMBERS: u64 = 2 * FOLLOWERS as u64;

    /// The listings of this hub that were met at `from` are met at `to`, where `peer` answers. Answers whether there were any.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn follow(&mut self, from: &Endpoint, to: &Endpoint, peer: &PeerId, trust: Trust) -> Result<bool, StoreError> {
        let mut went = false;
        for entry in self.listed_at(from)? {
            let Some(listing) = entry.record.listing() else { continue };
            let there = self.listed_at(to)?;
            went |= match there.as_slice() {
                [] if self.is_turned_down(from, to, peer)? => false,
                [] => self.go(&entry, moved(listing, from, to, peer), to, trust)?,
                [one] if one.number != entry.number && self.owns(peer, &entry)? && self.owns(peer, one)? => {
                    self.merge(&entry, one, to, trust)?
                }
                _ => false,
            };
        }
        if went {
            // Whoever has led his listing to another's server does not renew it there before the next look.
            let seen = "UPDATE endpoints SET peer = ?2 WHERE address = ?1 \
                        AND EXISTS (SELECT 1 FROM registrations WHERE address = ?1 AND peer <> ?2)";
            self.change.prepare_cached(seen)?.execute(params![to.as_str(), peer.to_bytes()])?;
        }
        Ok(went)
    }

    /// A listing is met at `to`, and so is its lease.
    fn go(&mut self, entry: &Entry, listing: Listing, to: &Endpoint, trust: Trust) -> Result<bool, StoreError> {
        self.edit(entry, listing, trust, "hub")?;
        self.note("hub", "moved", Some(&entry.id), to.as_str())?;
        let other = "DELETE FROM registrations WHERE address = ?2 AND listing IS NOT ?1 \
                     AND peer = (SELECT peer FROM registrations WHERE listing = ?1)";
        self.change.prepare_cached(other)?.execute(params![entry.number, to.as_str()])?;
        // Its host stays: what the operator makes of this listing is not held against others who are at the new one.
        let lease = "UPDATE registrations SET address = ?2 WHERE listing = ?1";
        self.change.prepare_cached(lease)?.execute(params![entry.number, to.as_str()])?;
        Ok(true)
    }

    /// One server's two listings, of which one came to where the other is, become one.
    fn merge(&mut self, came: &Entry, was: &Entry, to: &Endpoint, trust: Trust) -> Result<bool, StoreError> {
        let newer = if came.number < was.number { was } else { came };
        self.remove(newer, "listed under another id", "hub")?;
        match was.record.listing() {
            Some(listing) if newer.number == was.number => self.go(came, listing.clone(), to, trust),
            _ => Ok(true),
        }
    }

    /// Live listings of this hub whose first endpoint this is, the oldest first.
    fn listed_at(&self, endpoint: &Endpoint) -> Result<Vec<Entry>, StoreError> {
        let query = "SELECT l.public FROM listings l JOIN endpoints e ON e.id = l.endpoint \
                     WHERE e.address = ?1 AND l.origin = ?3 AND l.deleted IS NULL ORDER BY l.id LIMIT ?2";
        let row = |row: &rusqlite::Row| row.get(0).map(ListingId::from_bytes);
        let mut query = self.change.prepare_cached(query)?;
        let ids: Vec<ListingId> = query.query_map((endpoint.as_str(), FOLLOWERS as i64, OURS), row)?.collect::<rusqlite::Result<_>>()?;
        ids.iter().filter_map(|id| by_public(self.change, id).transpose()).collect()
    }

    /// Whether this server has listed this itself.
    fn owns(&self, peer: &PeerId, entry: &Entry) -> Result<bool, StoreError> {
        let query = "SELECT EXISTS (SELECT 1 FROM registrations WHERE listing = ?1 AND peer = ?2)";
        Ok(self.change.prepare_cached(query)?.query_row(params![entry.number, peer.to_bytes()], |row| row.get(0))?)
    }

    /// Whether the operator has refused, removed or hidden something of this server or its host, or anybody waits for his word there.
    fn is_turned_down(&self, from: &Endpoint, to: &Endpoint, peer: &PeerId) -> Result<bool, StoreError> {
        let waits = "SELECT EXISTS (SELECT 1 FROM registrations WHERE host = ?1 AND address = ?2 AND state <> 'listed')";
        let waits: bool = self.change.prepare_cached(waits)?.query_row([to.host().as_str(), to.as_str()], |row| row.get(0))?;
        // Whoever stays at his host has been judged there before.
        Ok(waits || (from.host() != to.host() && self.is_doubtful(peer, &to.host())?))
    }
}

/// The listing with its new place, and no peer id that is not the new server's.
fn moved(listing: &Listing, from: &Endpoint, to: &Endpoint, peer: &PeerId) -> Listing {
    let place = |endpoint: &Endpoint| if endpoint == from { to.clone() } else { endpoint.clone() };
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for endpoint in listing.endpoints.iter().map(place) {
        if !endpoints.contains(&endpoint) {
            endpoints.push(endpoint);
        }
    }
    Listing { endpoints, rendezvous_id: listing.rendezvous_id.filter(|named| named == peer), ..listing.clone() }
}
