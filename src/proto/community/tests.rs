use proptest::prelude::*;

use super::*;

const NOW: UnixMillis = UnixMillis(1000);

fn address(n: u8) -> IpAddr {
    [192, 0, 2, n].into()
}

fn ban() -> Ban {
    Ban { id: 1, slug: None, peer: None, address: None, reason: "spam".into(), since: NOW, ends: None }
}

fn register() -> Register {
    let community = |slug: &str, kind| Community { slug: slug.into(), name: slug.into(), kind, created: NOW };
    let member = |id, slug: &str, revoked| Member { id, slug: slug.into(), peer: None, joined: NOW, note: String::new(), revoked };
    let members = [(1, "secret", false), (2, "secret", true), (3, "other", false)];
    let members = members.map(|(id, slug, revoked)| (Token::shown(&format!("token{id}")).digest(), member(id, slug, revoked)));
    let communities = vec![community("chess", Kind::Open), community("secret", Kind::InviteOnly), community("other", Kind::Application)];
    Register::new(communities, members.into_iter().collect(), Vec::new())
}

#[test]
fn a_slug_is_short_plain_unreserved_and_lucky() {
    for fine in ["chess", "go", "a1", "book-club-2", "42", "4-25"] {
        assert!(Slug::parse(fine).is_ok(), "{fine}");
    }
    let long = "a".repeat(41);
    for form in ["", "a", "Chess", "a b", "-a", "a-", "a--b", "a/b", "..", "ä1", "a%2f", &long] {
        assert_eq!(Slug::parse(form), Err(SlugError::Form), "{form}");
    }
    assert_eq!(Slug::parse("via404"), Err(SlugError::Reserved));
    assert_eq!(Slug::parse("apollo-425"), Err(SlugError::Unlucky));
    assert_eq!(Slug::parse("14250"), Err(SlugError::Unlucky));
}

#[test]
fn attack_a_closed_community_is_for_its_own_tokens_alone() {
    let register = register();
    assert_eq!(register.pass("chess", None), Some(Pass { token: None, peer: None }));
    assert_eq!(register.pass("secret", Some("token1")), Some(Pass { token: Some(1), peer: None }));
    let long = "x".repeat(10_000);
    for (slug, token) in [
        ("secret", None),
        ("secret", Some("")),
        ("secret", Some("token2")),
        ("secret", Some("token3")),
        ("secret", Some(long.as_str())),
        ("other", Some("token1")),
        ("chess", Some("token1")),
        ("nowhere", None),
        ("nowhere", Some("token1")),
    ] {
        assert_eq!(register.pass(slug, token), None, "{slug} {token:?}");
    }
}

#[test]
fn members_are_counted_apart() {
    let register = register();
    assert_eq!(["secret", "other", "chess"].map(|slug| register.members_of(slug)), [1, 1, 0]);
    assert!(register.counts(1) && !register.counts(2) && !register.counts(99));
}

#[test]
fn a_ban_hits_whom_it_names_where_it_says_and_as_long_as_it_says() {
    let (peer, other) = (PeerId::random(), PeerId::random());
    let of_peer = Ban { peer: Some(peer), ends: Some(UnixMillis(2000)), ..ban() };
    assert!(of_peer.hits(Some("chess"), Some(&peer), address(1), NOW));
    assert!(of_peer.hits(None, Some(&peer), address(1), NOW));
    assert!(!of_peer.hits(None, Some(&other), address(1), NOW));
    assert!(!of_peer.hits(None, None, address(1), NOW));
    assert!(!of_peer.hits(None, Some(&peer), address(1), UnixMillis(2000)), "it has ended");
    let of_address = Ban { address: Some(address(1)), slug: Some("chess".into()), ..ban() };
    assert!(of_address.hits(Some("chess"), Some(&other), address(1), NOW));
    assert!(!of_address.hits(Some("chess"), Some(&other), address(2), NOW));
    assert!(!of_address.hits(Some("go"), Some(&other), address(1), NOW) && !of_address.hits(None, None, address(1), NOW));
    let of_community = Ban { slug: Some("chess".into()), ..ban() };
    assert!(of_community.hits(Some("chess"), None, address(9), NOW) && !of_community.hits(None, None, address(9), NOW));
    assert!(!ban().hits(None, Some(&peer), address(1), NOW), "a ban of nobody hits nobody");
}

#[test]
fn the_register_finds_a_ban_by_whatever_it_names() {
    let (peer, here) = (PeerId::random(), address(1));
    let of = |bans: Vec<Ban>| Register::new(Vec::new(), HashMap::new(), bans);
    let found = |register: &Register, slug: Option<&str>, peer: Option<&PeerId>, from| register.ban(slug, peer, from, NOW).is_some();
    let both = of(vec![Ban { peer: Some(peer), address: Some(here), ..ban() }]);
    assert!(found(&both, None, Some(&peer), address(2)) && found(&both, None, None, here) && !found(&both, None, None, address(2)));
    let peer_alone = of(vec![Ban { peer: Some(peer), ..ban() }]);
    assert!(found(&peer_alone, None, Some(&peer), here) && !found(&peer_alone, None, None, here));
    let community = of(vec![Ban { slug: Some("chess".into()), ..ban() }]);
    assert!(found(&community, Some("chess"), None, here) && !found(&community, Some("go"), None, here));
}

proptest! {
    #[test]
    fn whatever_is_a_slug_is_one_segment_of_a_url(text in "\\PC{0,50}") {
        if let Ok(slug) = Slug::parse(&text) {
            prop_assert!(slug.as_str().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
            prop_assert!(!slug.as_str().contains("425"));
        }
    }
}
