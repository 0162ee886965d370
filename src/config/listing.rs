//! `[listing]`: how this node's rendezvous server is listed on super hubs.

use super::base_url::BaseUrl;
use super::section::section;
use super::text::Line;

section! {
    /// How this node's rendezvous server is listed on super hubs. Two keys are enough: hubs and name.
    ListingConfig in "listing" {
        /// The super hubs on which the community is listed; that is renewed by itself as long as this node runs.
        hubs: Vec<BaseUrl> = Vec::new();
        /// What the community is called. Empty: it is not listed; `goop hub unlist` takes off at once what is.
        name: Line = Line::default();
        /// What it says of itself.
        description: Line = Line::default();
        /// Under what it is filed, at most eight.
        tags: Vec<Line> = Vec::new();
        /// What is mostly spoken there, as in "en" or "pt-BR".
        lang: Line = Line::default();
        /// How somebody comes in: "open", "invite-only" or "application". Empty: open.
        kind: Line = Line::default();
        /// Which board it is: the slug of a community of this server. Empty: the open one.
        community: Line = Line::default();
    }
}
