//! `[http]`: manners of the public listener.

use std::net::SocketAddr;

use super::base_url::BaseUrl;
use super::net::Network;
use super::section::section;
use super::size::Size;

section! {
    /// Manners of the public listener.
    HttpConfig in "http" {
        /// Addresses or networks of proxies whose word on the client's address counts. Empty: nobody's.
        trusted_proxies: Vec<Network> = Vec::new();
        /// The URL under which others reach the public listener. Set it on every public server: signed presence for another name is then refused.
        external_url: Option<BaseUrl> = None;
        /// An extra address and port for /metrics. Empty: only the public listener's, for the operator.
        metrics_addr: Option<SocketAddr> = None;
        /// The longest body of a request.
        max_body: Size = Size::kib(16), in Size::kib(1)..=Size::kib(16 * 1024);
        /// The most open event streams. 0: as many as the limit on open files allows.
        max_streams: u32 = 0;
        /// The most open event streams of one address.
        max_streams_per_ip: u32 = 1024, in 1..=u32::MAX;
        /// How often one peer may publish, per minute.
        publish_per_minute_per_peer: u32 = 120, in 1..=u32::MAX;
        /// How often one address may publish, per minute.
        publish_per_minute_per_ip: u32 = 12_000, in 1..=u32::MAX;
        /// How many messages a peer may publish at once. An address may publish ten seconds' worth at once.
        publish_burst: u32 = 20, in 1..=u32::MAX;
    }
}

impl HttpConfig {
    /// The path under which a proxy has put the public roles, without a slash at its end; mostly empty.
    pub fn root(&self) -> &str {
        self.external_url.as_ref().map_or("", BaseUrl::root)
    }

    /// The origin of the pages that are ours, where that is configured.
    pub fn origin(&self) -> Option<String> {
        self.external_url.as_ref().map(BaseUrl::origin)
    }

    /// The host under which others reach the public roles, where that is configured.
    pub fn host(&self) -> Option<&str> {
        self.external_url.as_ref().and_then(|url| url.url().host_str())
    }

    /// The host that clients of a listener at `addr` ask for, and have it prove itself for (FEDERATION B.10).
    pub fn hostname(&self, addr: SocketAddr) -> String {
        self.host().map_or_else(|| addr.ip().to_string(), str::to_owned)
    }
}
