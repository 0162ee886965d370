use proptest::prelude::*;
use toml_edit::Value;

use super::*;
use crate::config::setting::Setting;

fn proxies(networks: &[&str]) -> TrustedProxies {
    TrustedProxies::new(networks.iter().map(|text| Network::read(&Value::from(*text)).unwrap()).collect())
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(HeaderName::from_static(name), axum::http::HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    map
}

fn client(socket: &str, lines: &[(&'static str, &str)]) -> String {
    let trusted = proxies(&["127.0.0.1", "10.0.0.0/8", "2001:db8:ffff::/48"]);
    trusted.client(socket.parse().unwrap(), &headers(lines)).to_string()
}

const XFF: &str = "x-forwarded-for";

/// What one header line means when it comes from the trusted 127.0.0.1.
#[test]
fn forty_shapes_of_forwarding_headers() {
    let shapes: &[(&'static str, &str, &str)] = &[
        (XFF, "192.0.2.1", "192.0.2.1"),
        (XFF, " 192.0.2.1 ", "192.0.2.1"),
        (XFF, "192.0.2.1:4711", "192.0.2.1"),
        (XFF, "\"192.0.2.1:4711\"", "192.0.2.1"),
        (XFF, "6.6.6.6, 192.0.2.1", "192.0.2.1"),
        (XFF, "6.6.6.6,192.0.2.1", "192.0.2.1"),
        (XFF, "6.6.6.6, 192.0.2.1, 10.1.2.3", "192.0.2.1"),
        (XFF, "192.0.2.1, 10.1.2.3, 127.0.0.1", "192.0.2.1"),
        (XFF, "192.0.2.1, 6.6.6.6", "6.6.6.6"),
        (XFF, "10.1.2.3", "10.1.2.3"),
        (XFF, "10.9.9.9, 10.1.2.3", "10.9.9.9"),
        (XFF, "127.0.0.1", "127.0.0.1"),
        (XFF, "", "127.0.0.1"),
        (XFF, ",", "127.0.0.1"),
        (XFF, ", , 192.0.2.1, ,", "192.0.2.1"),
        (XFF, "unknown", "127.0.0.1"),
        (XFF, "192.0.2.1, unknown", "127.0.0.1"),
        (XFF, "192.0.2.1, unknown, 10.1.2.3", "10.1.2.3"),
        (XFF, "unknown, 192.0.2.1", "192.0.2.1"),
        (XFF, "192.0.2.999", "127.0.0.1"),
        (XFF, "192.0.2", "127.0.0.1"),
        (XFF, "0x7f000001", "127.0.0.1"),
        (XFF, "010.0.0.1", "127.0.0.1"),
        (XFF, "0.0.0.0", "127.0.0.1"),
        (XFF, "::", "127.0.0.1"),
        (XFF, "2001:db8::1", "2001:db8::1"),
        (XFF, "[2001:db8::1]", "2001:db8::1"),
        (XFF, "[2001:db8::1]:443", "2001:db8::1"),
        (XFF, "[2001:db8::1", "127.0.0.1"),
        (XFF, "[2001:db8::1]x", "127.0.0.1"),
        (XFF, "[192.0.2.1]", "127.0.0.1"),
        (XFF, "::ffff:192.0.2.1", "192.0.2.1"),
        (XFF, "192.0.2.1, ::ffff:10.1.2.3", "192.0.2.1"),
        (XFF, "192.0.2.1, 2001:db8:ffff::5", "192.0.2.1"),
        (XFF, "fe80::1%eth0", "127.0.0.1"),
        (XFF, "localhost", "127.0.0.1"),
        (XFF, "192.0.2.1 6.6.6.6", "127.0.0.1"),
        (XFF, "192.0.2.1;6.6.6.6", "127.0.0.1"),
        (XFF, "192.0.2.1\t", "192.0.2.1"),
        (XFF, "grüße, 192.0.2.1", "127.0.0.1"),
        ("forwarded", "for=192.0.2.1", "192.0.2.1"),
        ("forwarded", "For=192.0.2.1;proto=https;by=10.0.0.1", "192.0.2.1"),
        ("forwarded", "proto=https; for=\"192.0.2.1:80\"", "192.0.2.1"),
        ("forwarded", "for=\"[2001:db8::1]:80\"", "2001:db8::1"),
        ("forwarded", "for=6.6.6.6, for=192.0.2.1, for=10.1.2.3", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1;for=6.6.6.6", "127.0.0.1"),
        ("forwarded", "for=_hidden, for=192.0.2.1", "192.0.2.1"),
        ("forwarded", "for=192.0.2.1, for=_hidden", "127.0.0.1"),
        ("forwarded", "192.0.2.1", "127.0.0.1"),
        ("forwarded", "by=192.0.2.1", "127.0.0.1"),
        ("x-real-ip", "192.0.2.1", "127.0.0.1"),
        ("client-ip", "192.0.2.1", "127.0.0.1"),
    ];
    assert!(shapes.len() >= 40);
    for (name, value, expected) in shapes {
        assert_eq!(client("127.0.0.1", &[(name, value)]), *expected, "{name}: {value}");
        assert_eq!(client("6.6.6.6", &[(name, value)]), "6.6.6.6", "attack: {name}: {value} from somebody who is no proxy");
    }
}

#[test]
fn attack_headers_that_stand_twice_are_one_list_and_the_client_s_own_stand_left() {
    assert_eq!(client("127.0.0.1", &[(XFF, "6.6.6.6"), (XFF, "192.0.2.1")]), "192.0.2.1");
    assert_eq!(client("127.0.0.1", &[(XFF, "192.0.2.1, 10.0.0.2"), (XFF, "10.0.0.1")]), "192.0.2.1");
    assert_eq!(client("127.0.0.1", &[("forwarded", "for=6.6.6.6"), (XFF, "192.0.2.1")]), "192.0.2.1", "the client's own Forwarded");
    assert_eq!(client("127.0.0.1", &[("forwarded", "for=6.6.6.6"), (XFF, "unknown")]), "127.0.0.1");
    assert_eq!(client("127.0.0.1", &[]), "127.0.0.1");
    assert_eq!(client("::ffff:127.0.0.1", &[(XFF, "192.0.2.1")]), "192.0.2.1", "a socket that takes both families");
    assert_eq!(client("::ffff:6.6.6.6", &[(XFF, "192.0.2.1")]), "6.6.6.6");
}

#[test]
fn attack_a_long_chain_is_walked_no_further_than_the_limit() {
    let chain = format!("192.0.2.1{}", ", 10.0.0.1".repeat(1000));
    assert_eq!(client("127.0.0.1", &[(XFF, &chain)]), "10.0.0.1");
}

#[test]
fn attack_an_ipv6_host_cannot_pass_for_many() {
    let host = |text: &str| host_key(text.parse().unwrap());
    let prefix = |text: &str| prefix_key(text.parse().unwrap());
    assert_eq!(host("2001:db8::1"), host("2001:db8::ffff:1"));
    assert_ne!(host("2001:db8::1"), host("2001:db8:0:1::1"));
    assert_eq!(host("::ffff:192.0.2.1"), host("192.0.2.1"));
    assert_ne!(host("192.0.2.1"), host("192.0.2.2"));
    assert_eq!(prefix("2001:db8::1"), prefix("2001:db8:0:ffff::1"));
    assert_ne!(prefix("2001:db8::1"), prefix("2001:db8:1::1"));
    assert_eq!(prefix("192.0.2.1"), prefix("::ffff:192.0.2.255"));
    assert_ne!(prefix("192.0.2.1"), prefix("192.0.3.1"));
}

#[test]
fn only_a_request_without_forwarding_headers_can_be_from_this_machine() {
    assert!(!is_forwarded(&headers(&[("user-agent", "curl")])));
    for name in ["x-forwarded-for", "forwarded", "x-real-ip", "via", "x-forwarded-proto"] {
        assert!(is_forwarded(&headers(&[(name, "")])), "{name}");
    }
}

proptest! {
    #[test]
    fn attack_nothing_left_of_what_the_proxy_wrote_counts(junk in "[ -~]{0,60}", by_forwarded in any::<bool>()) {
        let lines = if by_forwarded {
            vec![("forwarded", format!("{junk}, for=192.0.2.1"))]
        } else {
            vec![(XFF, format!("{junk}, 192.0.2.1"))]
        };
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
        prop_assert_eq!(client("127.0.0.1", &lines), "192.0.2.1");
    }

    #[test]
    fn whatever_a_header_holds_there_is_a_client(value in proptest::collection::vec(32_u8..=255, 0..80)) {
        let Ok(value) = axum::http::HeaderValue::from_bytes(&value) else { return Ok(()) };
        for name in ["x-forwarded-for", "forwarded"] {
            let map = HeaderMap::from_iter([(HeaderName::from_static(name), value.clone())]);
            let client = proxies(&["127.0.0.1"]).client("127.0.0.1".parse().unwrap(), &map);
            prop_assert!(!client.is_unspecified());
        }
    }
}
