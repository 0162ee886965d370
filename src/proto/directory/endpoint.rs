//! Where a community is met: a URL, or `host:port`, which is tried as https and then as http (CONTRACT).

use std::fmt;

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
            true => shown(&url(text)?),
            false => {
                let url = url(&format!("https://{text}"))?;
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

    proptest! {
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
