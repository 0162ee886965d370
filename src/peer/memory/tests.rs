use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::clock::UnixMillis;
use crate::proto::chat::{ChatMessage, Kept, MAX_WAITING_PER_PEER, Party, State, WAITS};

const SMALL: Limits = Limits { messages: 20, bytes: 20_000, conversations: 8, all_bytes: 60_000 };

fn new_memory(limits: Limits) -> (Memory, PeerId) {
    let me = PeerId::random();
    (Memory::in_memory(me, limits).unwrap(), me)
}

fn on_disk() -> (TempDir, PeerId) {
    (tempfile::tempdir().unwrap(), PeerId::random())
}

fn open(folder: &TempDir, me: PeerId) -> Memory {
    Memory::open(&folder.path().join("goop.db"), me).unwrap()
}

fn message(id: &str, from: PeerId, to: Option<PeerId>) -> ChatMessage {
    ChatMessage { id: id.into(), from, to, community: None, content: "hi".into(), at: UnixMillis(1), delivered: 0 }
}

fn long(id: &str, from: PeerId, to: Option<PeerId>, length: usize) -> ChatMessage {
    ChatMessage { content: "x".repeat(length), ..message(id, from, to) }
}

const CHESS: &str = "rv.example/c/chess";

fn in_chess(id: &str, from: PeerId) -> ChatMessage {
    ChatMessage { community: Some(CHESS.into()), ..message(id, from, None) }
}

fn chess() -> Party {
    Party::Community(CHESS.into())
}

fn ids(memory: &Memory, with: impl Into<Party>) -> Vec<String> {
    memory.page(with, None, MAX_PAGE).unwrap().into_iter().map(|kept| kept.message.id).collect()
}

#[test]
fn a_conversation_holds_both_directions_and_nothing_else() {
    let (memory, me) = new_memory(Limits::default());
    let (bob, eve) = (PeerId::random(), PeerId::random());
    memory.begin(&message("1", me, Some(bob))).unwrap();
    memory.receive(&message("2", bob, Some(me))).unwrap();
    memory.receive(&message("3", eve, None)).unwrap();
    assert_eq!(ids(&memory, Some(bob)), ["1", "2"]);
    assert_eq!(ids(&memory, None), ["3"]);
    assert!(ids(&memory, Some(eve)).is_empty());
    let both = memory.page(Some(bob), None, 10).unwrap();
    assert_eq!((both[0].message.from, both[0].message.to, both[0].state), (me, Some(bob), State::Sending));
    assert_eq!((both[1].message.from, both[1].message.to, both[1].state), (bob, Some(me), State::Received));
}

#[test]
fn each_community_is_a_conversation_of_its_own() {
    let (memory, me) = new_memory(Limits::default());
    let bob = PeerId::random();
    memory.receive(&message("1", bob, None)).unwrap();
    memory.receive(&in_chess("2", bob)).unwrap();
    let own = memory.begin(&in_chess("3", me)).unwrap();
    assert_eq!((ids(&memory, None), ids(&memory, chess())), (vec!["1".to_owned()], vec!["2".to_owned(), "3".to_owned()]));
    let listed: Vec<_> = memory.conversations().unwrap().into_iter().map(|one| (one.with, one.unread)).collect();
    assert_eq!(listed, [(chess(), 1), (Party::Lan, 1)]);
    assert_eq!((own.message.to, own.message.community.as_deref()), (None, Some(CHESS)));
    assert_eq!(memory.mark_read(chess(), i64::MAX).unwrap(), 0);
    memory.forget_conversation(None).unwrap();
    assert_eq!(memory.conversations().unwrap().len(), 1, "one is forgotten, and the other stays");
}

#[test]
fn what_was_said_in_a_community_before_it_had_a_conversation_of_its_own_is_there() {
    let (folder, me) = on_disk();
    let (path, bob) = (folder.path().join("goop.db"), PeerId::random().to_base58());
    let before = Db::open_room(&path, "peer", &MIGRATIONS[..3]).unwrap();
    let said = |change: &Transaction, id: &str, community: Option<&str>| {
        let add = "INSERT INTO messages (peer, sender, id, content, at, mine, cost, state, community) VALUES ('', ?1, ?2, 'hi', 1, 0, 259, 'received', ?3)";
        change.execute(add, rusqlite::params![bob, id, community]).map(drop)
    };
    let fill = |change: &Transaction| {
        change.execute("INSERT INTO conversations (peer) VALUES ('')", [])?;
        said(change, "1", None)?;
        said(change, "2", Some(CHESS))?;
        change.execute("UPDATE conversations SET unread = 0, seen = last", [])?;
        said(change, "3", Some(CHESS))
    };
    before.write(fill).unwrap();
    drop(before);
    let memory = open(&folder, me);
    assert_eq!((ids(&memory, None), ids(&memory, chess())), (vec!["1".to_owned()], vec!["2".to_owned(), "3".to_owned()]));
    check(&memory).unwrap();
    let unread: Vec<_> = memory.conversations().unwrap().into_iter().map(|one| (one.with, one.messages, one.unread)).collect();
    assert_eq!(unread, [(chess(), 2, 1), (Party::Lan, 1, 0)]);
}

#[test]
fn a_repeated_message_is_kept_once_even_after_a_restart() {
    let (folder, me) = on_disk();
    let bob = PeerId::random();
    assert!(matches!(open(&folder, me).receive(&message("same", bob, Some(me))).unwrap(), Some((_, 1))));
    let again = open(&folder, me);
    assert_eq!(again.receive(&message("same", bob, Some(me))).unwrap(), None);
    assert!(matches!(again.receive(&message("same", bob, None)).unwrap(), Some((_, 1))), "another conversation");
    assert_eq!(ids(&again, Some(bob)), ["same"]);
    assert_eq!(again.receive(&in_chess("same", bob)).unwrap(), None, "to many it is one, in whichever community it is taken to be");
}

#[test]
fn pages_follow_each_other_without_gap_or_overlap() {
    let (memory, me) = new_memory(Limits::default());
    let bob = PeerId::random();
    (0..25).for_each(|n| drop(memory.receive(&message(&n.to_string(), bob, Some(me))).unwrap()));
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = memory.page(Some(bob), before, 10).unwrap();
        let Some(first) = page.first() else { break };
        before = Some(first.number);
        seen.splice(0..0, page.into_iter().map(|kept| kept.message.id));
    }
    assert_eq!(seen, (0..25).map(|n| n.to_string()).collect::<Vec<_>>());
    memory.receive(&long("big", bob, Some(me), PAGE_BYTES)).unwrap();
    assert_eq!(ids(&memory, Some(bob)), ["big"], "a page is bounded in bytes");
}

#[test]
fn unread_counts_what_others_wrote_after_the_read_mark() {
    let (memory, me) = new_memory(Limits::default());
    let bob = PeerId::random();
    let numbers: Vec<i64> = (0..5)
        .map(|n| match memory.receive(&message(&n.to_string(), bob, Some(me))).unwrap() {
            Some((kept, unread)) => {
                assert_eq!(unread, n + 1);
                kept.number
            }
            None => unreachable!(),
        })
        .collect();
    memory.begin(&message("mine", me, Some(bob))).unwrap();
    assert_eq!(memory.mark_read(Some(bob), numbers[2]).unwrap(), 2);
    assert_eq!(memory.mark_read(Some(bob), numbers[0]).unwrap(), 2, "a mark never goes back");
    memory.forget_message(numbers[4]).unwrap();
    assert_eq!(memory.conversations().unwrap()[0].unread, 1);
    assert_eq!(memory.mark_read(Some(bob), i64::MAX).unwrap(), 0);
    memory.receive(&message("new", bob, Some(me))).unwrap();
    assert_eq!(memory.conversations().unwrap()[0].unread, 1, "a mark beyond the end marks nothing that comes later");
    assert_eq!(memory.mark_read(Some(PeerId::random()), 1).unwrap(), 0);
}

#[test]
fn conversations_are_listed_with_the_newest_message_first() {
    let (memory, me) = new_memory(Limits::default());
    let (ann, bob) = (PeerId::random(), PeerId::random());
    memory.receive(&message("1", ann, Some(me))).unwrap();
    memory.receive(&message("2", bob, None)).unwrap();
    memory.begin(&message("3", me, Some(bob))).unwrap();
    memory.receive(&message("4", ann, Some(me))).unwrap();
    let listed = memory.conversations().unwrap();
    let short: Vec<_> = listed.iter().map(|one| (one.with.peer(), one.messages, one.unread, one.last.message.id.as_str())).collect();
    assert_eq!(short, [(Some(ann), 2, 2, "4"), (Some(bob), 1, 0, "3"), (None, 1, 1, "2")]);
}

#[test]
fn the_history_is_bounded_and_the_oldest_leave_first() {
    let (memory, me) = new_memory(SMALL);
    let bob = PeerId::random();
    (0..30).for_each(|n| drop(memory.receive(&message(&n.to_string(), bob, Some(me))).unwrap()));
    assert_eq!(ids(&memory, Some(bob)), (10..30).map(|n| n.to_string()).collect::<Vec<_>>());
    memory.receive(&long("long", bob, Some(me), 15_000)).unwrap();
    assert!(memory.conversations().unwrap()[0].messages < 20, "bytes count too");
}

#[test]
fn attack_strangers_cannot_flush_what_the_owner_wrote_or_whom_they_keep() {
    let (memory, me) = new_memory(SMALL);
    let (friend, favourite) = (PeerId::random(), PeerId::random());
    memory.decide(favourite, ContactChange { favourite: Some(true), ..ContactChange::default() }).unwrap();
    memory.receive(&message("kept", favourite, Some(me))).unwrap();
    memory.begin(&message("dear", me, Some(friend))).unwrap();
    memory.receive(&in_chess("club", friend)).unwrap();
    for n in 0..50 {
        memory.receive(&long(&n.to_string(), PeerId::random(), Some(me), 9_000)).unwrap();
        assert!(memory.conversations().unwrap().len() <= SMALL.conversations as usize);
    }
    assert_eq!((ids(&memory, Some(friend)), ids(&memory, Some(favourite))), (vec!["dear".to_owned()], vec!["kept".to_owned()]));
    assert_eq!(ids(&memory, chess()), ["club"], "nor a community");
}

#[test]
fn attack_one_who_floods_everyone_flushes_only_themselves() {
    let (memory, _) = new_memory(SMALL);
    let flooder = PeerId::random();
    memory.receive(&message("honest", PeerId::random(), None)).unwrap();
    (0..60).for_each(|n| drop(memory.receive(&long(&n.to_string(), flooder, None, 1000)).unwrap()));
    let kept = ids(&memory, None);
    assert_eq!((kept[0].as_str(), kept.last().map(String::as_str)), ("honest", Some("59")));
    memory.receive(&in_chess("honest", PeerId::random())).unwrap();
    let flood = |n: u32| ChatMessage { community: Some(CHESS.into()), ..long(&n.to_string(), flooder, None, 1000) };
    (0..60).for_each(|n| drop(memory.receive(&flood(n)).unwrap()));
    assert_eq!(ids(&memory, chess())[0], "honest", "in a community as on the LAN");
}

#[test]
fn what_waits_goes_out_in_order_is_bounded_and_never_flushed() {
    let (memory, me) = new_memory(Limits { messages: 150, ..SMALL });
    let bob = PeerId::random();
    (0..MAX_WAITING_PER_PEER).for_each(|n| drop(memory.wait(&message(&n.to_string(), me, Some(bob))).unwrap()));
    assert!(matches!(memory.wait(&message("more", me, Some(bob))), Err(MemoryError::TooMany { most: MAX_WAITING_PER_PEER, .. })));
    (0..200).for_each(|n| drop(memory.receive(&message(&format!("flood {n}"), bob, Some(me))).unwrap()));
    for n in 0..MAX_WAITING_PER_PEER {
        let next = memory.next_waiting(bob).unwrap().unwrap();
        assert_eq!(next.message.id, n.to_string());
        memory.settle(next.number, State::Delivered, None, 1).unwrap();
    }
    assert_eq!((memory.next_waiting(bob).unwrap(), memory.waited_for().unwrap()), (None, vec![]));
}

#[test]
fn what_waits_survives_a_restart_until_its_time_is_over() {
    let (folder, me) = on_disk();
    let bob = PeerId::random();
    let at = UnixMillis(1000);
    let waiting = open(&folder, me).wait(&ChatMessage { at, ..message("1", me, Some(bob)) }).unwrap();
    let again = open(&folder, me);
    assert_eq!(again.waited_for().unwrap(), [bob]);
    let until = waiting.until.unwrap();
    assert_eq!(until.0 - at.0, u64::try_from(WAITS.as_millis()).unwrap());
    assert!(again.give_up_late(UnixMillis(until.0 - 1)).unwrap().is_empty());
    let given_up = again.give_up_late(until).unwrap();
    assert_eq!((given_up.len(), given_up[0].state, given_up[0].until), (1, State::Failed, None));
    assert!(given_up[0].why.is_some() && again.next_waiting(bob).unwrap().is_none());
}

#[test]
fn what_was_on_its_way_when_the_program_ended_was_not_sent() {
    let (folder, me) = on_disk();
    let bob = PeerId::random();
    let sending = open(&folder, me).begin(&message("1", me, Some(bob))).unwrap();
    let found = open(&folder, me).message(sending.number).unwrap();
    assert_eq!((found.state, found.why.as_deref()), (State::Failed, Some("goop ended before it was sent")));
}

#[test]
fn a_cancelled_message_never_goes_out_and_settles_nothing() {
    let (memory, me) = new_memory(Limits::default());
    let bob = PeerId::random();
    let waiting = memory.wait(&message("1", me, Some(bob))).unwrap();
    memory.forget_message(waiting.number).unwrap();
    assert_eq!(memory.next_waiting(bob).unwrap(), None);
    assert_eq!(memory.settle(waiting.number, State::Delivered, None, 1).unwrap(), None);
    assert!(matches!(memory.forget_message(waiting.number), Err(MemoryError::Nothing)));
}

#[test]
fn what_is_forgotten_is_gone_from_the_file() {
    let (folder, me) = on_disk();
    let (bob, ann) = (PeerId::random(), PeerId::random());
    let memory = open(&folder, me);
    let secret = "a very particular secret that nobody else would ever write";
    memory.receive(&ChatMessage { content: secret.into(), ..message("1", bob, Some(me)) }).unwrap();
    memory.receive(&message("2", ann, Some(me))).unwrap();
    memory.forget_conversation(Some(bob)).unwrap();
    assert_eq!((ids(&memory, Some(bob)).len(), ids(&memory, Some(ann)).len()), (0, 1));
    let left = |name: &str| std::fs::read(folder.path().join(name)).unwrap_or_default();
    for file in ["goop.db", "goop.db-wal"] {
        assert!(!left(file).windows(secret.len()).any(|bytes| bytes == secret.as_bytes()), "{file}");
    }
    memory.forget_all_conversations().unwrap();
    assert!(memory.conversations().unwrap().is_empty());
}

fn keep(favourite: bool) -> ContactChange {
    ContactChange { favourite: Some(favourite), ..ContactChange::default() }
}

fn block(blocked: bool) -> ContactChange {
    ContactChange { blocked: Some(blocked), ..ContactChange::default() }
}

#[test]
fn a_contact_is_kept_or_blocked_and_remembered() {
    let (folder, me) = on_disk();
    let bob = PeerId::random();
    let memory = open(&folder, me);
    assert!(memory.decide(bob, keep(true)).unwrap().favourite);
    let blocked = memory.decide(bob, block(true)).unwrap();
    assert!(blocked.blocked && !blocked.favourite && memory.is_blocked(&bob));
    assert!(open(&folder, me).is_blocked(&bob), "after a restart too");
    let kept = memory.decide(bob, keep(true)).unwrap();
    assert!(kept.favourite && !kept.blocked && !memory.is_blocked(&bob));
    memory.decide(bob, keep(false)).unwrap();
    assert!(memory.contacts().is_empty(), "nothing is remembered about whom nothing is decided");
}

#[test]
fn a_contact_stays_as_it_was_last_seen_and_strangers_are_not_noted() {
    let (folder, me) = on_disk();
    let (bob, eve) = (PeerId::random(), PeerId::random());
    let memory = open(&folder, me);
    memory.decide(bob, keep(true)).unwrap();
    let addrs = vec!["/ip4/10.0.0.1/tcp/4001".parse().unwrap(), "/ip6/fd00::1/udp/1/quic-v1".parse().unwrap()];
    let seen = Seen { label: "Bob".into(), avatar_hash: Some("ab".into()), addrs: addrs.clone(), at: UnixMillis(7) };
    assert!(memory.note_seen(&bob, &seen).unwrap());
    memory.keep_avatar(&bob, "ab", b"face").unwrap();
    memory.keep_avatar(&bob, "other", b"old face").unwrap();
    assert!(!memory.note_seen(&eve, &seen).unwrap());
    let again = open(&folder, me);
    let bob_then = again.contact(&bob);
    assert_eq!((bob_then.label.as_str(), bob_then.addrs, bob_then.last_seen), ("Bob", addrs, UnixMillis(7)));
    assert_eq!(again.avatar(&bob).unwrap().as_deref(), Some(&b"face"[..]));
    again.note_seen(&bob, &Seen { avatar_hash: Some("cd".into()), addrs: vec![], ..seen }).unwrap();
    assert_eq!(again.avatar(&bob).unwrap(), None, "the old face is not the new one");
    assert_eq!(again.contact(&bob).addrs.len(), 2, "where it was is not forgotten");
}

#[test]
fn favourites_are_bounded() {
    let (memory, _) = new_memory(Limits::default());
    (0..MAX_FAVOURITES).for_each(|_| drop(memory.decide(PeerId::random(), keep(true)).unwrap()));
    let one_more = PeerId::random();
    assert!(matches!(memory.decide(one_more, keep(true)), Err(MemoryError::TooMany { .. })));
    assert!(!memory.is_favourite(&one_more), "what was refused changed nothing");
    memory.decide(one_more, block(true)).unwrap();
}

#[test]
fn whom_the_owner_wrote_to_is_no_stranger() {
    let (memory, me) = new_memory(Limits::default());
    let (bob, eve) = (PeerId::random(), PeerId::random());
    memory.receive(&message("1", bob, Some(me))).unwrap();
    memory.receive(&message("1", eve, Some(me))).unwrap();
    assert!(!memory.knows(&bob).unwrap());
    memory.begin(&message("2", me, Some(bob))).unwrap();
    assert!(memory.knows(&bob).unwrap() && !memory.knows(&eve).unwrap());
}

#[derive(Debug, Clone)]
enum Act {
    Hear(usize, bool, u16),
    Say(usize, u16),
    Wait(usize, u16),
    Settle(u8),
    Read(usize, u8),
    Forget(u8),
    ForgetAll(usize),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..4_usize, any::<bool>(), 0..4000_u16).prop_map(|(who, all, length)| Act::Hear(who, all, length)),
        2 => (0..4_usize, 0..4000_u16).prop_map(|(who, length)| Act::Say(who, length)),
        1 => (0..4_usize, 0..4000_u16).prop_map(|(who, length)| Act::Wait(who, length)),
        2 => any::<u8>().prop_map(Act::Settle),
        1 => (0..4_usize, any::<u8>()).prop_map(|(who, number)| Act::Read(who, number)),
        1 => any::<u8>().prop_map(Act::Forget),
        1 => (0..4_usize).prop_map(Act::ForgetAll),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever happens, the counters say what is kept, and what is kept stays within its bounds but for what is on its way.
    #[test]
    fn the_memory_knows_what_it_keeps(acts in prop::collection::vec(act(), 0..60)) {
        let (memory, me) = new_memory(SMALL);
        let people: Vec<_> = (0..4).map(|_| PeerId::random()).collect();
        for (n, act) in acts.into_iter().enumerate() {
            let id = n.to_string();
            match act {
                Act::Hear(who, all, length) => {
                    let to = if all { None } else { Some(me) };
                    let community = (all && length % 2 == 0).then(|| CHESS.to_owned());
                    memory.receive(&ChatMessage { community, ..long(&id, people[who], to, length.into()) }).unwrap();
                }
                Act::Say(who, length) => drop(memory.begin(&long(&id, me, Some(people[who]), length.into())).unwrap()),
                Act::Wait(who, length) => drop(memory.wait(&long(&id, me, Some(people[who]), length.into())).unwrap()),
                Act::Settle(number) => {
                    if memory.message(number.into()).is_ok_and(|kept| kept.message.from == me) {
                        memory.settle(number.into(), State::Delivered, None, 1).unwrap();
                    }
                }
                Act::Read(who, number) => drop(memory.mark_read(Some(people[who]), number.into()).unwrap()),
                Act::Forget(number) => drop(memory.forget_message(number.into())),
                Act::ForgetAll(who) => drop(memory.forget_conversation(Some(people[who])).unwrap()),
            }
            check(&memory)?;
        }
    }
}

fn check(memory: &Memory) -> Result<(), TestCaseError> {
    for conversation in memory.conversations().unwrap() {
        let kept: Vec<Kept> = memory.page(conversation.with.clone(), None, MAX_PAGE).unwrap();
        prop_assert_eq!(kept.len() as u64, conversation.messages);
        let on_its_way = |kept: &Kept| matches!(kept.state, State::Waiting | State::Sending);
        let settled: Vec<_> = kept.iter().filter(|kept| !on_its_way(kept)).collect();
        prop_assert!(settled.len() <= SMALL.messages as usize);
        let (counted, seen): (i64, i64) = memory
            .read(|look| {
                let query = "SELECT bytes, seen FROM conversations WHERE peer = ?1";
                look.query_row(query, [key(&conversation.with)], |row| Ok((row.get(0)?, row.get(1)?)))
            })
            .unwrap();
        prop_assert_eq!(kept.iter().map(|kept| kept.message.cost() as i64).sum::<i64>(), counted);
        let unread = kept.iter().filter(|kept| kept.state == State::Received && kept.number > seen).count();
        prop_assert_eq!(unread as u64, conversation.unread);
    }
    Ok(())
}

mod transfers {
    use super::*;
    use crate::proto::transfer::{
        Direction, MAX_CLOSED, MAX_CLOSED_OF_STRANGERS, MAX_OFFERS_OF_A_PEER, MAX_OFFERS_OF_A_STRANGER, MAX_OFFERS_OF_STRANGERS, MAX_OPEN,
        Offer, State, Step,
    };

    fn offer(id: &str) -> Offer {
        Offer { id: id.into(), name: "a.txt".into(), size: 5, mime: String::new(), hash: "ab".repeat(32) }
    }

    fn offered(memory: &Memory, peer: PeerId, id: &str, known: bool) -> Result<i64, MemoryError> {
        memory.offered(peer, &offer(id), known, UnixMillis(1)).map(|(transfer, _)| transfer.number)
    }

    #[test]
    fn attack_a_thousand_offers_are_bounded_per_peer_of_strangers_and_in_all() {
        let (memory, _) = new_memory(Limits::default());
        let (friend, stranger) = (PeerId::random(), PeerId::random());
        let taken = |peer, known, count: u32| (0..count).filter(|n| offered(&memory, peer, &format!("offer-{n}"), known).is_ok()).count();
        assert_eq!(taken(stranger, false, 1000), MAX_OFFERS_OF_A_STRANGER as usize);
        assert_eq!(taken(friend, true, 1000), MAX_OFFERS_OF_A_PEER as usize);
        let strangers = (0..1000).filter(|_| offered(&memory, PeerId::random(), "offer-one", false).is_ok()).count();
        assert_eq!(strangers, (MAX_OFFERS_OF_STRANGERS - MAX_OFFERS_OF_A_STRANGER) as usize);
        let friends = (0..1000).filter(|_| offered(&memory, PeerId::random(), "offer-one", true).is_ok()).count();
        assert_eq!(friends, (MAX_OPEN - MAX_OFFERS_OF_A_PEER - MAX_OFFERS_OF_STRANGERS) as usize);
        assert!(matches!(offered(&memory, PeerId::random(), "offer-one", true), Err(MemoryError::TooMany { most: MAX_OPEN, .. })));
    }

    #[test]
    fn a_repeated_offer_is_one_offer_and_decisions_make_room() {
        let (memory, _) = new_memory(Limits::default());
        let stranger = PeerId::random();
        let first = offered(&memory, stranger, "offer-1", false).unwrap();
        assert_eq!(memory.offered(stranger, &offer("offer-1"), false, UnixMillis(2)).unwrap().0.number, first);
        for n in 2..=MAX_OFFERS_OF_A_STRANGER {
            offered(&memory, stranger, &format!("offer-{n}"), false).unwrap();
        }
        assert!(offered(&memory, stranger, "offer-x", false).is_err());
        memory.take_step(first, Step::Decline, &Outcome { tell: true, ..Outcome::default() }).unwrap().unwrap();
        offered(&memory, stranger, "offer-x", false).unwrap();
    }

    #[test]
    fn steps_are_taken_as_the_rules_allow_and_survive_a_restart() {
        let (folder, me) = on_disk();
        let bob = PeerId::random();
        let memory = open(&folder, me);
        let out = memory.to_send(bob, &offer("to-send-1"), "place", UnixMillis(1)).unwrap();
        assert_eq!((out.direction, out.state, out.place.as_deref()), (Direction::Out, State::Waiting, Some("place")));
        assert_eq!(memory.take_step(out.number, Step::Finish, &Outcome::default()).unwrap(), None);
        memory.take_step(out.number, Step::Tell, &Outcome::default()).unwrap().unwrap();
        let cancelled = memory.take_step(out.number, Step::Cancel, &Outcome { tell: true, ..Outcome::default() }).unwrap().unwrap();
        let again = open(&folder, me);
        assert_eq!(again.transfers_under_way().unwrap(), [cancelled], "the other side does not know yet");
        again.was_told(out.number).unwrap();
        assert!(again.transfers_under_way().unwrap().is_empty());
        assert!(again.transfer_of(&bob, "to-send-1", Direction::In).unwrap().is_none());
        assert_eq!(again.forget_transfer(out.number).unwrap().number, out.number);
        assert!(matches!(again.transfer(out.number), Err(MemoryError::Nothing)));
    }

    #[test]
    fn attack_offers_of_strangers_that_come_to_nothing_push_out_nothing_else() {
        let (memory, _) = new_memory(Limits::default());
        let ended = |peer, known, id: &str, steps: &[Step]| {
            let number = offered(&memory, peer, id, known).unwrap();
            steps.iter().for_each(|step| drop(memory.take_step(number, *step, &Outcome::default()).unwrap().unwrap()));
            number
        };
        let of_a_friend = ended(PeerId::random(), true, "friend", &[Step::Decline]);
        let taken = ended(PeerId::random(), false, "taken", &[Step::Accept, Step::Finish]);
        for n in 0..MAX_CLOSED + 20 {
            ended(PeerId::random(), false, &format!("offer-{n}"), &[if n % 2 == 0 { Step::Decline } else { Step::Cancel }]);
        }
        let kept: Vec<i64> = memory.transfers().unwrap().iter().map(|transfer| transfer.number).collect();
        assert!(kept.len() <= MAX_CLOSED_OF_STRANGERS as usize + 3, "{}", kept.len());
        assert!(kept.contains(&of_a_friend) && kept.contains(&taken), "what the owner had with friends, or took, stays");
    }

    #[test]
    fn what_ended_is_remembered_for_a_while() {
        let (memory, _) = new_memory(Limits::default());
        let friend = PeerId::random();
        for n in 0..MAX_CLOSED + 20 {
            let number = offered(&memory, friend, &format!("offer-{n}"), true).unwrap();
            memory.take_step(number, Step::Decline, &Outcome::default()).unwrap();
        }
        let kept = memory.transfers().unwrap();
        assert!(kept.len() <= MAX_CLOSED as usize + 1);
        assert_eq!(kept[0].offer.id, format!("offer-{}", MAX_CLOSED + 19));
    }
}
