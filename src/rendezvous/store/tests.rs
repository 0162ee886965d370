use std::net::IpAddr;

use libp2p::PeerId;

use super::*;
use crate::clock::{MachineMicros, Moment, UnixMillis};
use crate::proto::board::{Message, Publication};
use crate::proto::community::{Ban, Community, Kind};
use crate::proto::invite::{Invitation, Token};
use crate::proto::signed::Epoch;

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

fn applicant(from: &str) -> Applicant<'static> {
    Applicant { peer: None, message: "please", from: from.parse().unwrap() }
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
    let id = store.apply("secret", &token(5), &applicant("192.0.2.1"), NOW).unwrap();
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
fn attack_a_wrong_invitation_or_ticket_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shared.db");
    let (one, other) = (Store::open(Some(&path), false).unwrap(), Store::open(Some(&path), false).unwrap());
    one.found(&community("secret", Kind::Application)).unwrap();
    one.invite(&invitation(1), &token(1)).unwrap();
    one.redeem("secret", &token(1), &token(2), None, NOW).unwrap();
    other.follow();
    other.is_stirred();
    assert!(one.redeem("secret", &token(9), &token(3), None, NOW).is_err());
    assert!(one.collect("secret", &token(9), &token(3), NOW).is_err());
    assert!(one.redeem("nowhere", &token(1), &token(3), None, NOW).is_err());
    assert!(!other.is_stirred(), "a guess is looked up, not written");
    assert!(one.redeem("secret", &token(1), &token(3), None, NOW).is_err(), "used up");
    assert!(!other.follow(), "nothing changed that decides who comes in");
}

#[test]
fn attack_one_address_does_not_fill_the_applications() {
    let store = store();
    for n in 0..20 {
        store.apply("secret", &token(n), &applicant(&format!("2001:db8::{n}")), NOW).unwrap();
    }
    let refused = store.apply("secret", &token(20), &applicant("2001:db8::77"), NOW).unwrap_err();
    assert!(matches!(refused, StoreError::AskedEnough));
    assert_eq!(Problem::from(refused).status(), 429);
    let other = store.apply("secret", &token(21), &applicant("2001:db8:0:1::1"), NOW).unwrap();
    store.decide(other - 1, false).unwrap();
    store.apply("secret", &token(22), &applicant("2001:db8::77"), NOW).unwrap();
}

#[test]
fn attack_rows_that_count_no_longer_make_room() {
    let store = store();
    let fill = |sql: &str| store.db().unwrap().write(|change| change.execute(sql, [])).unwrap();
    let all = "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 10000)";
    fill(&format!(
        "{all} INSERT INTO applications (slug, digest, message, asked, state) SELECT 'secret', 'a' || i, '', 1000, 'declined' FROM n"
    ));
    fill(&format!("{all} INSERT INTO invitations (slug, digest, uses, note) SELECT 'secret', 'i' || i, 0, '' FROM n"));
    fill(&format!("{all} INSERT INTO members (slug, digest, joined, note, revoked) SELECT 'secret', 'm' || i, 0, '', 1 FROM n"));
    fill(&format!("{all} INSERT INTO bans (reason, since, ends) SELECT '', 0, 1 FROM n"));
    store.apply("secret", &token(1), &applicant("192.0.2.1"), NOW).unwrap();
    store.invite(&invitation(1), &token(2)).unwrap();
    store.redeem("secret", &token(2), &token(3), None, NOW).unwrap();
    let ban = Ban { id: 0, slug: None, peer: None, address: None, reason: "".into(), since: NOW, ends: None };
    store.ban(&ban).unwrap();
    let kept = (store.applications().unwrap(), store.invitations().unwrap(), store.members().unwrap(), store.bans().unwrap());
    assert_eq!((kept.0.len(), kept.1.len(), kept.2.len(), kept.3.len()), (10_000, 10_000, 10_000, 10_000));
    assert_eq!(kept.0[0].id, 2, "the oldest goes");
    fill("UPDATE applications SET state = 'approved'");
    assert!(matches!(store.apply("secret", &token(4), &applicant("192.0.2.1"), NOW), Err(StoreError::TooMany)));
    let month = UnixMillis(NOW.0 + 30 * 24 * 60 * 60 * 1000);
    store.tidy(Duration::from_secs(20), MachineMicros(0), month).unwrap();
    assert!(store.applications().unwrap().is_empty());
    assert_eq!(store.bans().unwrap().len(), 1, "those that ended are gone");
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

/// Two instances over one file.
fn pair(folder: &tempfile::TempDir) -> (Store, Store) {
    let path = folder.path().join("peers.db");
    let open = || Store::open(Some(&path), true).unwrap();
    (open(), open())
}

fn entrant(server: PeerId, epoch: u64, instance: Option<u64>) -> Entrant {
    let ttl = Duration::from_secs(20);
    Entrant { server, fresh: Epoch::new(epoch), instance, now: Moment::now().on_machine(), ttl }
}

fn asked(peer: PeerId, seq: u64) -> Batch {
    Batch { asked: vec![Asked { peer, seq, until: UnixMillis(5000) }], ..Batch::default() }
}

fn heard(peer: PeerId, label: &str, signed: bool, from: &str, at: u64) -> Batch {
    let json = serde_json::json!({ "type": "update", "peerID": peer.to_base58(), "content": label }).to_string();
    let message = Message::parse(json.as_bytes()).unwrap();
    let publication = Publication { message, signed, from: from.parse().unwrap(), at: NOW };
    Batch { heard: vec![Heard { slug: None, publication, at: MachineMicros(at), instance: 1 }], ..Batch::default() }
}

fn gone(peer: PeerId, from: Option<&str>, at: u64) -> Batch {
    let from = from.map(|from| from.parse::<IpAddr>().unwrap());
    Batch { farewells: vec![Farewell { slug: None, peer, at: MachineMicros(at), from }], ..Batch::default() }
}

/// What an instance that knows nothing yet hears: labels, and how many are gone.
fn all(store: &Store) -> (Vec<String>, usize) {
    let news = store.hear(9, &mut Cursor::default()).unwrap();
    (news.heard.iter().map(|heard| heard.publication.message.presence.content.clone()).collect(), news.gone.len())
}

#[test]
fn attack_a_number_counts_once_whichever_instance_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let ((one, two), peer) = (pair(&folder), PeerId::random());
    assert!(matches!(one.tell(Some(1), &asked(peer, 7), NOW).unwrap()[..], [Verdict::Counts(_)]));
    assert_eq!(two.tell(Some(2), &asked(peer, 7), NOW).unwrap(), [Verdict::Again(7)]);
    assert_eq!(two.tell(Some(2), &asked(peer, 6), NOW).unwrap(), [Verdict::Again(7)]);
    let both = Batch { asked: [asked(peer, 8).asked, asked(peer, 8).asked, asked(peer, 9).asked].concat(), ..Batch::default() };
    let verdicts = two.tell(Some(2), &both, NOW).unwrap();
    let [Verdict::Counts(first), Verdict::Again(8), Verdict::Counts(last)] = verdicts[..] else { panic!("{verdicts:?}") };
    assert!(first < last, "times grow with numbers");
    let news = one.hear(1, &mut Cursor::default()).unwrap();
    assert_eq!(news.bound, [Asked { peer, seq: 9, until: UnixMillis(5000) }]);
}

#[test]
fn an_older_word_never_overwrites_a_newer_one_in_whatever_order_they_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let ((one, two), peer) = (pair(&folder), PeerId::random());
    two.tell(Some(2), &heard(peer, "newer", false, "192.0.2.1", 20), NOW).unwrap();
    one.tell(Some(1), &heard(peer, "older", false, "192.0.2.1", 10), NOW).unwrap();
    assert_eq!(all(&one), (vec!["newer".to_owned()], 0));
    one.tell(Some(1), &gone(peer, None, 19), NOW).unwrap();
    assert_eq!(all(&one), (vec!["newer".to_owned()], 0), "what lapsed here was heard there later");
    one.tell(Some(1), &gone(peer, None, 20), NOW).unwrap();
    assert_eq!(all(&one), (vec![], 1));
    two.tell(Some(2), &heard(peer, "late", false, "192.0.2.1", 20), NOW).unwrap();
    assert_eq!(all(&one), (vec![], 1), "a row that was written after its farewell");
    two.tell(Some(2), &heard(peer, "back", false, "192.0.2.1", 30), NOW).unwrap();
    assert_eq!(all(&one), (vec!["back".to_owned()], 0));
}

#[test]
fn attack_nobody_speaks_for_a_peer_that_signed_at_another_instance() {
    let folder = tempfile::tempdir().unwrap();
    let ((one, two), peer) = (pair(&folder), PeerId::random());
    one.tell(Some(1), &asked(peer, 7), NOW).unwrap();
    one.tell(Some(1), &heard(peer, "Alice", true, "192.0.2.1", 10), NOW).unwrap();
    two.tell(Some(2), &heard(peer, "Mallory", false, "192.0.2.9", 20), NOW).unwrap();
    two.tell(Some(2), &gone(peer, Some("192.0.2.1"), 30), NOW).unwrap();
    assert_eq!(all(&two), (vec!["Alice".to_owned()], 0));
    two.tell(Some(2), &heard(peer, "a day later", false, "192.0.2.9", 40), UnixMillis(5000)).unwrap();
    assert_eq!(all(&two), (vec!["a day later".to_owned()], 0), "the binding has ended");
}

#[test]
fn attack_an_unsigned_farewell_counts_only_from_where_the_peer_was_heard_anywhere() {
    let folder = tempfile::tempdir().unwrap();
    let ((one, two), peer) = (pair(&folder), PeerId::random());
    one.tell(Some(1), &heard(peer, "Alice", false, "2001:db8::1", 10), NOW).unwrap();
    two.tell(Some(2), &gone(peer, Some("2001:db8:1::1"), 20), NOW).unwrap();
    two.tell(Some(2), &gone(PeerId::random(), Some("2001:db8::1"), 20), NOW).unwrap();
    assert_eq!(all(&two), (vec!["Alice".to_owned()], 0), "and farewells of nobody leave nothing");
    two.tell(Some(2), &gone(peer, Some("2001:db8::77"), 20), NOW).unwrap();
    assert_eq!(all(&two), (vec![], 1));
}

#[test]
fn an_epoch_lasts_as_long_as_every_number_of_it_is_known() {
    let (folder, server) = (tempfile::tempdir().unwrap(), PeerId::random());
    let path = folder.path().join("goop.db");
    let enter = |epoch, instance: Option<u64>| {
        let store = Store::open(Some(&path), instance.is_some()).unwrap();
        let entered = store.enter(&entrant(server, epoch, instance)).unwrap();
        (store, entered.epoch.get())
    };
    let (store, first) = enter(1, None);
    assert_eq!(first, 1);
    store.settle().unwrap();
    assert_eq!(enter(2, None).1, 1, "a clean stop");
    assert_eq!(enter(3, None).1, 3, "a crash of a single server, which did not write every number");
    assert_eq!(enter(4, Some(1)).1, 4);
    assert_eq!((enter(5, Some(2)).1, enter(6, Some(3)).1), (4, 4), "instances write each number");
}

#[test]
fn instances_of_different_keys_are_refused_and_a_single_server_may_get_another_key() {
    let (folder, server, other) = (tempfile::tempdir().unwrap(), PeerId::random(), PeerId::random());
    let (one, two) = pair(&folder);
    let first = one.enter(&entrant(server, 1, Some(1))).unwrap();
    let refused = two.enter(&entrant(other, 2, Some(2))).unwrap_err();
    assert!(matches!(refused, StoreError::AnotherServer { .. }) && refused.to_string().contains("identity.key_file"));
    let joined = two.enter(&entrant(server, 2, Some(2))).unwrap();
    assert_eq!(joined, first, "complete when the first one is");
    assert_eq!(two.living(Moment::now().on_machine()).unwrap().len(), 2);
    one.leave(1).unwrap();
    assert_eq!(two.living(Moment::now().on_machine()).unwrap().into_iter().collect::<Vec<_>>(), [2]);
    let later = MachineMicros(Moment::now().on_machine().0 + 3_000_001);
    assert!(two.living(later).unwrap().is_empty(), "who gives no sign of life is dead");
    assert_eq!(one.enter(&entrant(other, 3, None)).unwrap().epoch.get(), 3);
}

#[test]
fn what_is_long_over_is_tidied_away() {
    let (store, peer) = (Store::open(None, false).unwrap(), PeerId::random());
    store.tell(Some(1), &asked(peer, 7), NOW).unwrap();
    store.tell(Some(1), &heard(peer, "Alice", true, "192.0.2.1", 10), NOW).unwrap();
    let (ttl, later) = (Duration::from_secs(20), MachineMicros(101_000_000));
    store.tidy(ttl, MachineMicros(99_000_000), NOW).unwrap();
    assert_eq!(all(&store).0, ["Alice"]);
    store.tidy(ttl, later, UnixMillis(5000)).unwrap();
    assert!(all(&store).0.is_empty());
    assert!(store.hear(9, &mut Cursor::default()).unwrap().bound.is_empty());
}

#[test]
fn the_news_are_read_to_the_end_in_parts() {
    let (store, mut cursor, mut seen) = (Store::open(None, false).unwrap(), Cursor::default(), 0);
    let asked = (0..6000).map(|_| Asked { peer: PeerId::random(), seq: 1, until: UnixMillis(5000) }).collect();
    store.tell(Some(1), &Batch { asked, ..Batch::default() }, NOW).unwrap();
    loop {
        let news = store.hear(9, &mut cursor).unwrap();
        seen += news.bound.len();
        if !news.more {
            break;
        }
    }
    assert_eq!(seen, 6000);
}
