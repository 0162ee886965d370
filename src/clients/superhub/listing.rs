//! A listing as a hub tells of it, read with suspicion: one that breaks the rules of names, addresses or numbers is passed over
//! (THREATS 23). Members other than the known ones are ignored.

use serde::Serialize;
use serde_json::Value;

use crate::proto::community::Kind;
use crate::proto::directory::{Endpoint, ListingId};
use crate::proto::health::Health;
use crate::proto::names::{Lang, Name, Summary, Tag};
use crate::proto::presence::label;

/// Longest name of an origin and longest time that are shown, in characters.
const MAX_WORD: usize = 100;

/// A community that a hub lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// The same on every hub.
    pub id: ListingId,
    /// What it is called.
    #[serde(rename = "community")]
    pub name: Name,
    /// What it says of itself.
    pub description: Summary,
    /// Under what it is filed.
    pub tags: Vec<Tag>,
    /// What is mostly spoken there.
    pub lang: Option<Lang>,
    /// Where it is met.
    pub rendezvous: Endpoint,
    /// How somebody comes in.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// Whether it costs something.
    pub paid: bool,
    /// How many there are, as its owner claims.
    pub members: u32,
    /// What the hub saw of it.
    pub health: Health,
    /// Which hub it was listed on first.
    pub origin: String,
    /// When it was changed last, in the hub's words.
    pub updated: String,
    /// Whether the hub saw the peer that the listing names answer there.
    pub proven: bool,
    /// An older community with a name that looks like this one's.
    pub similar_to: Option<ListingId>,
}

impl Listing {
    /// Reads the JSON of a listing; `None` where anything that counts is missing or against the rules.
    pub fn read(said: &Value) -> Option<Self> {
        let text = |name: &str| said[name].as_str().unwrap_or_default();
        let tags = said["tags"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Some(Self {
            id: ListingId::parse(text("id"))?,
            name: Name::parse(text("community")).ok()?,
            description: Summary::parse(text("description")).unwrap_or_default(),
            tags: Tag::parse_all(tags).unwrap_or_default(),
            lang: Lang::parse(text("lang")).ok(),
            rendezvous: Endpoint::parse(text("rendezvous")).ok()?,
            kind: Kind::of_word(text("type"))?,
            paid: said["paid"].as_bool().unwrap_or_default(),
            members: said["members"].as_u64().and_then(|members| members.try_into().ok()).unwrap_or_default(),
            health: Health::of_word(text("health")).unwrap_or_default(),
            origin: label::clean(text("origin"), MAX_WORD),
            updated: label::clean(text("updated"), MAX_WORD),
            proven: said["proven"].as_bool().unwrap_or_default(),
            similar_to: ListingId::parse(text("similar_to")),
        })
    }

    /// What its origin says of it, without what a hub has seen and what its owner counts: hubs that pass on the same listing say the same here.
    pub(super) fn words_of_origin(&self) -> String {
        let lang = self.lang.as_ref().map_or("", Lang::as_str);
        let paid = if self.paid { "paid" } else { "" };
        let fixed = [self.name.as_str(), self.description.as_str(), self.rendezvous.as_str(), self.kind.word(), lang, paid];
        // None of these holds a line end.
        fixed.into_iter().chain(self.tags.iter().map(Tag::as_str)).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn said() -> Value {
        let id = ListingId::from_bytes([7; 16]).to_string();
        json!({ "id": id, "community": "Chess Club", "rendezvous": "https://rv.example/c/chess", "type": "open", "tags": ["chess"], "health": "healthy" })
    }

    #[test]
    fn a_listing_is_read_and_written_alike() {
        let listing = Listing::read(&said()).unwrap();
        assert_eq!((listing.name.as_str(), listing.health), ("Chess Club", Health::Healthy));
        assert_eq!(Listing::read(&serde_json::to_value(&listing).unwrap()), Some(listing));
    }

    #[test]
    fn attack_a_listing_against_the_rules_is_passed_over() {
        let bad = [
            ("community", json!("Ch\u{202e}ess")),
            ("community", json!("x".repeat(10_000))),
            ("community", json!(["Chess"])),
            ("rendezvous", json!("javascript:alert(1)")),
            ("rendezvous", json!("https://user:word@rv.example")),
            ("type", json!("<script>")),
            ("id", json!("../../etc/passwd")),
        ];
        for (name, value) in bad {
            let mut listing = said();
            listing[name] = value;
            assert_eq!(Listing::read(&listing), None, "{listing}");
        }
    }

    #[test]
    fn what_is_not_needed_may_be_of_any_type() {
        let mut listing = said();
        for name in ["description", "tags", "lang", "paid", "members", "health", "origin", "updated", "proven", "similar_to"] {
            listing[name] = json!({ "a": [-1] });
        }
        assert_eq!(Listing::read(&listing).unwrap().health, Health::Unknown);
    }

    proptest! {
        #[test]
        fn whatever_a_hub_says_is_read_without_panic(text in "\\PC{0,40}", number in any::<i64>()) {
            let mut listing = said();
            for name in ["description", "lang", "origin", "updated", "rendezvous", "community"] {
                listing[name] = json!(text);
            }
            listing["members"] = json!(number);
            let _ = Listing::read(&listing);
        }
    }
}
