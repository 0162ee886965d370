use libp2p::identity::Keypair;
use proptest::prelude::*;

use super::*;
use crate::clock::UnixMillis;
use crate::proto::community::Kind;
use crate::proto::names::{Lang, Name, Summary, Tag};

fn key(seed: u8) -> Keypair {
    Keypair::ed25519_from_bytes([seed; 32]).unwrap()
}

fn listing() -> Listing {
    Listing {
        name: Name::parse("Chess Club").unwrap(),
        summary: Summary::parse("We play.").unwrap(),
        tags: Tag::parse_all(["chess"]).unwrap(),
        kind: Kind::InviteOnly,
        paid: true,
        lang: Some(Lang::parse("en").unwrap()),
        endpoints: vec![Endpoint::parse("rv2.example.com:8787").unwrap()],
        rendezvous_id: Some(key(2).public().to_peer_id()),
        community_key: None,
        members: 23,
    }
}

fn record() -> Record {
    Record {
        origin: key(1).public().to_peer_id(),
        order: Order { key_epoch: 1, feed: 1_760_000_000_000, seq: 7 },
        community: *b"0123456789abcdef",
        issued: UnixMillis(1_760_000_000_001),
        content: Content::Listed(Box::new(listing())),
    }
}

fn head() -> Head {
    Head {
        origin: key(1).public().to_peer_id(),
        order: record().order,
        count: 1,
        root: [9; 32],
        issued: UnixMillis(1_760_000_000_001),
        ttl: LEASE_DEFAULT,
        previous: Some(PreviousFeed { feed: 5, seq: 3, root: [8; 32] }),
        changed_since: 2,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn golden_bytes() {
    let tombstone = Record { content: Content::Deleted("lapsed".into()), ..record() };
    let found = [
        hex(&record().payload()),
        hex(&record().sign(&key(1)).unwrap()),
        hex(&tombstone.payload()),
        hex(&head().sign(&key(1)).unwrap()),
        record().id().to_string(),
    ];
    let golden: Vec<&str> = include_str!("golden.txt").lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(found.to_vec(), golden);
}

#[test]
fn what_is_signed_comes_back_and_is_named_by_its_payload() {
    let sealed = record().sign(&key(1)).unwrap();
    assert_eq!(Record::open(&sealed), Ok((record(), hash(&record().payload()))));
    let gone = Record { content: Content::Deleted("lapsed".into()), ..record() };
    assert_eq!(Record::open(&gone.sign(&key(1)).unwrap()).map(|(read, _)| read), Ok(gone));
    assert_eq!(Head::open(&head().sign(&key(1)).unwrap()).map(|(read, _)| read), Ok(head()));
}

#[test]
fn attack_nobody_speaks_for_another_origin() {
    let about = record().origin;
    assert_eq!(Record::open(&record().sign(&key(3)).unwrap()), Err(DirectoryError::Forged { about }));
    assert_eq!(Head::open(&head().sign(&key(3)).unwrap()), Err(DirectoryError::Forged { about }));
    let as_head = Head::open(&record().sign(&key(1)).unwrap());
    assert!(matches!(as_head, Err(DirectoryError::Envelope(_))), "a record is no head");
}

#[test]
fn attack_what_is_too_long_is_not_decoded() {
    assert_eq!(Record::open(&vec![0; MAX_RECORD + 1]), Err(DirectoryError::TooLong(MAX_RECORD + 1, MAX_RECORD)));
    assert_eq!(Head::open(&vec![0; MAX_HEAD + 1]), Err(DirectoryError::TooLong(MAX_HEAD + 1, MAX_HEAD)));
}

#[test]
fn the_largest_record_there_can_be_fits() {
    let long = |text: &str, length| text.repeat(length);
    let endpoint = |number: usize| Endpoint::parse(&format!("https://a.example/{number}{}", long("x", 237))).unwrap();
    let largest = Listing {
        name: Name::parse(&long("語", 64)).unwrap(),
        summary: Summary::parse(&long("x", 512)).unwrap(),
        tags: Tag::parse_all((0..8).map(|number| format!("{number}{}", long("語", 31))).collect::<Vec<_>>().iter().map(String::as_str))
            .unwrap(),
        endpoints: (0..4).map(endpoint).collect(),
        community_key: Some((key(4).public().to_peer_id(), vec![1; 64])),
        ..listing()
    };
    let sealed = Record { content: Content::Listed(Box::new(largest.clone())), ..record() }.sign(&key(1)).unwrap();
    assert!(sealed.len() <= MAX_RECORD, "{}", sealed.len());
    assert_eq!(Record::open(&sealed).unwrap().0.listing(), Some(&largest));
}

#[test]
fn the_order_of_statements_decides_and_no_clock() {
    let at = |key_epoch, feed, seq| Order { key_epoch, feed, seq };
    let (ours, other) = ([1; 32], [2; 32]);
    let stored = at(1, 10, 5);
    let cases = [
        (at(1, 10, 6), ours, Standing::Newer),
        (at(1, 11, 1), ours, Standing::Newer),
        (at(2, 1, 1), ours, Standing::Newer),
        (at(1, 10, 5), ours, Standing::Same),
        (at(1, 10, 5), other, Standing::Equivocation),
        (at(1, 10, 4), other, Standing::Older),
        (at(0, 99, 99), ours, Standing::Older),
        (at(1, 10, 6 + MAX_JUMP), ours, Standing::Jump),
        (at(1, 10, u64::MAX), ours, Standing::Jump),
    ];
    for (order, hash, standing) in cases {
        assert_eq!(order.against(&hash, stored, &ours), standing, "{order:?}");
    }
}

#[test]
fn attack_a_replayed_head_renews_no_lease() {
    let accepted = head();
    let later = Head { issued: UnixMillis(accepted.issued.0 + 1), ..head() };
    let more = Head { order: Order { seq: 8, ..accepted.order }, root: [7; 32], issued: UnixMillis(0), ..head() };
    assert!(later.renews(&accepted) && more.renews(&accepted));
    assert!(!accepted.renews(&accepted) && !accepted.renews(&later) && !accepted.renews(&more));
    let other = Head { root: [7; 32], ..later };
    assert!(other.contradicts(&accepted) && !other.renews(&accepted));
}

proptest! {
    #[test]
    fn foreign_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Record::open(&bytes).is_err() && Head::open(&bytes).is_err());
        let _ = Record::of_payload(&bytes);
    }

    #[test]
    fn a_damaged_payload_is_refused_or_says_something_whole(at in 0..300usize, byte: u8) {
        let mut payload = record().payload();
        let at = at % payload.len();
        payload[at] = byte;
        if let Ok(read) = Record::of_payload(&payload) {
            prop_assert_eq!(Record::of_payload(&read.payload()), Ok(read));
        }
    }

    #[test]
    fn every_record_goes_there_and_back(name in "[a-zA-Zé ]{1,64}", summary in ".{0,100}", tags in proptest::collection::vec("[a-z0-9]{1,32}", 0..8), paid: bool, members: u32, seq: u64, community: [u8; 16]) {
        let (Ok(name), Ok(summary), Ok(tags)) = (Name::parse(&name), Summary::parse(&summary), Tag::parse_all(tags.iter().map(String::as_str))) else {
            return Ok(());
        };
        let listing = Listing { name, summary, tags, paid, members, lang: None, rendezvous_id: None, ..listing() };
        let order = Order { seq, ..record().order };
        let whole = Record { order, community, content: Content::Listed(Box::new(listing)), ..record() };
        prop_assert_eq!(Record::of_kept(&whole.payload()), Ok(whole.clone()));
        prop_assert_eq!(Record::open(&whole.sign(&key(1)).unwrap()).map(|(read, _)| read), Ok(whole));
    }

    #[test]
    fn whatever_arrives_in_whatever_order_the_greatest_stays(mut seqs in proptest::collection::vec(1..50u64, 1..30)) {
        let (mut stored, mut stored_hash) = (Order::default(), [0; 32]);
        for seq in &seqs {
            let (order, hash) = (Order { seq: *seq, ..Order::default() }, [*seq as u8; 32]);
            if order.against(&hash, stored, &stored_hash) == Standing::Newer {
                (stored, stored_hash) = (order, hash);
            }
        }
        seqs.sort_unstable();
        prop_assert_eq!(Some(&stored.seq), seqs.last());
    }
}
