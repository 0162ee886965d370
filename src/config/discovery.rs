//! `[discovery]`: where others are looked for.

use super::base_url::BaseUrl;
use super::section::section;

/// The key of the super hubs that are searched.
pub const HUBS: &str = "discovery.hubs";

section! {
    /// Where others are looked for.
    DiscoveryConfig in "discovery" {
        /// Whether peers on the LAN are looked for and told that this one is here.
        mdns: bool = true;
        /// Super hubs that are asked for communities.
        hubs: Vec<BaseUrl> = Vec::new();
    }
}
