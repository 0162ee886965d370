use super::*;
use crate::clock::UnixMillis;
use crate::proto::presence::snapshot::Snapshot;

const TTL: Duration = Duration::from_secs(20);

fn at(seconds: u64) -> Moment {
    Moment::from_millis(seconds * 1000)
}

fn says(peer: PeerId, label: &str, signed: bool) -> Presence {
    Presence { content: label.into(), signed, ..Presence::new(Kind::Update, peer, UnixMillis(1)) }
}

struct World {
    wan: Wan,
    table: PresenceTable,
    _tasks: Tasks,
    _stop: tokio_util::sync::DropGuard,
}

/// A peer with two servers that nobody answers for.
fn world() -> World {
    let stop = CancellationToken::new();
    let me = Me { key: Keypair::generate_ed25519(), shown: Shown::default(), heartbeat: TTL / 4, ttl: TTL };
    let table = PresenceTable::new(me.key.public().to_peer_id(), TTL);
    let urls = ["http://127.0.0.1:1", "http://127.0.0.1:1/c/chess"].map(|url| BaseUrl::parse(url).unwrap());
    let mut tasks = Tasks::default();
    let wan = Wan::start(&urls, me, &mut tasks, &stop);
    World { wan, table, _tasks: tasks, _stop: stop.drop_guard() }
}

impl World {
    fn take(&mut self, number: u16, news: News, now: Moment) -> Vec<Change> {
        self.wan.take(number, news, &mut self.table, now)
    }

    fn snapshot(&mut self, number: u16, complete: bool, peers: &[Presence], now: Moment) {
        self.take(number, News::Opened { changes_only: true, resumed: false }, now);
        self.take(number, News::Snapshot(Snapshot { complete, peers: peers.to_vec() }), now);
    }

    fn is_online(&mut self, peer: &PeerId, now: Moment) -> bool {
        self.wan.renew(&mut self.table, now);
        self.table.expire(now);
        self.table.get(peer).is_some_and(|row| row.online)
    }
}

#[tokio::test]
async fn a_quiet_peer_stays_as_long_as_a_server_vouches_for_it_and_then_for_its_ttl() {
    let (mut w, bob) = (world(), PeerId::random());
    w.snapshot(0, true, &[says(bob, "Bob", true)], at(0));
    assert!((0..600).all(|second| w.is_online(&bob, at(second))));
    w.take(0, News::Closed, at(600));
    assert!(w.is_online(&bob, at(612)));
    assert!(!w.is_online(&bob, at(620)));
}

#[tokio::test]
async fn a_server_that_is_left_takes_its_rows_along_and_disturbs_no_other() {
    let (mut w, alice, bob) = (world(), PeerId::random(), PeerId::random());
    w.snapshot(0, true, &[says(alice, "Alice", true), says(bob, "Bob", true)], at(0));
    w.snapshot(1, true, &[says(bob, "Bob", true)], at(0));
    let urls = ["http://127.0.0.1:1/c/chess", "http://127.0.0.1:1/c/go"].map(|url| BaseUrl::parse(url).unwrap());
    let left = w.wan.servers[&0].stop.clone();
    assert_eq!(w.wan.serve(&urls, &mut w.table, at(1)).len(), 1);
    assert!(left.is_cancelled() && !w.wan.servers[&1].stop.is_cancelled());
    assert!(!w.is_online(&alice, at(1)) && w.is_online(&bob, at(1)));
    assert_eq!(w.wan.status().iter().map(|status| status.name.as_str()).collect::<Vec<_>>(), ["127.0.0.1:1/c/chess", "127.0.0.1:1/c/go"]);
    assert!(w.take(0, News::Told(Box::new(says(alice, "Alice", true))), at(2)).is_empty(), "what it says later counts for nothing");
    assert!(w.wan.serve(&urls, &mut w.table, at(3)).is_empty());
    assert_eq!(w.wan.next, 3, "nobody was joined anew");
}

#[tokio::test]
async fn attack_servers_that_all_move_to_one_place_are_one_server_there() {
    let (mut w, go) = (world(), BaseUrl::parse("http://127.0.0.1:1/c/go").unwrap());
    let come = |w: &World, number: u16| w.wan.servers[&number].client.came_to(go.url().as_str());
    [0, 1].iter().for_each(|number| come(&w, *number));
    w.wan.serve(std::slice::from_ref(&go), &mut w.table, at(1));
    assert_eq!(w.wan.servers.keys().collect::<Vec<_>>(), [&0], "the first goes on undisturbed, the other is left");
    let chess = BaseUrl::parse("http://127.0.0.1:1/c/chess").unwrap();
    w.wan.serve(&[go.clone(), chess], &mut w.table, at(2));
    come(&w, 2);
    w.wan.serve(std::slice::from_ref(&go), &mut w.table, at(3));
    assert_eq!((w.wan.status().len(), w.wan.next), (1, 3));
}

#[tokio::test]
async fn attack_of_restart_amnesia_nobody_vanishes_from_the_list() {
    let (mut w, bob) = (world(), PeerId::random());
    w.snapshot(0, true, &[says(bob, "Bob", true)], at(0));
    w.take(0, News::Closed, at(1));
    w.snapshot(0, false, &[], at(2));
    assert!(w.is_online(&bob, at(5)));
    w.take(0, News::Told(Box::new(says(bob, "Bob", true))), at(6));
    assert!(w.is_online(&bob, at(100)));
}

#[tokio::test]
async fn one_server_that_loses_a_peer_does_not_silence_another() {
    let (mut w, bob) = (world(), PeerId::random());
    w.snapshot(0, true, &[says(bob, "Bob", true)], at(0));
    w.snapshot(1, true, &[says(bob, "Bob", true)], at(0));
    w.table.apply(Source::Lan, &says(bob, "Bob", true), at(0));
    w.take(0, News::Told(Box::new(Presence::new(Kind::Offline, bob, UnixMillis(2)))), at(1));
    w.snapshot(0, true, &[], at(2));
    assert!(w.is_online(&bob, at(60)));
    let names: Vec<String> = w.table.get(&bob).unwrap().sources().map(|source| w.wan.name(source)).collect();
    assert_eq!(names, ["127.0.0.1:1/c/chess"]);
    w.snapshot(1, true, &[], at(61));
    assert!(!w.is_online(&bob, at(61)));
}

#[tokio::test]
async fn attack_an_unsigned_message_renames_nobody_who_signs() {
    let (mut w, bob) = (world(), PeerId::random());
    w.take(1, News::Told(Box::new(says(bob, "Bob", true))), at(0));
    for second in 1..100 {
        w.take(0, News::Told(Box::new(says(bob, "Mallory", false))), at(second));
    }
    let row = w.table.get(&bob).unwrap();
    assert_eq!((row.presence.content.as_str(), row.presence.signed), ("Bob", true));
    w.take(0, News::Told(Box::new(says(bob, "Robert", true))), at(101));
    assert_eq!(w.table.get(&bob).unwrap().presence.content, "Robert");
}

#[tokio::test]
async fn attack_a_flood_of_strangers_leaves_room_for_the_lan() {
    let mut w = world();
    for number in [0, 1] {
        let crowd: Vec<Presence> = (0..MAX_ROWS).map(|_| says(PeerId::random(), "x", true)).collect();
        w.snapshot(number, true, &crowd, at(0));
    }
    assert_eq!(w.table.len(), MAX_ROWS - LAN_ROOM);
    assert!(w.table.apply(Source::Lan, &says(PeerId::random(), "Neighbour", true), at(1)).is_some());
}

#[tokio::test]
async fn attack_addresses_that_nobody_signed_are_not_dialled() {
    let (mut w, bob) = (world(), PeerId::random());
    let with = |signed| Presence { addrs: vec!["/ip4/45.45.45.1/tcp/1".parse().unwrap()], ..says(bob, "Bob", signed) };
    w.take(0, News::Told(Box::new(with(false))), at(0));
    assert!(Wan::addresses(w.table.get(&bob).unwrap(), |_| true, true).is_empty());
    w.take(0, News::Told(Box::new(with(true))), at(1));
    assert_eq!(Wan::addresses(w.table.get(&bob).unwrap(), |_| true, true).len(), 1);
}
