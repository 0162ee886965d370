use super::*;
use crate::proto::community::Kind;

const NOW: UnixMillis = UnixMillis(1000);

fn community(slug: &str, kind: Kind) -> Community {
    Community { slug: slug.into(), name: slug.into(), kind, created: NOW }
}

fn invitation(uses: u32) -> Invitation {
    Invitation { id: 0, slug: "secret".into(), uses, ends: None, note: String::new(), revoked: false }
}

fn token(n: u8) -> Token {
    Token::new([n; 16])
}

fn store() -> Store {
    let store = Store::open(None, false).unwrap();
    store.found(&community("secret", Kind::InviteOnly)).unwrap();
    store
}

#[test]
fn an_invitation_becomes_a_membership_as_often_as_it_says() {
    let store = store();
    store.invite(&invitation(2), &token(1)).unwrap();
    let peer = PeerId::random();
    let member = store.redeem("secret", &token(1), &token(2), Some(peer), NOW).unwrap();
    let pass = store.register().pass("secret", Some(token(2).reveal())).unwrap();
    assert_eq!((pass.token, pass.peer), (Some(member), Some(peer)));
    store.redeem("secret", &token(1), &token(3), None, NOW).unwrap();
    assert!(matches!(store.redeem("secret", &token(1), &token(4), None, NOW), Err(StoreError::Invite(InviteError::UsedUp))));
    assert!(matches!(store.redeem("secret", &token(9), &token(4), None, NOW), Err(StoreError::Nothing)));
    assert_eq!(store.register().members_of("secret"), 2);
    store.revoke_member(member).unwrap();
    assert_eq!(store.register().pass("secret", Some(token(2).reveal())), None);
}

#[test]
fn attack_a_personal_token_publishes_for_the_first_peer_and_no_other() {
    let store = store();
    store.invite(&invitation(1), &token(1)).unwrap();
    let member = store.redeem("secret", &token(1), &token(2), None, NOW).unwrap();
    let (first, other) = (PeerId::random(), PeerId::random());
    assert!(store.bind(member, first).unwrap());
    assert!(!store.bind(member, other).unwrap());
    assert!(store.bind(member, first).unwrap());
    assert_eq!(store.register().pass("secret", Some(token(2).reveal())).unwrap().peer, Some(first));
}

#[test]
fn an_application_is_asked_approved_and_collected_once() {
    let store = store();
    let id = store.apply("secret", &token(5), None, "please", NOW).unwrap();
    assert_eq!(store.collect("secret", &token(5), &token(6), NOW).unwrap().state, "asked");
    assert_eq!(store.register().members_of("secret"), 0);
    store.decide(id, true).unwrap();
    assert!(matches!(store.decide(id, false), Err(StoreError::Nothing)));
    assert_eq!(store.collect("secret", &token(5), &token(6), NOW).unwrap().state, "approved");
    assert!(store.register().pass("secret", Some(token(6).reveal())).is_some());
    assert_eq!(store.collect("secret", &token(5), &token(7), NOW).unwrap().state, "collected");
    assert_eq!(store.register().members_of("secret"), 1);
}

#[test]
fn everything_survives_a_restart_and_no_token_stands_in_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("goop.db");
    let peer = PeerId::random();
    {
        let store = Store::open(Some(&path), false).unwrap();
        store.found(&community("secret", Kind::InviteOnly)).unwrap();
        store.invite(&invitation(1), &token(1)).unwrap();
        store.redeem("secret", &token(1), &token(2), Some(peer), NOW).unwrap();
        let ban =
            Ban { id: 0, slug: None, peer: Some(peer), address: None, reason: "spam".into(), since: NOW, ends: Some(UnixMillis(5000)) };
        store.ban(&ban).unwrap();
    }
    let store = Store::open(Some(&path), false).unwrap();
    let register = store.register();
    assert!(register.pass("secret", Some(token(2).reveal())).is_some());
    let from = "192.0.2.1".parse().unwrap();
    assert!(register.ban(None, Some(&peer), from, NOW).is_some() && register.ban(None, Some(&peer), from, UnixMillis(5000)).is_none());
    drop(store);
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        for token in [token(1), token(2)] {
            assert!(!bytes.windows(32).any(|window| window == token.reveal().as_bytes()));
        }
    }
}

#[test]
fn several_servers_over_one_file_know_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let (one, other) = (Store::open(Some(&path), false).unwrap(), Store::open(Some(&path), false).unwrap());
    other.follow();
    one.found(&community("chess", Kind::Open)).unwrap();
    assert!(other.follow());
    assert!(other.register().community("chess").is_some());
    assert!(!other.follow());
    assert!(matches!(other.found(&community("chess", Kind::Open)), Err(StoreError::Taken)));
    other.end("chess").unwrap();
    assert!(one.follow() && one.register().community("chess").is_none());
}

#[test]
fn a_damaged_store_answers_503_and_the_register_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("goop.db");
    std::fs::write(&path, [b'x'; 8192]).unwrap();
    let store = Store::open(Some(&path), false).unwrap();
    let refused = store.found(&community("chess", Kind::Open)).unwrap_err();
    assert_eq!(Problem::from(refused).status(), 503);
    assert_eq!(store.register().communities().count(), 0);
}
