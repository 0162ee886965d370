//! What communities are called on super hubs, for the places where their members see them: a label beside the address, and nothing more.
//!
//! A stranger's listing can claim any address. Of several that name the same one, those count whose server a hub saw answering, if there
//! are such; where these disagree, and where the name looks like that of an older community, there is no name.

use std::collections::{BTreeMap, BTreeSet};

use super::kept::Found;
use super::listing::Listing;
use crate::proto::chat::community_name;

/// Names by address, as [`community_name`] has it.
pub type Names = BTreeMap<String, String>;

/// What `kept` calls the communities at `addresses`, as [`community_name`] has them.
pub fn names(kept: &[Found], addresses: &BTreeSet<String>) -> Names {
    let mut claims: BTreeMap<&String, Vec<&Listing>> = BTreeMap::new();
    for Found { listing, .. } in kept {
        if let Some(address) = addresses.get(community_name(listing.rendezvous.as_str())) {
            claims.entry(address).or_default().push(listing);
        }
    }
    claims.into_iter().filter_map(|(address, claims)| Some((address.clone(), agreed(&claims)?))).collect()
}

fn agreed(claims: &[&Listing]) -> Option<String> {
    let proven = claims.iter().any(|claim| claim.proven);
    let mut counting = claims.iter().filter(|claim| claim.proven == proven);
    let first = counting.next()?;
    (first.similar_to.is_none() && counting.all(|claim| claim.name == first.name)).then(|| first.name.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::clock::UnixMillis;
    use crate::proto::directory::ListingId;

    const CHESS: &str = "rv.example/c/chess";

    fn found(number: u8, name: &str, place: &str, proven: bool) -> Found {
        let id = ListingId::from_bytes([number; 16]).to_string();
        let said = json!({ "id": id, "community": name, "rendezvous": place, "type": "open", "proven": proven });
        Found { hub: "https://hub.example/".into(), at: UnixMillis(1), listing: Listing::read(&said).unwrap() }
    }

    fn called(kept: &[Found]) -> Option<String> {
        names(kept, &BTreeSet::from([CHESS.to_owned()])).remove(CHESS)
    }

    #[test]
    fn a_community_has_the_name_of_its_listing() {
        let others = found(2, "Go Club", "https://rv.example/c/go", true);
        assert_eq!(called(&[others.clone(), found(1, "Chess Club", "https://rv.example/c/chess", false)]).as_deref(), Some("Chess Club"));
        assert_eq!(called(&[others]), None);
        let bare = names(&[found(1, "Square", "rv.example:8787", false)], &BTreeSet::from(["rv.example:8787".to_owned()]));
        assert_eq!(bare["rv.example:8787"], "Square");
    }

    #[test]
    fn attack_a_stranger_s_listing_of_the_same_address_renames_nobody() {
        let of = |number, name, proven| found(number, name, "https://rv.example/c/chess", proven);
        let (ours, theirs) = (of(1, "Chess Club", true), of(2, "Your Bank", false));
        assert_eq!(called(&[theirs.clone(), ours.clone()]).as_deref(), Some("Chess Club"), "who was seen answering counts");
        assert_eq!(called(&[theirs, of(3, "Chess", false)]), None, "nobody knows");
        assert_eq!(called(&[ours.clone(), of(4, "Your Bank", true)]), None);
        assert_eq!(called(&[ours.clone(), of(5, "Chess Club", true)]).as_deref(), Some("Chess Club"), "two hubs, one name");
        let mut alike = of(6, "Chess Club", false);
        alike.listing.similar_to = Some(ours.listing.id);
        assert_eq!(called(&[alike]), None);
    }
}
