//! `[discovery]`: where others are looked for.

use super::base_url::BaseUrl;
use super::section::section;

/// The key of the super hubs that are searched.
pub const HUBS: &str = "discovery.hubs";

section! {
    /// Where others are looked for.
    DiscoveryConfig in "discovery" {
        /// Whether peers on the same network (at home, at work) are looked for and told that this one is here.
        mdns: bool = true;
        /// Super hubs, which are directories of communities, that are asked when you search. Empty: none.
        hubs: Vec<BaseUrl> = Vec::new();
    }
}
