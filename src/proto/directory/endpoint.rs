//! Where a community is met: a URL, or `host:port`, which is tried as https and then as http (CONTRACT).
//!
//! Whoever finds it may paste it into a shell, write it into a file, or hear it read out. So it holds nothing that ends a word or begins an
//! option there: whatever else a path needs is written as `%XX` (THREATS 23).

use std::fmt;
use std::net::Ipv6Addr;

use reqwest::Url;
use serde::{Serialize, Serializer};
use thiserror::Error;

/// Longest endpoint, in bytes.
pub const MAX_ENDPOINT: usize = 256;

/// Why a text is no endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EndpointError {
    /// [`MAX_ENDPOINT`].
    #[error("an address has at most {MAX_ENDPOINT} bytes")]
    Long,
    /// Neither a URL nor `host:port`.
    #[error("an address is \"host:port\" or an http or https URL")]
    Form,
    /// What a shell, or whoever reads it, takes for something else.
    #[error("an address holds letters, digits and . _ - in its host, these and ~ % / @ : + , = in its path; write others as %XX")]
    Characters,
    /// A user, a password, a query, a fragment, or somebody's personal URL.
    #[error("an address that everybody may read holds no password, query, fragment or personal token")]
    Secret,
}

/// An address of a rendezvous server's board, as its owner wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Endpoint(String);

impl Endpoint {
    /// Reads an endpoint; a URL is kept in its normal form, without a slash at its end.
    ///
    /// # Errors
    /// See [`EndpointError`].
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let text = text.trim();
        if text.len() > MAX_ENDPOINT {
            return Err(EndpointError::Long);
        }
        let kept = match text.contains("://") {
            true => shown(&plain_url(text)?),
            false => {
                let url = plain_url(&format!("https://{text}"))?;
                let port =
                    text.rsplit_once(':').map(|(_, port)| port).filter(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
                let (Some(host), Some(port), "/") = (url.host_str(), port.and_then(|port| port.parse::<u16>().ok()), url.path()) else {
                    return Err(EndpointError::Form);
                };
                format!("{host}:{port}")
            }
        };
        if kept.len() <= MAX_ENDPOINT { Ok(Self(kept)) } else { Err(EndpointError::Long) }
    }

    /// An endpoint that was read before it was kept.
    pub(super) fn kept(text: String) -> Self {
        Self(text)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, by which what belongs to one machine is counted.
    pub fn host(&self) -> String {
        self.urls().first().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The base URLs to try, in this order.
    pub fn urls(&self) -> Vec<Url> {
        let tried = match self.0.contains("://") {
            true => vec![self.0.clone()],
            false => vec![format!("https://{}", self.0), format!("http://{}", self.0)],
        };
        tried.iter().filter_map(|text| Url::parse(text).ok()).collect()
    }
}

fn url(text: &str) -> Result<Url, EndpointError> {
    let url = Url::parse(text).map_err(|_| EndpointError::Form)?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.port() == Some(0) {
        return Err(EndpointError::Form);
    }
    let personal = url.path_segments().is_some_and(|mut parts| parts.any(|part| part == "m"));
    let secret = !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() || personal;
    if secret { Err(EndpointError::Secret) } else { Ok(url) }
}

/// A URL that is one plain word wherever somebody puts it.
fn plain_url(text: &str) -> Result<Url, EndpointError> {
    let url = url(text)?;
    let host = url.host_str().unwrap_or_default();
    if is_plain_host(host) && url.path().bytes().all(is_plain) { Ok(url) } else { Err(EndpointError::Characters) }
}

/// A name or an address; a name begins with no hyphen, as options of commands do.
fn is_plain_host(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match literal {
        Some(literal) => literal.parse::<Ipv6Addr>().is_ok(),
        None => !host.starts_with('-') && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)),
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._~%/@:+,=-".contains(&byte)
}

fn shown(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Endpoint {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn urls(text: &str) -> Vec<String> {
        Endpoint::parse(text).unwrap().urls().iter().map(Url::to_string).collect()
    }

    #[test]
    fn host_and_port_are_tried_as_https_then_http_and_a_scheme_is_kept() {
        assert_eq!(urls("rv1.example.com:8787"), ["https://rv1.example.com:8787/", "http://rv1.example.com:8787/"]);
        assert_eq!(urls("rv.example.com:443"), ["https://rv.example.com/", "http://rv.example.com:443/"]);
        assert_eq!(urls("http://rv.example.com/c/chess/"), ["http://rv.example.com/c/chess"]);
        assert_eq!(urls("[::1]:80"), ["https://[::1]:80/", "http://[::1]/"]);
    }

    #[test]
    fn what_is_no_address_or_holds_a_secret_is_refused() {
        for wrong in ["", "example.com", "ftp://a", "javascript://a", "a:b", "a:0", "a:99999", "a:1/path", "http://", "file:///etc/passwd"]
        {
            assert_eq!(Endpoint::parse(wrong), Err(EndpointError::Form), "{wrong}");
        }
        for secret in ["https://u:p@a", "https://u@a", "https://a/?q", "https://a/#f", "https://a/c/chess/m/bcdf"] {
            assert_eq!(Endpoint::parse(secret), Err(EndpointError::Secret), "{secret}");
        }
        assert_eq!(Endpoint::parse(&format!("https://a/{}", "x".repeat(256))), Err(EndpointError::Long));
    }

    /// THREATS 23: a hub prints it behind `goop join`, with a button that copies the line.
    #[test]
    fn attack_an_address_is_neither_a_command_nor_an_option() {
        let hosts =
            ["x;id;", "x$(id)", "x&id", "x|id", "x`id`", "x'id'", "x\"id\"", "x(id)", "x{a,b}", "x!", "x*", "~x", "-x", "--set=viewer=x"];
        for host in hosts {
            for text in [format!("{host}:8787"), format!("https://{host}"), format!("https://{host}:8787/c/chess")] {
                assert!(Endpoint::parse(&text).is_err(), "{text}");
            }
        }
        for path in [";id", "$(id)", "a&b", "a|b", "'a'", "a(b)", "a*b", "a!b", "a\\b;", "${IFS}"] {
            assert_eq!(Endpoint::parse(&format!("https://a.example/{path}")), Err(EndpointError::Characters), "{path}");
        }
        for fine in
            ["https://a.example/c/chess/%24%28id%29", "https://a.example/~me/a+b,c=d@e:f", "xn--bcher-kva.example:80", "a_b-c:1", "[::1]:1"]
        {
            assert!(Endpoint::parse(fine).is_ok(), "{fine}");
        }
    }

    proptest! {
        #[test]
        fn attack_no_address_holds_what_a_shell_reads(text in "(https?://)?[a-z0-9.;$&|()'`\"<>*?!{}\\[\\]~=%@:+,/ -]{0,40}(:80)?") {
            if let Ok(endpoint) = Endpoint::parse(&text) {
                prop_assert!(!endpoint.as_str().starts_with('-'));
                let read = endpoint.as_str().contains(|c: char| c.is_whitespace() || ";$&|()'`\"<>*?!{}\\".contains(c));
                prop_assert!(!read, "{}", endpoint);
            }
        }

        #[test]
        fn what_is_kept_is_kept_again_unchanged(text in "(https?://)?[a-zA-Z0-9.:\\[\\]/@?é-]{0,40}", any in ".{0,60}") {
            for text in [text, any] {
                if let Ok(endpoint) = Endpoint::parse(&text) {
                    prop_assert_eq!(Endpoint::parse(endpoint.as_str()), Ok(endpoint.clone()));
                    prop_assert!(!endpoint.urls().is_empty());
                }
            }
        }
    }
}
