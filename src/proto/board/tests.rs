use std::collections::BTreeMap;

use libp2p::identity::Keypair;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::proto::presence::{Extras, Presence};

const TTL: Duration = Duration::from_secs(20);

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn peer(number: u8) -> PeerId {
    Keypair::ed25519_from_bytes([number; 32]).unwrap().public().to_peer_id()
}

fn board() -> Board {
    Board::new(Rules::open(TTL), 0x5f3a, at(0))
}

fn says(kind: &str, number: u8, content: &str) -> Publication {
    let json = serde_json::json!({ "type": kind, "peerID": peer(number).to_base58(), "content": content, "ts": 7 }).to_string();
    let message = Message::parse(json.as_bytes()).unwrap();
    Publication { message, signed: false, from: "192.0.2.1".parse().unwrap(), at: UnixMillis(9) }
}

/// What a client believes that reads as the protocol says.
#[derive(Debug, Default)]
struct Client {
    peers: BTreeMap<String, String>,
    names: Vec<String>,
    complete: Option<bool>,
    last_id: Option<String>,
    unread: Vec<u8>,
}

impl Client {
    fn read(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
        let Some(end) = self.unread.windows(2).rposition(|two| two == b"\n\n") else { return };
        let whole: Vec<u8> = self.unread.drain(..end + 2).collect();
        for frame in std::str::from_utf8(&whole).unwrap().split_terminator("\n\n") {
            let mut name = "message";
            for line in frame.lines() {
                match line.split_once(": ").unwrap() {
                    ("id", id) => self.last_id = Some(id.into()),
                    ("event", event) => name = event,
                    ("data", data) => self.hear(name, &serde_json::from_str(data).unwrap()),
                    (comment, _) => assert_eq!(comment, ""),
                }
            }
        }
    }

    fn hear(&mut self, name: &str, data: &Value) {
        self.names.push(name.into());
        match name {
            "snapshot" => {
                self.complete = data["complete"].as_bool();
                self.peers.clear();
                data["peers"].as_array().unwrap().iter().for_each(|row| self.row(row));
            }
            "gap" | "moved" => {}
            _ => self.row(data),
        }
    }

    fn row(&mut self, row: &Value) {
        let id = row["peerID"].as_str().unwrap().to_owned();
        match row["type"].as_str().unwrap() {
            "offline" => self.peers.remove(&id),
            _ => self.peers.insert(id, row["content"].as_str().unwrap().to_owned()),
        };
    }

    /// Reads all it is owed; `false` where its stream ended.
    fn catch_up(&mut self, board: &mut Board, reader: &mut Reader, now: Moment) -> bool {
        loop {
            match board.owed(reader, now) {
                Owed::Nothing => return true,
                Owed::These(bytes) => self.read(&bytes),
                Owed::Ended => return false,
            }
        }
    }
}

fn table(board: &Board) -> BTreeMap<String, String> {
    board.rows().map(|(peer, row)| (peer.to_base58(), row.message.presence.content.clone())).collect()
}

fn joined(board: &mut Board, stream: Stream, id: Option<&str>, now: Moment) -> (Client, Reader) {
    let mut reader = board.join(stream, id, now);
    let mut client = Client::default();
    board.seal();
    assert!(client.catch_up(board, &mut reader, now));
    (client, reader)
}

#[test]
fn a_heartbeat_that_changes_nothing_is_not_told_on_the_stream_of_changes() {
    let mut board = board();
    let (mut client, mut reader) = joined(&mut board, Stream::Changes, None, at(0));
    for beat in 0..10 {
        board.publish(says(if beat == 0 { "online" } else { "update" }, 1, "Alice"), at(beat * 5000)).unwrap();
    }
    board.publish(says("update", 1, "Alicia"), at(50_000)).unwrap();
    board.seal();
    client.catch_up(&mut board, &mut reader, at(50_000));
    assert_eq!(client.names, ["snapshot", "online", "update"]);
}

/// Bytes that a reader of changes is given in the quarter of a minute after it came, in which everybody heartbeats three times.
fn quiet_traffic(peers: u32) -> usize {
    let mut board = board();
    let says = |number: u32| {
        let digest = [&[0x12, 0x20][..], &[0; 28], &number.to_be_bytes()].concat();
        let presence = Presence::new(Kind::Update, PeerId::from_bytes(&digest).unwrap(), UnixMillis(7));
        let message = Message { presence, extras: Extras::default() };
        Publication { message, signed: false, from: "192.0.2.1".parse().unwrap(), at: UnixMillis(9) }
    };
    let round = |board: &mut Board, now| (0..peers).for_each(|number| assert!(board.publish(says(number), now).is_ok()));
    round(&mut board, at(0));
    let (_, mut reader) = joined(&mut board, Stream::Changes, None, at(0));
    let mut given = 0;
    for beat in 1..=3 {
        round(&mut board, at(beat * 5000));
        board.keep_alive();
        board.seal();
        while let Owed::These(bytes) = board.owed(&mut reader, at(beat * 5000)) {
            given += bytes.len();
        }
    }
    given
}

#[test]
fn a_quiet_community_costs_its_readers_the_same_whatever_its_size() {
    assert_eq!(quiet_traffic(16_000), quiet_traffic(1000));
}

#[test]
fn goop2_hears_an_unchanged_heartbeat_once_per_third_of_the_ttl() {
    let mut board = board();
    let (mut client, mut reader) = joined(&mut board, Stream::Lines, None, at(0));
    for second in 0..=60 {
        board.publish(says("update", 1, "Alice"), at(second * 1000)).unwrap();
    }
    board.seal();
    client.catch_up(&mut board, &mut reader, at(60_000));
    assert_eq!(client.names.len(), 1 + 8, "one at the start, then one every seven seconds");
}

#[test]
fn who_falls_silent_is_told_offline_after_the_ttl_and_not_before() {
    let mut board = board();
    board.publish(says("online", 1, "Alice"), at(0)).unwrap();
    board.publish(says("update", 1, "Alice"), at(10_000)).unwrap();
    assert!(board.expire(at(29_999), UnixMillis(1), 10).is_empty());
    let (mut client, mut reader) = joined(&mut board, Stream::Changes, None, at(29_999));
    assert_eq!(board.expire(at(30_000), UnixMillis(1), 10).len(), 1);
    board.seal();
    client.catch_up(&mut board, &mut reader, at(30_000));
    assert_eq!((client.names, client.peers.len()), (vec!["snapshot".to_owned(), "offline".to_owned()], 0));
    assert!(board.due.is_empty() && board.row_bytes == 0);
}

#[test]
fn a_snapshot_is_not_complete_for_one_ttl_after_the_start() {
    let mut board = board();
    assert_eq!(joined(&mut board, Stream::Changes, None, at(19_999)).0.complete, Some(false));
    assert_eq!(joined(&mut board, Stream::Changes, None, at(20_000)).0.complete, Some(true));
}

#[test]
fn attack_a_flood_of_peers_leaves_room_for_those_that_sign() {
    let mut board = Board::new(Rules { rows: 40, ..Rules::open(TTL) }, 1, at(0));
    let taken = (0..60).filter(|n| board.publish(says("online", *n, "x"), at(0)).is_ok()).count();
    assert_eq!(taken, 38);
    assert_eq!(board.publish(says("update", 3, "known peers go on"), at(1)), Ok(Published::Changed));
    let signed = Publication { signed: true, ..says("online", 100, "x") };
    assert_eq!(board.publish(signed, at(1)), Ok(Published::Came));
}

#[test]
fn all_rows_together_are_bounded_in_bytes() {
    let mut board = Board::new(Rules { row_bytes: 10_000, ..Rules::open(TTL) }, 1, at(0));
    board.publish(says("online", 1, "short"), at(0)).unwrap();
    for n in 0..60 {
        let _ = board.publish(says("update", n, &"x".repeat(4000)), at(0));
    }
    assert!(board.row_bytes <= 10_000 && board.rows().len() == 2, "{}", board.row_bytes);
}

#[test]
fn readers_who_come_one_after_another_share_one_snapshot() {
    let mut board = board();
    (0..200).for_each(|n| assert!(board.publish(says("online", n, "x"), at(0)).is_ok()));
    let first = |board: &mut Board| board.join(Stream::Changes, None, at(0)).snapshot;
    let one = first(&mut board);
    board.publish(says("update", 3, "changed"), at(1)).unwrap();
    assert_eq!(one.as_ptr(), first(&mut board).as_ptr(), "with the change read from the log");
    (0..200).for_each(|n| assert!(board.publish(says("update", n, "other"), at(2)).is_ok()));
    assert_ne!(one.as_ptr(), first(&mut board).as_ptr(), "made anew when much has changed");
}

#[test]
fn an_id_of_another_start_or_of_nowhere_is_told_gap() {
    let mut board = board();
    board.publish(says("online", 1, "Alice"), at(0)).unwrap();
    for id in ["5f3b.1", "5f3a.2", "5f3a.-1", "1", "", "x.y", "5f3a.99999999999999999999"] {
        let (client, _) = joined(&mut board, Stream::Changes, Some(id), at(0));
        assert_eq!(client.names, ["gap", "snapshot"], "{id}");
    }
    assert!(joined(&mut board, Stream::Changes, Some("5f3a.1"), at(0)).0.names.is_empty());
}

#[test]
fn a_reader_a_mebibyte_behind_is_told_gap_or_its_lines_end() {
    let mut board = board();
    let (mut client, mut changes) = joined(&mut board, Stream::Changes, None, at(0));
    let (_, mut lines) = joined(&mut board, Stream::Lines, None, at(0));
    for n in 0..400 {
        board.publish(says("update", (n % 200) as u8, &format!("{n}{}", "x".repeat(4000))), at(n)).unwrap();
        board.seal();
    }
    assert!(client.catch_up(&mut board, &mut changes, at(400)));
    assert_eq!(client.names, ["snapshot", "gap", "snapshot"]);
    assert_eq!(client.peers, table(&board));
    assert_eq!(board.owed(&mut lines, at(400)), Owed::Ended);
}

#[test]
fn attack_a_reader_that_trickles_does_not_keep_old_snapshots_alive() {
    let mut board = board();
    (0..200).for_each(|n| assert!(board.publish(says("online", n, &"x".repeat(4000)), at(0)).is_ok()));
    let taken = |board: &mut Board, millis_each: u64| {
        let mut reader = board.join(Stream::Lines, None, at(0));
        (0..).take_while(|n| matches!(board.owed(&mut reader, at(n * millis_each)), Owed::These(_))).count()
    };
    assert_eq!(taken(&mut board, 3_900), 13, "64 KiB each four seconds is fast enough");
    assert_eq!(taken(&mut board, 9_000), 3);
}

#[derive(Debug, Clone)]
enum Step {
    Publish { kind: &'static str, peer: u8, content: u8, long: bool },
    Wait(u16),
    Seal,
    Join { lines: bool },
    Read(u8),
    Leave(u8),
    Resume(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![Just("online"), Just("update"), Just("update"), Just("offline")];
    prop_oneof![
        6 => (kind, 0..6u8, 0..3u8, prop::bool::weighted(0.1))
            .prop_map(|(kind, peer, content, long)| Step::Publish { kind, peer, content, long }),
        2 => (0..9000u16).prop_map(Step::Wait),
        3 => Just(Step::Seal),
        1 => any::<bool>().prop_map(|lines| Step::Join { lines }),
        2 => any::<u8>().prop_map(Step::Read),
        1 => any::<u8>().prop_map(Step::Leave),
        1 => any::<u8>().prop_map(Step::Resume),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Random publishes, expiries, joins, slow readers and resumes: when all is read, what each reader believes is the table.
    #[test]
    fn what_every_reader_believes_equals_the_table(steps in prop::collection::vec(step(), 1..400)) {
        let mut board = board();
        board.changes = EventLog::new(20_000);
        board.lines = EventLog::new(20_000);
        let mut readers: Vec<(Client, Reader)> = Vec::new();
        let mut left: Vec<Client> = Vec::new();
        let mut now = at(0);
        for step in steps {
            match step {
                Step::Publish { kind, peer, content, long } => {
                    let content = format!("{content}{}", if long { "y".repeat(4000) } else { String::new() });
                    board.publish(says(kind, peer, &content), now).unwrap();
                }
                Step::Wait(millis) => {
                    now = now + Duration::from_millis(millis.into());
                    board.expire(now, UnixMillis(1), 3);
                }
                Step::Seal => board.seal(),
                Step::Join { lines } => {
                    let stream = if lines { Stream::Lines } else { Stream::Changes };
                    readers.push((Client::default(), board.join(stream, None, now)));
                }
                Step::Read(which) if !readers.is_empty() => {
                    let at = usize::from(which) % readers.len();
                    let (client, reader) = &mut readers[at];
                    if !client.catch_up(&mut board, reader, now) {
                        readers.swap_remove(at);
                    }
                }
                Step::Leave(which) if !readers.is_empty() => {
                    let (client, reader) = readers.swap_remove(usize::from(which) % readers.len());
                    if reader.stream == Stream::Changes {
                        left.push(client);
                    }
                }
                Step::Resume(which) if !left.is_empty() => {
                    let client = left.swap_remove(usize::from(which) % left.len());
                    let reader = board.join(Stream::Changes, client.last_id.as_deref(), now);
                    readers.push((client, reader));
                }
                Step::Read(_) | Step::Leave(_) | Step::Resume(_) => {}
            }
        }
        board.seal();
        let table = table(&board);
        for (mut client, mut reader) in readers {
            if client.catch_up(&mut board, &mut reader, now) {
                prop_assert_eq!(&client.peers, &table);
            } else {
                prop_assert_eq!(reader.stream, Stream::Lines);
            }
        }
    }
}
