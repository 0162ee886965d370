use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(45, 45, 45, 21));
const AWAY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(45, 45, 45, 66));

fn at(seconds: u64) -> Moment {
    Moment::from_millis(seconds * 1000)
}

fn epoch() -> Epoch {
    Epoch::new(77)
}

struct World {
    server: PeerId,
    peer: PeerId,
    bindings: Bindings,
}

fn world() -> World {
    let (server, peer) = (PeerId::random(), PeerId::random());
    World { server, peer, bindings: Bindings::new(server, epoch(), true) }
}

impl World {
    fn says(&self, seq: u64) -> SignedPresence {
        let (content, addrs) = (String::new(), Vec::new());
        SignedPresence {
            peer: self.peer,
            kind: Kind::Update,
            seq,
            epoch: epoch(),
            content,
            addrs,
            server: self.server,
            details: Default::default(),
        }
    }

    fn again(&self, seq: u64) -> Result<(), Refusal> {
        Err(Refusal::SignAgain { epoch: epoch(), seq })
    }
}

#[test]
fn the_number_must_grow_and_the_refusal_names_the_highest() {
    let mut w = world();
    for (seq, answer) in [(0, w.again(0)), (5, Ok(())), (5, w.again(5)), (4, w.again(5)), (6, Ok(())), (900, Ok(())), (899, w.again(900))] {
        assert_eq!(w.bindings.admit_signed(&w.says(seq), at(0)), answer, "{seq}");
    }
}

#[test]
fn what_was_signed_for_another_epoch_or_server_does_not_count_and_binds_nobody() {
    let mut w = world();
    let other_epoch = SignedPresence { epoch: Epoch::new(78), ..w.says(5) };
    let other_server = SignedPresence { server: PeerId::random(), ..w.says(5) };
    assert_eq!(w.bindings.admit_signed(&other_epoch, at(0)), w.again(0));
    assert_eq!(w.bindings.admit_signed(&other_server, at(0)), w.again(0));
    assert!(!w.bindings.is_bound(&w.peer, at(0)));
}

#[test]
fn a_signature_binds_for_a_day_after_the_last_one() {
    let mut w = world();
    w.bindings.admit_signed(&w.says(1), at(0)).unwrap();
    w.bindings.admit_signed(&w.says(2), at(100)).unwrap();
    let unsigned = |w: &mut World, seconds| w.bindings.admit_unsigned(&w.peer, Kind::Update, HOME, at(seconds));
    assert_eq!(unsigned(&mut w, 100 + 86_399), Err(Refusal::Bound));
    assert_eq!(unsigned(&mut w, 100 + 86_400), Ok(()));
}

#[test]
fn attack_a_thousand_forged_updates_and_offlines_change_nothing() {
    let mut w = world();
    w.bindings.admit_signed(&w.says(1), at(0)).unwrap();
    let kinds = [Kind::Online, Kind::Update, Kind::Offline];
    let accepted = (0..1000).filter(|n| w.bindings.admit_unsigned(&w.peer, kinds[n % 3], HOME, at(*n as u64)).is_ok()).count();
    assert_eq!(accepted, 0);
}

#[test]
fn attack_an_unsigned_offline_from_elsewhere_does_not_count() {
    let mut w = world();
    assert_eq!(w.bindings.admit_unsigned(&w.peer, Kind::Offline, AWAY, at(0)), Ok(()), "of a stranger there is nothing to end");
    w.bindings.admit_unsigned(&w.peer, Kind::Update, HOME, at(0)).unwrap();
    assert_eq!(w.bindings.admit_unsigned(&w.peer, Kind::Offline, AWAY, at(1)), Err(Refusal::OfflineFromElsewhere));
    assert_eq!(w.bindings.admit_unsigned(&w.peer, Kind::Offline, "::ffff:45.45.45.21".parse().unwrap(), at(1)), Ok(()));
}

#[test]
fn an_ipv6_host_may_change_its_address_within_its_64() {
    let mut w = world();
    let [one, other, elsewhere] = ["2a01:4f8::1", "2a01:4f8::ffff:2", "2a01:4f8:0:1::1"].map(|ip| ip.parse::<IpAddr>().unwrap());
    w.bindings.admit_unsigned(&w.peer, Kind::Update, one, at(0)).unwrap();
    assert_eq!(w.bindings.admit_unsigned(&w.peer, Kind::Offline, elsewhere, at(1)), Err(Refusal::OfflineFromElsewhere));
    assert_eq!(w.bindings.admit_unsigned(&w.peer, Kind::Offline, other, at(1)), Ok(()));
}

#[test]
fn an_operator_can_refuse_all_that_is_unsigned() {
    let mut w = world();
    w.bindings = Bindings::new(w.server, epoch(), false);
    assert_eq!(w.bindings.admit_unsigned(&w.peer, Kind::Update, HOME, at(0)), Err(Refusal::Unsigned));
    assert_eq!(w.bindings.admit_signed(&w.says(1), at(0)), Ok(()));
}

#[test]
fn bindings_of_another_process_are_taken_in_and_never_weaken_ours() {
    let mut w = world();
    w.bindings.restore(w.peer, Binding { seq: 40, until: at(10) });
    assert_eq!(w.bindings.admit_signed(&w.says(40), at(0)), w.again(40));
    w.bindings.restore(w.peer, Binding { seq: 9, until: at(20) });
    assert_eq!(w.bindings.of(&w.peer), Some(Binding { seq: 40, until: at(20) }));
}

#[test]
fn attack_a_flood_of_identities_is_bounded_and_whoever_goes_on_signing_stays_bound() {
    let mut w = world();
    for n in 0..MAX_BOUND as u64 + 5000 {
        if n % 1000 == 0 {
            w.bindings.admit_signed(&w.says(n + 1), at(n / 1000)).unwrap();
        }
        let sybil = SignedPresence { peer: sybil(n), ..w.says(1) };
        w.bindings.admit_signed(&sybil, at(n / 1000)).unwrap();
    }
    assert_eq!(w.bindings.bound.len(), MAX_BOUND);
    assert!(w.bindings.is_bound(&w.peer, at(200)));
}

fn sybil(n: u64) -> PeerId {
    let digest = [[0; 24].as_slice(), &n.to_be_bytes()].concat();
    PeerId::from_bytes(&[&[0x12, 0x20], digest.as_slice()].concat()).unwrap()
}

proptest! {
    /// Whatever is reordered and played again: each peer's accepted numbers grow strictly, and each is accepted at most once.
    #[test]
    fn attack_reordering_and_replay_never_go_back(plays in proptest::collection::vec((0..4u64, 0..30u64, 0..3u64), 0..300)) {
        let w = world();
        let mut bindings = Bindings::new(w.server, epoch(), true);
        let mut last: HashMap<PeerId, u64> = HashMap::new();
        for (who, seq, run) in plays {
            let message = SignedPresence { peer: sybil(who), epoch: Epoch::new(77 + run / 2), ..w.says(seq) };
            let before = last.get(&message.peer).copied().unwrap_or(0);
            let accepted = bindings.admit_signed(&message, at(0)).is_ok();
            prop_assert_eq!(accepted, message.epoch == epoch() && seq > before);
            if accepted {
                last.insert(message.peer, seq);
            }
        }
    }
}
