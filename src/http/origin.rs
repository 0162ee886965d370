//! Whose page is asking: the checks that come before anything else of a request is looked at.
//!
//! A browser sends a user's requests for any page that asks it to; what it adds is `Host` (which name was asked, so that a
//! name which someone re-pointed at us is seen), `Origin` and `Sec-Fetch-Site` (whose page asked). Programs send neither of the
//! last two. THREATS 24, 29–31.

use std::hint::black_box;
use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, header};

use super::client_ip::is_forwarded;
use crate::config::base_url::BaseUrl;
use crate::proto::directory::Endpoint;

/// The one `Host` the request names; `None` if there is none, several, or the request line names another.
pub fn host(parts: &Parts) -> Option<&str> {
    let host = only(&parts.headers, &header::HOST)?;
    match parts.uri.authority() {
        Some(authority) if authority.as_str() != host => None,
        _ => Some(host),
    }
}

/// What stands before a path in a URL of ours: as `external_url` says, or as the client asked; empty, which makes the URL relative, where the
/// client asked for no host that a URL can name.
pub fn of_urls(external_url: Option<&BaseUrl>, headers: &HeaderMap) -> String {
    let asked = || {
        let host = only(headers, &header::HOST).filter(|host| !host.contains(['/', '\\', '@']))?;
        Endpoint::parse(&format!("http://{host}")).ok().map(|place| place.as_str().to_owned())
    };
    external_url.map(|url| url.bare().to_owned()).or_else(asked).unwrap_or_default()
}

/// Whether a page of another origin asks. `own` is the origin that the request was sent to, as `http://host:port`.
pub fn is_foreign(headers: &HeaderMap, own: &str) -> bool {
    let foreign_origin = headers.contains_key(header::ORIGIN) && only(headers, &header::ORIGIN) != Some(own);
    foreign_origin || comes_from_another_site(headers)
}

/// Whether the browser says that another origin made it ask; absent in programs and in old browsers.
pub fn comes_from_another_site(headers: &HeaderMap) -> bool {
    let name = HeaderName::from_static("sec-fetch-site");
    headers.contains_key(&name) && !matches!(only(headers, &name), Some("same-origin" | "none"))
}

/// Whether a program of this machine asks, over a socket to `socket`, for itself: not for whom a proxy speaks, and not a page that a
/// browser shows here, under whatever name somebody re-pointed at us. True of the machine, not of the user: for what any of its
/// programs may see.
pub fn is_of_this_machine(parts: &Parts, socket: IpAddr) -> bool {
    let near = socket.to_canonical().is_loopback() && !is_forwarded(&parts.headers);
    let Some(host) = host(parts).filter(|host| near && is_loopback(host)) else { return false };
    !is_foreign(&parts.headers, &format!("http://{host}"))
}

/// Whether a `Host` names this machine, as a literal or as `localhost`; with any port.
fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let literal = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    !host.contains('@') && (name.eq_ignore_ascii_case("localhost") || literal.is_ok_and(|ip| ip.to_canonical().is_loopback()))
}

/// Whether the user goes to a page of ours: a navigation of a whole tab, which shows its answer to nobody but the user.
pub fn is_visit(headers: &HeaderMap) -> bool {
    only(headers, &HeaderName::from_static("sec-fetch-mode")) == Some("navigate")
        && only(headers, &HeaderName::from_static("sec-fetch-dest")) == Some("document")
}

/// Whether two secrets are the same, in a time that depends on their lengths alone (THREATS 33).
pub fn same_secret(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && black_box(one.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b))) == 0
}

/// The value of a header that stands there exactly once, as text.
pub fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;
    use crate::clock::Moment;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    /// THREATS 33. Were the comparison to stop at the first difference, it would be thousands of times quicker there.
    #[test]
    fn attack_the_time_of_a_comparison_tells_nothing_of_where_two_secrets_differ() {
        let secret = vec![7; 256 * 1024];
        let differs_at = |at: usize| {
            let mut guess = secret.clone();
            guess[at] = 8;
            guess
        };
        let quickest = |guess: &[u8]| {
            let of_one = |_| {
                let began = Moment::now();
                assert!(!same_secret(&secret, guess));
                Moment::now().since(began)
            };
            (0..40).map(of_one).min().unwrap()
        };
        let (first, last) = (quickest(&differs_at(0)), quickest(&differs_at(secret.len() - 1)));
        assert!(first * 3 > last && last * 3 > first, "first byte {first:?}, last byte {last:?}");
        assert!(same_secret(&secret, &secret.clone()) && !same_secret(&secret, &secret[1..]));
    }

    #[test]
    fn only_the_same_origin_or_a_program_is_not_foreign() {
        let own = "http://localhost:1";
        for ours in [&[][..], &[("origin", "http://localhost:1")], &[("sec-fetch-site", "same-origin")], &[("sec-fetch-site", "none")]] {
            assert!(!is_foreign(&headers(ours), own), "{ours:?}");
        }
        for origin in
            ["null", "http://localhost", "http://localhost:2", "https://localhost:1", "http://x.localhost:1", "http://localhost:1.evil", ""]
        {
            assert!(is_foreign(&headers(&[("origin", origin)]), own), "{origin}");
        }
        for site in ["cross-site", "same-site", "", "new-word"] {
            assert!(is_foreign(&headers(&[("origin", own), ("sec-fetch-site", site)]), own), "{site}");
        }
    }

    #[test]
    fn a_header_that_stands_twice_counts_as_foreign() {
        let mut twice = headers(&[("origin", "http://localhost:1")]);
        twice.append(header::ORIGIN, "http://localhost:1".parse().unwrap());
        assert!(is_foreign(&twice, "http://localhost:1"));
    }

    /// What stands in links that are passed on, in QR codes and in what search engines keep.
    #[test]
    fn attack_a_host_that_is_none_stands_in_no_link() {
        let of = |host: &'static str| of_urls(None, &headers(&[("host", host)]));
        assert_eq!(
            (of("hub.example:8787"), of("[::1]:1"), of("HUB.example")),
            ("http://hub.example:8787".into(), "http://[::1]:1".into(), "http://hub.example".into())
        );
        for none in ["", "a/b", "user@evil", "evil\\x", "a b", "a?b", "a#b", "\"><script>", "x;id", "x$(id)", "a:b:c", "a:99999"] {
            assert_eq!(of(none), "", "{none}");
        }
        assert_eq!(of_urls(None, &HeaderMap::new()), "");
        let mut twice = headers(&[("host", "a")]);
        twice.append(header::HOST, "b".parse().unwrap());
        assert_eq!(of_urls(None, &twice), "");
        let own = BaseUrl::parse("https://hub.example/here/").unwrap();
        assert_eq!(of_urls(Some(&own), &twice), "https://hub.example/here");
    }

    #[test]
    fn the_request_line_cannot_name_another_host() {
        let parts = |uri: &str, host: &str| Request::get(uri).header("host", host).body(()).unwrap().into_parts().0;
        assert_eq!(host(&parts("/", "a:1")), Some("a:1"));
        assert_eq!(host(&parts("http://a:1/", "a:1")), Some("a:1"));
        assert_eq!(host(&parts("http://evil/", "a:1")), None);
        assert_eq!(host(&Request::get("/").body(()).unwrap().into_parts().0), None);
    }

    #[test]
    fn a_secret_differs_wherever_it_differs() {
        assert!(same_secret(b"abc", b"abc"));
        for other in [&b"abd"[..], b"xbc", b"ab", b"abcd", b""] {
            assert!(!same_secret(b"abc", other));
        }
    }
}
