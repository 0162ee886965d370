//! What goop2 said on the wire, what an attacker might, and what must come back unchanged.

use proptest::prelude::*;

use super::*;

/// Published by a goop2 of February 2026.
const FROM_SEED: &str = r#"{"type":"update","peerId":"12D3KooWHFd1gyNYFqxt7ke9FY2VoVVWY2XSPhvL9vg2pB6wQGfa","content":"Peer five é \u003cb\u003e","email":"five@example.com","avatarHash":"eb22337e5d4304e4","ts":1795262332015}"#;
/// Published by a goop2 of April 2026.
const FROM_NEWEST: &str = r#"{"type":"online","peerId":"12D3KooWHFd1gyNYFqxt7ke9FY2VoVVWY2XSPhvL9vg2pB6wQGfa","content":"Peer five é \u003cb\u003e","email":"five@example.com","avatarHash":"eb22337e5d4304e4","videoDisabled":true,"activeTemplate":"blog","addrs":["/ip4/10.88.0.5/tcp/40005"],"encryptionSupported":true,"ts":1795262327853}"#;
const OFFLINE: &str = r#"{"type":"offline","peerId":"12D3KooWHFd1gyNYFqxt7ke9FY2VoVVWY2XSPhvL9vg2pB6wQGfa","ts":1795262344496}"#;
const FIVE: &str = "12D3KooWHFd1gyNYFqxt7ke9FY2VoVVWY2XSPhvL9vg2pB6wQGfa";

fn five() -> PeerId {
    FIVE.parse().unwrap()
}

fn parse(json: &str) -> Result<Presence, PresenceError> {
    Presence::parse(json.as_bytes())
}

/// A message about five with `more` keys in it.
fn with(more: &str) -> String {
    format!(r#"{{"type":"update","peerID":"{FIVE}",{more}}}"#)
}

#[test]
fn what_goop2_publishes_is_understood() {
    let seed = parse(FROM_SEED).unwrap();
    let expected = Presence {
        content: "Peer five é <b>".into(),
        email: Some("five@example.com".into()),
        avatar_hash: Some("eb22337e5d4304e4".into()),
        ..Presence::new(Kind::Update, five(), UnixMillis(1_795_262_332_015))
    };
    assert_eq!(seed, expected);
    let newest = parse(FROM_NEWEST).unwrap();
    let addrs = vec!["/ip4/10.88.0.5/tcp/40005".parse().unwrap()];
    assert_eq!(newest, Presence { kind: Kind::Online, ts: UnixMillis(1_795_262_327_853), addrs, ..expected });
    assert_eq!(parse(OFFLINE).unwrap(), Presence::new(Kind::Offline, five(), UnixMillis(1_795_262_344_496)));
}

#[test]
fn what_we_publish_has_the_keys_of_the_contract_in_their_order() {
    let mut presence = parse(FROM_SEED).unwrap();
    let seed = r#"{"type":"update","peerID":"12D3KooWHFd1gyNYFqxt7ke9FY2VoVVWY2XSPhvL9vg2pB6wQGfa","content":"Peer five é <b>","email":"five@example.com","avatarHash":"eb22337e5d4304e4","ts":1795262332015"#;
    assert_eq!(presence.to_json(), format!("{seed}}}"));
    presence.addrs = vec!["/ip4/10.88.0.5/tcp/40005".parse().unwrap()];
    presence.client_version = Some("0.1.0".into());
    assert_eq!(presence.to_json(), format!(r#"{seed},"addrs":["/ip4/10.88.0.5/tcp/40005"],"goopClientVersion":"0.1.0"}}"#));
    let offline = Presence::new(Kind::Offline, five(), UnixMillis(7));
    assert_eq!(offline.to_json(), format!(r#"{{"type":"offline","peerID":"{FIVE}","ts":7}}"#), "absent values have no key");
}

#[test]
fn keys_count_in_any_letter_case_and_unknown_ones_are_ignored() {
    let json = format!(r#"{{"TYPE":"online","PeerId":"{FIVE}","Content":"x","AVATARHASH":"AB12","deep":{{"type":[1,{{}}]}},"sig":"…"}}"#);
    let presence = parse(&json).unwrap();
    assert_eq!((presence.kind, presence.content.as_str(), presence.avatar_hash.as_deref()), (Kind::Online, "x", Some("ab12")));
}

#[test]
fn what_newest_goop2_adds_is_kept_for_boards_and_bounded() {
    let extras = |more: &str| Presence::parse_with_extras(with(more).as_bytes()).map(|(_, extras)| serde_json::to_string(&extras).unwrap());
    let read = extras(r#""PUBLICKEY":"abc","encryptionSupported":true,"activeTemplate":null,"odd":[{}]"#);
    assert_eq!(read.as_deref(), Ok(r#"{"publicKey":"abc","encryptionSupported":true}"#));
    let long = |key: &str, max: usize| extras(&format!(r#""{key}":"{}""#, "a".repeat(max + 1)));
    assert_eq!(long("publicKey", MAX_PUBLIC_KEY), Err(PresenceError::Bad("publicKey")));
    assert_eq!(long("activeTemplate", MAX_TEMPLATE), Err(PresenceError::Bad("activeTemplate")));
    for bad in [r#""videoDisabled":"yes""#, r#""publicKey":"a","publickey":"b""#] {
        assert!(matches!(extras(bad), Err(PresenceError::Json(_))), "{bad}");
    }
}

#[test]
fn null_and_empty_are_the_same_as_absent() {
    let all = r#""content":null,"email":null,"avatarHash":null,"ts":null,"addrs":null,"goopClientVersion":null"#;
    assert_eq!(parse(&with(all)).unwrap(), Presence::new(Kind::Update, five(), UnixMillis(0)));
    let empty = r#""content":"","email":"","avatarHash":"","addrs":[],"goopClientVersion":"""#;
    assert_eq!(parse(&with(empty)).unwrap(), Presence::new(Kind::Update, five(), UnixMillis(0)));
    assert_eq!(parse(r#"{"type":null,"peerID":null}"#), Err(PresenceError::Missing("type")));
}

#[test]
fn a_timestamp_is_any_integer_and_nothing_else() {
    let ts = |text: &str| parse(&with(&format!(r#""ts":{text}"#))).map(|p| p.ts.0);
    assert_eq!(ts("0"), Ok(0));
    assert_eq!(ts("-5"), Ok(0));
    assert_eq!(ts("18446744073709551615"), Ok(i64::MAX as u64));
    assert_eq!(ts("123456789012345678901234567890"), Ok(i64::MAX as u64));
    for bad in ["1.5", "\"1\"", "true", "[]"] {
        assert!(matches!(ts(bad), Err(PresenceError::Json(_))), "{bad}");
    }
}

#[test]
fn values_over_their_limit_refuse_the_message() {
    let fits = |key: &str, value: String| parse(&with(&format!(r#""{key}":{value}"#)));
    let text = |n: usize| format!("\"{}\"", "a".repeat(n));
    for (key, max) in [("content", MAX_CONTENT), ("email", MAX_EMAIL), ("avatarHash", MAX_AVATAR_HASH)] {
        assert!(fits(key, text(max)).is_ok(), "{key} of {max} bytes");
        assert_eq!(fits(key, text(max + 1)), Err(PresenceError::Bad(key)));
    }
    assert_eq!(fits("avatarHash", "\"xyz\"".into()), Err(PresenceError::Bad("avatarHash")));
    assert_eq!(parse(&format!(r#"{{"type":"update","peerID":{}}}"#, text(MAX_PEER_ID + 1))), Err(PresenceError::Bad("peerID")));
    assert_eq!(parse(r#"{"type":"update","peerID":"bob"}"#), Err(PresenceError::Bad("peerID")));
    assert_eq!(fits("goopClientVersion", text(500)).unwrap().client_version.unwrap().len(), MAX_VERSION);
}

#[test]
fn attack_address_injection_keeps_eight_of_twenty_and_refuses_more() {
    let addrs = |n: usize| (0..n).map(|i| format!(r#""/ip4/10.0.0.{i}/tcp/1""#)).collect::<Vec<_>>().join(",");
    let kept = |list: &str| parse(&with(&format!(r#""addrs":[{list}]"#))).map(|p| p.addrs.len());
    assert_eq!(kept(&addrs(3)), Ok(3));
    assert_eq!(kept(&addrs(20)), Ok(KEPT_ADDRS));
    assert!(kept(&addrs(21)).is_err());
    assert_eq!(kept(r#""not an address","/ip4/10.0.0.1/tcp/1","""#), Ok(1));
    assert_eq!(kept(&format!(r#""/{}""#, "x".repeat(MAX_ADDR))), Err(PresenceError::Bad("addrs")));
}

#[test]
fn attack_repeated_keys_and_trailing_bytes_are_refused() {
    let twice = [r#""content":"a","content":"b""#, r#""peerId":"x""#, r#""email":null,"EMAIL":"e""#, r#""zz":1,"ZZ":2"#];
    for more in twice {
        assert!(matches!(parse(&with(more)), Err(PresenceError::Json(_))), "{more}");
    }
    for after in ["{}", "x", ",", "\u{0}", "\n[]"] {
        assert!(matches!(parse(&format!("{OFFLINE}{after}")), Err(PresenceError::Json(_))), "{after:?}");
    }
    assert!(parse(&format!(" {OFFLINE}\n")).is_ok(), "white space is no trailing data");
    assert!(matches!(parse("[]"), Err(PresenceError::Json(_))));
}

#[test]
fn attack_deep_nesting_ends_neither_the_stack_nor_the_program() {
    let deep = with(&format!(r#""x":{}"#, "[".repeat(MAX_BYTES - 200)));
    assert!(matches!(parse(&deep), Err(PresenceError::Json(_))));
    let closed = with(&format!(r#""x":{}{}"#, "[".repeat(1000), "]".repeat(1000)));
    assert!(matches!(parse(&closed), Err(PresenceError::Json(_))), "the limit holds for what nobody looks at too");
    let keys = (0..5000).map(|n| format!(r#""{n}":0"#)).collect::<Vec<_>>().join(",");
    assert!(parse(&with(&keys)).is_ok());
}

#[test]
fn attack_oversized_gossip_is_refused_before_it_is_read() {
    let long = with(&format!(r#""x":"{}""#, "a".repeat(MAX_GOSSIP_BYTES)));
    let error = Presence::parse_gossip(long.as_bytes(), &five());
    assert_eq!(error, Err(PresenceError::TooLong { len: long.len(), limit: MAX_GOSSIP_BYTES }));
    assert!(parse(&long).is_ok(), "the limit is that of gossip");
    let endless = vec![b' '; MAX_BYTES + 1];
    assert!(matches!(Presence::parse(&endless), Err(PresenceError::TooLong { .. })));
}

#[test]
fn attack_forged_gossip_about_another_peer_is_refused() {
    assert!(Presence::parse_gossip(OFFLINE.as_bytes(), &five()).is_ok());
    assert_eq!(Presence::parse_gossip(OFFLINE.as_bytes(), &PeerId::random()), Err(PresenceError::Forged { about: five() }));
}

#[test]
fn attack_log_injection_through_an_error_text() {
    let error = parse("{\"type\":\"a\\r\\nERROR root\\u202e\",\"peerID\":\"x\"}").unwrap_err();
    assert_eq!(error, PresenceError::UnknownKind("a ERROR root".into()));
    let error = parse(&with(&format!("\"ts\":\"\u{202e}{}\"", "x".repeat(9000)))).unwrap_err().to_string();
    assert!(error.chars().count() < 200 && !error.contains('\u{202e}'), "{error}");
}

#[test]
fn unknown_types_are_told_apart_so_that_punch_can_be_ignored() {
    assert_eq!(parse(&format!(r#"{{"type":"punch","peerId":"{FIVE}"}}"#)), Err(PresenceError::UnknownKind("punch".into())));
    assert_eq!(parse("{}"), Err(PresenceError::Missing("type")));
    assert_eq!(parse(r#"{"type":"update"}"#), Err(PresenceError::Missing("peerID")));
}

#[test]
fn what_we_gossip_always_fits_gossip() {
    let mut presence = Presence::new(Kind::Update, five(), UnixMillis(i64::MAX as u64));
    presence.email = Some("\u{1}".repeat(MAX_EMAIL));
    presence.avatar_hash = Some("a".repeat(MAX_AVATAR_HASH));
    presence.client_version = Some("\u{1}".repeat(MAX_VERSION));
    presence.addrs = vec![format!("/dns4/{}/tcp/1", "a".repeat(200)).parse().unwrap(); KEPT_ADDRS];
    for content in ["\u{1}".repeat(MAX_CONTENT), "é".repeat(MAX_CONTENT / 2)] {
        presence.content = content;
        let json = presence.to_gossip_json();
        assert!(Presence::parse_gossip(json.as_bytes(), &five()).is_ok(), "{} bytes", json.len());
    }
    presence.content = "short".into();
    presence.email = None;
    let heard = parse(&presence.to_gossip_json()).unwrap();
    assert_eq!(heard, presence, "nothing goes that fits");
}

fn anything() -> impl Strategy<Value = Presence> {
    let kind = prop_oneof![Just(Kind::Online), Just(Kind::Update), Just(Kind::Offline)];
    let peer = any::<[u8; 32]>()
        .prop_map(|digest| PeerId::from_bytes(&[&[0x12, 0x20][..], &digest].concat()).expect("a SHA-256 multihash is a peer id"));
    let email = proptest::option::of("[^\u{0}]{1,60}");
    let addrs = proptest::collection::vec((any::<[u8; 4]>(), any::<u16>()), 0..=KEPT_ADDRS);
    let addrs = addrs.prop_map(|list| {
        list.into_iter().map(|(ip, port)| format!("/ip4/{}/tcp/{port}", std::net::Ipv4Addr::from(ip)).parse().unwrap()).collect()
    });
    let hash = proptest::option::of("[0-9a-f]{1,64}");
    let version = proptest::option::of("[a-z0-9.]{1,64}");
    (kind, peer, any::<String>(), email, hash, 0..=i64::MAX as u64, addrs, version).prop_map(
        |(kind, peer, content, email, avatar_hash, ts, addrs, client_version)| Presence {
            kind,
            peer,
            content,
            email,
            avatar_hash,
            ts: UnixMillis(ts),
            addrs,
            client_version,
            since: UnixMillis(0),
            signed: false,
            sig: None,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_unchanged(presence in anything()) {
        prop_assert_eq!(parse(&presence.to_json()), Ok(presence));
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = Presence::parse(&bytes);
    }

    #[test]
    fn no_damage_to_a_good_message_makes_the_parser_panic(at in 0..FROM_NEWEST.len(), byte in any::<u8>(), cut in 0..400usize) {
        let mut bytes = FROM_NEWEST.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(cut);
        let _ = Presence::parse(&bytes);
    }

    #[test]
    fn whatever_is_understood_is_within_its_bounds(value in "\\PC{0,40}", key in "(?i)(type|peerID|content|email|avatarHash|ts|addrs)") {
        let value = serde_json::to_string(&value).unwrap();
        if let Ok(p) = parse(&format!(r#"{{"{key}":{value},"type":"update","peerID":"{FIVE}"}}"#)) {
            prop_assert!(p.content.len() <= MAX_CONTENT && p.addrs.len() <= KEPT_ADDRS);
        }
    }
}

#[test]
fn a_peer_whose_name_shows_nothing_is_called_by_its_id() {
    let shown = |content: &str| Presence { content: content.into(), ..Presence::new(Kind::Update, five(), UnixMillis(0)) }.display_label();
    for blank in ["", "   ", "\u{202e}\u{200b}", "\u{200d}"] {
        assert_eq!(shown(blank), "goop-6wQGfa", "{blank:?}");
    }
    assert_eq!(shown("Ann\u{202e} "), "Ann");
    assert_eq!(shown(&"a".repeat(4096)).chars().count(), label::MAX_SHOWN);
}
