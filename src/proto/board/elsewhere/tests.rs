use std::collections::BTreeMap;

use libp2p::identity::Keypair;
use proptest::prelude::*;

use super::*;
use crate::proto::board::{Message, Rules};

const TTL: Duration = Duration::from_secs(18);

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn peer(number: u8) -> PeerId {
    Keypair::ed25519_from_bytes([number; 32]).unwrap().public().to_peer_id()
}

fn board() -> Board {
    Board::new(Rules::open(TTL), 1, at(0))
}

fn says(kind: &str, number: u8, content: &str, signed: bool) -> Publication {
    let json = serde_json::json!({ "type": kind, "peerID": peer(number).to_base58(), "content": content, "ts": 7 }).to_string();
    let message = Message::parse(json.as_bytes()).unwrap();
    Publication { message, signed, from: "192.0.2.1".parse().unwrap(), at: UnixMillis(9) }
}

fn by(heard: Moment, lives: bool) -> Elsewhere {
    Elsewhere { heard, lapse: heard + TTL, instance: 2, lives }
}

fn labels(board: &Board) -> BTreeMap<PeerId, String> {
    board.rows().map(|(peer, row)| (*peer, row.message.presence.content.clone())).collect()
}

#[test]
fn what_was_heard_later_stands_wherever_that_was() {
    let mut board = board();
    board.publish(says("online", 1, "here at 5", false), at(5000)).unwrap();
    assert_eq!(board.learn(says("update", 1, "there at 4", false), by(at(4000), true), at(6000)), Ok(false));
    assert_eq!(labels(&board)[&peer(1)], "here at 5");
    assert_eq!(board.learn(says("update", 1, "there at 6", false), by(at(6000), true), at(6500)), Ok(true));
    assert_eq!(labels(&board)[&peer(1)], "there at 6");
    assert!(!board.forget(&peer(1), at(5999), UnixMillis(1)), "whoever lapsed elsewhere was heard here since");
    assert!(board.forget(&peer(1), at(6000), UnixMillis(1)) && labels(&board).is_empty());
}

#[test]
fn attack_an_unsigned_row_gives_way_to_a_signed_one_however_late() {
    let mut board = board();
    board.publish(says("online", 1, "Mallory", false), at(5000)).unwrap();
    assert_eq!(board.learn(says("online", 1, "Alice", true), by(at(4000), true), at(5100)), Ok(true));
    assert_eq!(labels(&board)[&peer(1)], "Alice");
}

#[test]
fn while_the_instance_lives_that_heard_a_peer_it_is_waited_for_and_not_after_its_death() {
    let mut board = board();
    board.learn(says("online", 1, "Alice", false), by(at(0), true), at(100)).unwrap();
    board.learn(says("online", 2, "Bob", false), by(at(0), false), at(100)).unwrap();
    assert_eq!(board.expire(at(18_000), UnixMillis(1), 10).len(), 1, "nobody knows better about Bob");
    assert!(board.expire(at(23_999), UnixMillis(1), 10).is_empty());
    assert_eq!(board.expire(at(24_000), UnixMillis(1), 10), [Lapsed { peer: peer(1), heard: at(0), elsewhere: true }]);
    board.learn(says("online", 1, "Alice", false), by(at(30_000), true), at(30_100)).unwrap();
    board.orphan(2);
    assert!(board.expire(at(47_999), UnixMillis(1), 10).is_empty());
    assert_eq!(board.expire(at(48_000), UnixMillis(1), 10).len(), 1);
    assert!(board.due.is_empty());
}

#[test]
fn what_lapsed_before_it_became_known_brings_nobody() {
    let mut board = board();
    assert_eq!(board.learn(says("online", 1, "Alice", false), by(at(0), false), at(18_000)), Ok(false));
    assert!(labels(&board).is_empty());
}

#[test]
fn a_heartbeat_here_takes_the_peer_over() {
    let mut board = board();
    board.learn(says("online", 1, "Alice", false), by(at(0), true), at(100)).unwrap();
    board.publish(says("update", 1, "Alice", false), at(5000)).unwrap();
    board.orphan(2);
    assert!(board.expire(at(22_999), UnixMillis(1), 10).is_empty());
    assert_eq!(board.expire(at(23_000), UnixMillis(1), 10), [Lapsed { peer: peer(1), heard: at(5000), elsewhere: false }]);
}

/// Said at board `of`, about `peer`: a label, or farewell.
#[derive(Debug, Clone)]
struct Said {
    of: usize,
    peer: u8,
    label: Option<u8>,
    late: u64,
}

fn said() -> impl Strategy<Value = Said> {
    (0..2usize, 1..4u8, prop::option::weighted(0.8, 0..3u8), 0..40u64).prop_map(|(of, peer, label, late)| Said { of, peer, label, late })
}

proptest! {
    /// Whatever is said to whichever of two instances, and however late each hears of it from the other: in the end both show what was
    /// said last of each peer.
    #[test]
    fn two_instances_come_to_show_what_was_said_last(all in prop::collection::vec(said(), 1..40)) {
        let mut boards = [board(), board()];
        let mut expected = BTreeMap::new();
        let mut news: Vec<(u64, usize, Said)> = Vec::new();
        for (said, n) in all.into_iter().zip(0_u64..) {
            deliver(&mut boards, &mut news, n);
            let kind = if said.label.is_some() { "update" } else { "offline" };
            let label = said.label.map(|label| label.to_string());
            boards[said.of].publish(says(kind, said.peer, label.as_deref().unwrap_or(""), false), at(n * 10)).unwrap();
            match label {
                Some(label) => expected.insert(peer(said.peer), label),
                None => expected.remove(&peer(said.peer)),
            };
            // The database keeps the last word of each peer only, as of when it was said.
            news.retain(|(_, _, earlier)| earlier.peer != said.peer);
            news.push((n + said.late, n as usize, said));
        }
        deliver(&mut boards, &mut news, u64::MAX);
        prop_assert_eq!(labels(&boards[0]), expected.clone());
        prop_assert_eq!(labels(&boards[1]), expected);
    }
}

fn deliver(boards: &mut [Board; 2], news: &mut Vec<(u64, usize, Said)>, now: u64) {
    let (due, later) = news.drain(..).partition(|(when, _, _)| *when <= now);
    *news = later;
    let due: Vec<(u64, usize, Said)> = due;
    for (_, n, said) in due {
        let (other, heard) = (&mut boards[1 - said.of], at(n as u64 * 10));
        match said.label {
            Some(label) => drop(other.learn(says("update", said.peer, &label.to_string(), false), by(heard, true), heard)),
            None => drop(other.forget(&peer(said.peer), heard, UnixMillis(1))),
        }
    }
}
