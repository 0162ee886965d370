//! The table against a manual clock, and against a model that keeps everything and looks at everything.

use std::collections::BTreeMap;

use libp2p::Multiaddr;
use proptest::prelude::*;

use super::*;
use crate::clock::UnixMillis;

const TTL: Duration = Duration::from_secs(20);
const LAN: Source = Source::Lan;
const HUB: Source = Source::Rendezvous(0);

fn at(seconds: u64) -> Moment {
    Moment::from_millis(seconds * 1000)
}

fn table() -> PresenceTable {
    PresenceTable::new(PeerId::random(), TTL)
}

fn says(kind: Kind, peer: PeerId, label: &str) -> Presence {
    Presence { content: label.into(), ..Presence::new(kind, peer, UnixMillis(1)) }
}

fn update(peer: PeerId) -> Presence {
    says(Kind::Update, peer, "x")
}

fn offline(peer: PeerId) -> Presence {
    Presence::new(Kind::Offline, peer, UnixMillis(1))
}

#[test]
fn an_update_from_a_stranger_means_online() {
    let (mut table, bob) = (table(), PeerId::random());
    assert!(matches!(table.apply(LAN, &update(bob), at(0)), Some(Change::Online(row)) if row.online && row.presence.peer == bob));
    assert_eq!((table.len(), table.online()), (1, 1));
}

#[test]
fn a_heartbeat_that_changes_nothing_yields_nothing_but_is_remembered() {
    let (mut table, bob) = (table(), PeerId::random());
    table.apply(LAN, &update(bob), at(0));
    let later = Presence { ts: UnixMillis(99), ..says(Kind::Online, bob, "x") };
    assert_eq!(table.apply(LAN, &later, at(15)), None);
    assert_eq!(table.expire(at(34)), []);
    assert_eq!(table.get(&bob).unwrap().last_seen, at(15));
    assert!(matches!(table.expire(at(35))[..], [Change::Offline(_)]));
}

#[test]
fn a_new_label_is_an_update() {
    let (mut table, bob) = (table(), PeerId::random());
    table.apply(LAN, &says(Kind::Online, bob, "Bob"), at(0));
    let change = table.apply(LAN, &says(Kind::Update, bob, "Robert"), at(5));
    assert!(matches!(change, Some(Change::Updated(row)) if row.presence.content == "Robert"));
}

#[test]
fn an_offline_message_takes_a_row_offline_and_keeps_what_it_said() {
    let (mut table, bob) = (table(), PeerId::random());
    table.apply(LAN, &says(Kind::Online, bob, "Bob"), at(0));
    let change = table.apply(LAN, &offline(bob), at(1));
    assert!(matches!(change, Some(Change::Offline(row)) if !row.online && row.presence.content == "Bob"));
    assert_eq!(table.apply(LAN, &offline(bob), at(2)), None, "once");
    assert_eq!(table.apply(LAN, &offline(PeerId::random()), at(2)), None, "a stranger's farewell makes no row");
    assert_eq!((table.len(), table.online()), (1, 0));
}

#[test]
fn an_update_that_comes_late_does_not_bring_back_who_has_left() {
    let (mut table, bob) = (table(), PeerId::random());
    table.apply(LAN, &update(bob), at(0));
    table.apply(LAN, &offline(bob), at(10));
    assert_eq!(table.apply(LAN, &update(bob), at(11)), None);
    assert!(matches!(table.apply(LAN, &update(bob), at(12)), Some(Change::Online(_))), "the next heartbeat does");
    table.apply(LAN, &offline(bob), at(20));
    assert!(matches!(table.apply(LAN, &says(Kind::Online, bob, "x"), at(20)), Some(Change::Online(_))), "a restart does");
}

#[test]
fn another_fresh_source_keeps_a_row_online() {
    let (mut table, bob) = (table(), PeerId::random());
    table.apply(LAN, &update(bob), at(0));
    table.apply(HUB, &update(bob), at(10));
    assert_eq!(table.apply(LAN, &offline(bob), at(11)), None);
    assert_eq!(table.get(&bob).unwrap().sources().collect::<Vec<_>>(), [HUB]);
    assert_eq!(table.expire(at(29)), []);
    assert!(matches!(table.expire(at(30))[..], [Change::Offline(_)]));
}

#[test]
fn a_silent_source_lapses_by_itself() {
    let (mut table, bob) = (table(), PeerId::random());
    table.apply(LAN, &update(bob), at(0));
    table.apply(HUB, &update(bob), at(10));
    assert_eq!(table.expire(at(20)), []);
    assert_eq!(table.get(&bob).unwrap().sources().collect::<Vec<_>>(), [HUB]);
}

#[test]
fn attack_a_rendezvous_cannot_rename_whom_the_lan_hears() {
    let (mut table, bob) = (table(), PeerId::random());
    table.apply(LAN, &says(Kind::Online, bob, "Bob"), at(0));
    assert_eq!(table.apply(HUB, &says(Kind::Update, bob, "Mallory"), at(1)), None);
    assert_eq!(table.get(&bob).unwrap().presence.content, "Bob");
    table.expire(at(20));
    assert_eq!(table.get(&bob).unwrap().presence.content, "Mallory", "once the LAN has fallen silent the rendezvous speaks");
}

fn signed(peer: PeerId, label: &str, since: u64) -> Presence {
    Presence { signed: true, since: UnixMillis(since), ..says(Kind::Update, peer, label) }
}

const ONE: Source = Source::Rendezvous(1);

fn said(table: &PresenceTable, peer: &PeerId) -> String {
    table.get(peer).unwrap().presence.content.clone()
}

#[test]
fn attack_a_server_that_strips_signatures_is_outdone_by_any_other() {
    let (mut table, bob) = (table(), PeerId::random());
    table.apply(HUB, &says(Kind::Update, bob, "Mallory"), at(0));
    assert!(matches!(table.apply(ONE, &signed(bob, "Bob", 5), at(1)), Some(Change::Updated(row)) if row.presence.signed));
    assert_eq!(table.apply(HUB, &says(Kind::Update, bob, "Mallory"), at(2)), None);
    table.apply(ONE, &offline(bob), at(3));
    assert_eq!(table.apply(HUB, &says(Kind::Update, bob, "Mallory"), at(90)), None);
    assert_eq!(said(&table, &bob), "Bob");
}

#[test]
fn attack_a_server_that_holds_a_change_back_is_outdone_by_any_other() {
    let (mut table, bob) = (table(), PeerId::random());
    table.apply(HUB, &signed(bob, "Bob", 5), at(0));
    assert!(table.apply(ONE, &signed(bob, "Robert", 6), at(1)).is_some());
    assert_eq!(table.apply(HUB, &signed(bob, "Bob", 5), at(2)), None, "told again");
    assert_eq!(said(&table, &bob), "Robert");
}

#[test]
fn when_the_best_source_falls_silent_the_next_one_decides() {
    let (mut table, bob) = (table(), PeerId::random());
    let addr: Multiaddr = "/ip4/45.45.45.1/tcp/1".parse().unwrap();
    table.apply(LAN, &signed(bob, "Bob at home", 0), at(0));
    let away = Presence { addrs: vec![addr.clone()], ..signed(bob, "Bob away", 5) };
    assert_eq!(table.apply(HUB, &away, at(10)), None);
    assert_eq!(
        table.get(&bob).unwrap().signed_addrs(),
        std::slice::from_ref(&addr),
        "where he can be dialled is known though the LAN speaks"
    );
    assert!(matches!(&table.expire(at(20))[..], [Change::Updated(row)] if row.presence.content == "Bob away"));
    table.apply(LAN, &signed(bob, "Bob at home", 0), at(21));
    assert!(matches!(table.apply(LAN, &offline(bob), at(22)), Some(Change::Updated(row)) if row.presence.content == "Bob away"));
    table.apply(ONE, &signed(bob, "Bob before", 4), at(23));
    table.apply(HUB, &offline(bob), at(24));
    assert_eq!(said(&table, &bob), "Bob before");
}

#[test]
fn of_many_sources_the_best_are_noted() {
    let (mut table, bob) = (table(), PeerId::random());
    for number in 0..40 {
        table.apply(Source::Rendezvous(number), &signed(bob, "Bob", 5), at(0));
    }
    table.apply(LAN, &signed(bob, "Bob at home", 0), at(0));
    let noted: Vec<Source> = table.get(&bob).unwrap().sources().collect();
    assert!(noted.len() == MAX_SOURCES && noted.contains(&LAN) && noted.contains(&HUB), "{noted:?}");
    assert_eq!(said(&table, &bob), "Bob at home");
}

#[test]
fn attack_nothing_that_a_server_tells_outdoes_the_lan() {
    let (mut table, bob) = (table(), PeerId::random());
    table.apply(HUB, &signed(bob, "Bob", 900), at(0));
    assert!(table.apply(LAN, &signed(bob, "Bob of the house", 0), at(1)).is_some());
    assert_eq!(table.apply(HUB, &signed(bob, "Bob", 901), at(2)), None);
    assert_eq!(said(&table, &bob), "Bob of the house");
}

#[test]
fn forgetting_a_source_takes_offline_only_what_it_alone_heard() {
    let (mut table, both, one) = (table(), PeerId::random(), PeerId::random());
    table.apply(LAN, &update(both), at(0));
    table.apply(HUB, &update(both), at(0));
    table.apply(HUB, &update(one), at(0));
    let changes = table.forget_source(HUB, at(1));
    assert!(matches!(&changes[..], [Change::Offline(row)] if row.presence.peer == one));
    assert!(table.get(&both).unwrap().online);
    assert!(matches!(table.apply(HUB, &update(one), at(1)), Some(Change::Online(_))), "it may come back at once");
}

#[test]
fn an_offline_row_is_remembered_a_quarter_of_an_hour_and_then_forgotten() {
    let (mut table, bob) = (table(), PeerId::random());
    table.apply(LAN, &update(bob), at(0));
    table.apply(LAN, &offline(bob), at(5));
    let due = at(5) + REMEMBERED;
    assert_eq!(table.next_expiry(), Some(due));
    assert_eq!(table.expire(at(5 + 899)), []);
    assert_eq!(table.expire(due), [Change::Forgotten(bob)]);
    assert!(table.is_empty() && table.next_expiry().is_none());
}

#[test]
fn a_full_table_drops_who_is_gone_longest_and_then_refuses_strangers() {
    let mut table = PresenceTable::with_capacity(PeerId::random(), TTL, 3);
    let [a, b, c, d, e] = std::array::from_fn(|_| PeerId::random());
    for (n, peer) in [a, b, c].into_iter().enumerate() {
        table.apply(LAN, &update(peer), at(n as u64));
    }
    assert_eq!(table.apply(LAN, &update(d), at(3)), None, "all are online");
    table.apply(LAN, &offline(b), at(4));
    table.apply(LAN, &offline(a), at(5));
    assert!(matches!(table.apply(LAN, &update(d), at(6)), Some(Change::Online(_))));
    assert!(table.get(&b).is_none() && table.get(&a).is_some());
    assert_eq!(table.next_expiry(), Some(Moment::START), "there is something to tell");
    assert_eq!(table.expire(at(6)), [Change::Forgotten(b)]);
    assert!(table.apply(LAN, &update(e), at(7)).is_some());
    assert_eq!(table.len(), 3);
}

#[test]
fn attack_a_flood_of_strangers_leaves_the_table_bounded_and_everybody_known_in_it() {
    let mut table = PresenceTable::with_capacity(PeerId::random(), TTL, 50);
    let friends: Vec<PeerId> = (0..40).map(|_| PeerId::random()).collect();
    for n in 0..2000 {
        friends.iter().for_each(|friend| drop(table.apply(LAN, &update(*friend), at(n / 100))));
        table.apply(LAN, &update(PeerId::random()), at(n / 100));
        assert!(table.len() <= 50 && table.online.len() + table.offline.len() == table.len());
    }
    assert!(friends.iter().all(|friend| table.get(friend).unwrap().online));
}

#[test]
fn nobody_has_a_row_in_their_own_table() {
    let me = PeerId::random();
    let mut table = PresenceTable::new(me, TTL);
    assert_eq!(table.apply(HUB, &update(me), at(0)), None);
    assert!(table.is_empty());
}

/// What the table should hold, computed the slow way.
#[derive(Default)]
struct Model {
    heard: BTreeMap<usize, BTreeMap<Source, Moment>>,
    parted: BTreeMap<usize, Moment>,
}

impl Model {
    fn online(&self, peer: usize, now: Moment) -> bool {
        self.heard.get(&peer).is_some_and(|heard| heard.values().any(|seen| *seen + TTL > now))
    }

    fn apply(&mut self, source: Source, peer: usize, kind: Kind, now: Moment) {
        let was = self.online(peer, now);
        let heard = self.heard.entry(peer).or_default();
        heard.retain(|_, seen| *seen + TTL > now);
        match kind {
            Kind::Offline => {
                heard.remove(&source);
                if was && heard.is_empty() {
                    self.parted.insert(peer, now);
                }
            }
            Kind::Update if !was && self.parted.get(&peer).is_some_and(|parted| now.since(*parted) < LATE_UPDATE) => {}
            _ => {
                heard.insert(source, now);
                self.parted.remove(&peer);
            }
        }
    }
}

fn step() -> impl Strategy<Value = (u64, usize, Source, Kind)> {
    let source = prop_oneof![Just(LAN), Just(HUB), Just(Source::Rendezvous(1))];
    let kind = prop_oneof![Just(Kind::Online), Just(Kind::Update), Just(Kind::Update), Just(Kind::Offline)];
    (0..9000u64, 0..4usize, source, kind)
}

#[test]
fn attack_a_table_full_of_made_up_peers_still_takes_in_who_is_near() {
    let mut table = PresenceTable::with_capacity(PeerId::random(), TTL, 3);
    let (near, late) = (PeerId::random(), PeerId::random());
    table.apply(LAN, &update(near), at(0));
    for second in 1..9 {
        table.apply(LAN, &update(PeerId::random()), at(second));
    }
    assert_eq!(table.apply(LAN, &update(late), at(9)), None, "refused as long as it is a stranger");
    let is_near = |peer: &PeerId| [near, late].contains(peer);
    assert!(matches!(table.make_room(&late, is_near, at(9)), Some(Change::Offline(row)) if row.presence.peer != near));
    assert!(matches!(table.apply(LAN, &update(late), at(9)), Some(Change::Online(_))));
    assert_eq!((table.len(), table.online()), (3, 3));
    assert!(table.get(&near).is_some() && matches!(table.expire(at(9))[..], [Change::Forgotten(_)]));
    assert_eq!(table.make_room(&PeerId::random(), |_| true, at(9)), None, "nobody near is displaced");
}

proptest! {
    /// Five servers, one of them honest, which tells everything: whatever the others hold back, repeat or strip, in whatever order, in the
    /// end the row says what the peer said last.
    #[test]
    fn one_honest_server_is_enough(steps in proptest::collection::vec((0..5u16, 0..20u64, any::<bool>()), 0..60), honest in 0..5u16) {
        let (mut table, bob) = (table(), PeerId::random());
        let (mut revision, mut told) = (1, [1; 5]);
        table.apply(Source::Rendezvous(honest), &signed(bob, "1", 1), at(0));
        for (number, back, strips) in steps {
            let source = Source::Rendezvous(number);
            if number == honest {
                revision += 1;
                table.apply(source, &signed(bob, &revision.to_string(), revision), at(1));
            } else if strips {
                table.apply(source, &says(Kind::Update, bob, "Mallory"), at(1));
            } else {
                // Of one server what is older than what it has told was dropped before.
                let old = &mut told[usize::from(number)];
                *old = revision.saturating_sub(back).max(*old);
                table.apply(source, &signed(bob, &old.to_string(), *old), at(1));
            }
            prop_assert_eq!(said(&table, &bob), revision.to_string());
        }
    }

    /// Changes alternate for each peer, the online set is that of the model, and no wake-up is missed.
    #[test]
    fn the_table_agrees_with_a_model_that_forgets_nothing(steps in proptest::collection::vec(step(), 1..120)) {
        let peers: Vec<PeerId> = (0..4).map(|_| PeerId::random()).collect();
        let (mut table, mut model, mut now) = (table(), Model::default(), 0);
        let mut shown = [false; 4];
        for (pause, n, source, kind) in steps {
            now += pause;
            let moment = Moment::from_millis(now);
            let mut changes = table.expire(moment);
            model.apply(source, n, kind, moment);
            changes.extend(table.apply(source, &says(kind, peers[n], "x"), moment));
            for change in changes {
                let (peer, online) = match change {
                    Change::Online(row) => (row.presence.peer, true),
                    Change::Offline(row) => (row.presence.peer, false),
                    other => return Err(TestCaseError::fail(format!("unexpected {other:?}"))),
                };
                let who = peers.iter().position(|p| *p == peer).unwrap();
                prop_assert_ne!(shown[who], online);
                shown[who] = online;
            }
            for (who, shown) in shown.iter().enumerate() {
                prop_assert_eq!(*shown, model.online(who, moment), "peer {} at {}", who, now);
            }
            prop_assert!(table.next_expiry().is_none_or(|due| due > moment));
            prop_assert_eq!(table.online.len() + table.offline.len(), table.len());
        }
    }
}
