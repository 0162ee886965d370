//! By which names this server goes, and whether a signed message is for one of them (THREATS 3).
//!
//! Anybody can claim another server's peer id and epoch, let peers sign for that one, and pass their messages on to it, where they never
//! joined. Therefore a message names the server as its sender reached it (`audience`, [`crate::proto::signed::Details`]), and a server
//! that knows its own name takes no message for another one. It goes by the origin of `http.external_url`, and by the very address at
//! which a connection reached it, so that its own node and its LAN need not go around by the internet; a loopback address counts for
//! programs of this machine only.
//!
//! Without `http.external_url` a server cannot know what a forwarded port, a proxy or a name service makes of it: it takes every name, and
//! cannot tell a hostile proxy from a good one. A message without an audience was written by another program, at its own risk.

use std::net::{IpAddr, SocketAddr};

use reqwest::Url;

use crate::config::base_url::BaseUrl;

/// See the head of this file.
#[derive(Debug, Clone)]
pub struct Names {
    origin: Option<String>,
}

impl Names {
    /// The names of a server that others reach at `external_url`.
    pub fn new(external_url: Option<&BaseUrl>) -> Self {
        Self { origin: external_url.map(BaseUrl::origin) }
    }

    /// The name that is configured.
    pub fn configured(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// Whether `audience` names this server, for a `client` whose connection reached it at `local`.
    pub fn include(&self, audience: &str, client: IpAddr, local: Option<SocketAddr>) -> bool {
        match &self.origin {
            None => true,
            Some(origin) => audience.is_empty() || audience == origin || local.is_some_and(|local| is_at(audience, client, local)),
        }
    }
}

fn is_at(audience: &str, client: IpAddr, local: SocketAddr) -> bool {
    let Ok(url) = Url::parse(audience) else { return false };
    let (host, here) = (url.host_str().unwrap_or_default().trim_matches(['[', ']']), local.ip().to_canonical());
    let is_host = match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical() == here,
        Err(_) => host == "localhost" && here.is_loopback(),
    };
    let near = !here.is_loopback() || client.to_canonical().is_loopback();
    url.scheme() == "http" && url.port_or_known_default() == Some(local.port()) && is_host && near
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(external_url: Option<&str>, audience: &str, client: &str, local: &str) -> bool {
        let url = external_url.map(|url| BaseUrl::parse(url).unwrap());
        Names::new(url.as_ref()).include(audience, client.parse().unwrap(), Some(local.parse().unwrap()))
    }

    #[test]
    fn a_server_goes_by_its_external_url_and_by_the_address_where_it_was_reached() {
        let takes = |audience, client, local| takes(Some("https://rv.example.org/goop"), audience, client, local);
        assert!(takes("https://rv.example.org", "203.0.113.5", "10.0.0.1:8787"));
        assert!(takes("http://10.0.0.1:8787", "10.0.0.7", "10.0.0.1:8787"), "from the LAN");
        assert!(takes("http://[fd00::1]:80", "fd00::7", "[fd00::1]:80") && takes("http://[fd00::1]", "fd00::7", "[fd00::1]:80"));
        for audience in ["http://localhost:8787", "http://127.0.0.1:8787"] {
            assert!(takes(audience, "127.0.0.1", "[::ffff:127.0.0.1]:8787"), "{audience}: its own node");
            assert!(!takes(audience, "203.0.113.5", "127.0.0.1:8787"), "{audience}: somebody behind its proxy");
        }
        assert!(takes("", "203.0.113.5", "10.0.0.1:8787"), "another program, which says no name");
    }

    #[test]
    fn attack_a_message_for_any_other_name_is_not_taken() {
        for audience in [
            "https://hostile.example",
            "http://rv.example.org",
            "https://rv.example.org:8443",
            "https://rv.example.org.hostile.example",
            "https://10.0.0.1:8787",
            "http://10.0.0.1:8788",
            "http://10.0.0.2:8787",
            "http://localhost:8787",
            "http://hostile.example:8787",
            "null",
        ] {
            assert!(!takes(Some("https://rv.example.org"), audience, "10.0.0.7", "10.0.0.1:8787"), "{audience}");
            assert!(takes(None, audience, "10.0.0.7", "10.0.0.1:8787"), "a server that knows no name of its own cannot tell");
        }
    }
}
