//! A listing as somebody writes it.

use libp2p::PeerId;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::identity::peer_id_from_text;
use crate::proto::community::Kind;
use crate::proto::directory::{Endpoint, Listing, MAX_ENDPOINTS};
use crate::proto::names::{Lang, Name, Summary, Tag};
use crate::superhub::directory::StoreError;

/// What may be said of a community; what is not said stays as it is, or is empty. What a hub answers may be sent back: what only the hub knows
/// is passed over.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Draft {
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub community: Option<String>,
    /// What the community says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Under what it is filed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
    /// What is mostly spoken; empty: nothing in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// Where it is met: `host:port` or a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rendezvous: Option<String>,
    /// The same, where there are several; `rendezvous` is the first of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Vec<String>>,
    /// The peer id of the rendezvous server; empty: unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rendezvous_id: Option<String>,
    /// How somebody comes in.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Whether that costs money.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid: Option<bool>,
    /// How many members its owner says it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<u32>,
    /// Whose listing it is; only this hub's may be written here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The same, as a peer id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin_id: Option<String>,
    #[serde(skip_serializing)]
    id: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    health: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    checked: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    version: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    created: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    updated: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    federated: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    proven: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    similar_to: Option<IgnoredAny>,
}

impl Draft {
    /// A new listing.
    ///
    /// # Errors
    /// [`StoreError::Unfit`]: what is wrong.
    pub fn listing(&self) -> Result<Listing, StoreError> {
        let name = Name::parse(self.community.as_deref().ok_or_else(|| unfit("\"community\" is its name"))?).map_err(unfit)?;
        let endpoints = self.endpoints()?.ok_or_else(|| unfit("\"rendezvous\" says where it is met"))?;
        let empty = Listing {
            name,
            summary: Summary::default(),
            tags: Vec::new(),
            kind: Kind::Open,
            paid: false,
            lang: None,
            endpoints,
            rendezvous_id: None,
            community_key: None,
            members: 0,
        };
        self.over(&empty)
    }

    /// What says the same as `listing`, at its first address: nothing else that a stranger wrote is kept for the operator to read.
    pub(in crate::superhub::directory) fn of(listing: &Listing) -> Self {
        Self {
            community: Some(listing.name.as_str().to_owned()),
            description: Some(listing.summary.as_str().to_owned()),
            tags: Some(listing.tags.iter().map(|tag| tag.as_str().to_owned()).collect()),
            lang: listing.lang.as_ref().map(|lang| lang.as_str().to_owned()),
            rendezvous: listing.endpoints.first().map(|endpoint| endpoint.as_str().to_owned()),
            kind: Some(listing.kind),
            paid: Some(listing.paid),
            members: Some(listing.members),
            ..Self::default()
        }
    }

    /// `before` with what this says.
    ///
    /// # Errors
    /// [`StoreError::Unfit`]: what is wrong.
    pub fn over(&self, before: &Listing) -> Result<Listing, StoreError> {
        let mut listing = before.clone();
        if let Some(name) = &self.community {
            listing.name = Name::parse(name).map_err(unfit)?;
        }
        if let Some(description) = &self.description {
            listing.summary = Summary::parse(description).map_err(unfit)?;
        }
        if let Some(tags) = &self.tags {
            listing.tags = Tag::parse_all(tags.iter().map(String::as_str)).map_err(unfit)?;
        }
        if let Some(lang) = &self.lang {
            listing.lang = if lang.is_empty() { None } else { Some(Lang::parse(lang).map_err(unfit)?) };
        }
        if let Some(endpoints) = self.endpoints()?
            && endpoints != listing.endpoints
        {
            // Whoever consented to the old places has not to the new ones.
            (listing.endpoints, listing.community_key) = (endpoints, None);
        }
        if let Some(peer) = &self.rendezvous_id {
            listing.rendezvous_id = peer_of(peer)?;
        }
        listing.kind = self.kind.unwrap_or(listing.kind);
        listing.paid = self.paid.unwrap_or(listing.paid);
        listing.members = self.members.unwrap_or(listing.members);
        Ok(listing)
    }

    /// Whether it speaks of a listing of this origin, or of none in particular.
    pub fn is_of(&self, name: &str, peer: &PeerId) -> bool {
        let named = self.origin.as_deref().is_none_or(|origin| origin.eq_ignore_ascii_case(name));
        named && self.origin_id.as_deref().is_none_or(|origin| peer_id_from_text(origin).is_ok_and(|origin| origin == *peer))
    }

    fn endpoints(&self) -> Result<Option<Vec<Endpoint>>, StoreError> {
        let texts = match (&self.rendezvous, &self.endpoints) {
            (None, None) => return Ok(None),
            (Some(first), None) => vec![first.as_str()],
            (None, Some(all)) => all.iter().map(String::as_str).collect(),
            (Some(first), Some(all)) => std::iter::once(first.as_str()).chain(all.iter().map(String::as_str)).collect(),
        };
        let mut endpoints = Vec::new();
        for text in texts.into_iter().take(MAX_ENDPOINTS + 2) {
            let endpoint = Endpoint::parse(text).map_err(unfit)?;
            if !endpoints.contains(&endpoint) {
                endpoints.push(endpoint);
            }
        }
        match endpoints.len() {
            1..=MAX_ENDPOINTS => Ok(Some(endpoints)),
            _ => Err(unfit(format!("a community is met in 1 to {MAX_ENDPOINTS} places"))),
        }
    }
}

fn peer_of(text: &str) -> Result<Option<PeerId>, StoreError> {
    if text.is_empty() { Ok(None) } else { peer_id_from_text(text).map(Some).map_err(unfit) }
}

fn unfit(why: impl ToString) -> StoreError {
    StoreError::Unfit(why.to_string())
}
