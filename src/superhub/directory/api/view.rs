//! A listing as the outside reads it (CONTRACT).

use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock::UnixMillis;
use crate::proto::community::Kind;
use crate::proto::directory::{Endpoint, ListingId};
use crate::proto::health::Health;
use crate::proto::names::Tag;
use crate::superhub::directory::Entry;

/// 31 December 9999, in days after 1 January 1970.
const LAST_DAY: u64 = 2_932_896;

/// The JSON of a listing.
#[derive(Debug, Serialize)]
pub(super) struct View<'a> {
    id: ListingId,
    community: &'a str,
    description: &'a str,
    tags: &'a [Tag],
    lang: Option<&'a str>,
    rendezvous: &'a Endpoint,
    endpoints: &'a [Endpoint],
    rendezvous_id: Option<String>,
    #[serde(rename = "type")]
    kind: Kind,
    paid: bool,
    members: u32,
    health: Health,
    checked: Option<String>,
    origin: &'a str,
    origin_id: String,
    version: u64,
    created: String,
    updated: String,
    federated: bool,
    proven: bool,
    similar_to: Option<ListingId>,
}

impl<'a> View<'a> {
    /// The listing; `None` for a tombstone.
    pub(super) fn of(entry: &'a Entry) -> Option<Self> {
        let listing = entry.record.listing()?;
        Some(Self {
            id: entry.id,
            community: listing.name.as_str(),
            description: listing.summary.as_str(),
            tags: &listing.tags,
            lang: listing.lang.as_ref().map(|lang| lang.as_str()),
            rendezvous: listing.endpoints.first()?,
            endpoints: &listing.endpoints,
            rendezvous_id: listing.rendezvous_id.map(|peer| peer.to_base58()),
            kind: listing.kind,
            paid: listing.paid,
            members: listing.members,
            health: entry.health,
            checked: entry.checked.map(rfc3339),
            origin: &entry.origin_name,
            origin_id: entry.record.origin.to_base58(),
            version: entry.record.order.seq,
            created: rfc3339(entry.created),
            updated: rfc3339(entry.record.issued),
            federated: !entry.is_ours(),
            proven: entry.proven,
            similar_to: entry.similar,
        })
    }
}

/// A time in UTC as RFC 3339 writes it, such as `2026-02-03T12:00:00Z`; what is later than it can write falls on its last day.
pub fn rfc3339(at: UnixMillis) -> String {
    let (days, seconds) = (at.0 / 86_400_000, at.0 / 1000 % 86_400);
    let time = OffsetDateTime::UNIX_EPOCH + Duration::from_secs(days.min(LAST_DAY) * 86_400 + seconds);
    time.format(&Rfc3339).expect("a year of four digits can be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_as_rfc_3339() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_770_120_000_000, "2026-02-03T12:00:00Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (u64::MAX, "9999-12-31T14:25:51Z"),
        ];
        for (millis, text) in cases {
            assert_eq!(rfc3339(UnixMillis(millis)), text);
        }
    }
}
