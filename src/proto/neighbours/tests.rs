//! Who is dialled when, step by step on a manual clock.

use super::*;

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

/// `n` peer ids in ascending order.
fn ids(n: usize) -> Vec<PeerId> {
    let mut ids: Vec<PeerId> = (0..n).map(|_| PeerId::random()).collect();
    ids.sort_unstable();
    ids
}

fn addr(port: u16) -> Multiaddr {
    format!("/ip4/10.0.0.1/tcp/{port}").parse().unwrap()
}

fn ours(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V4(v4) if v4.octets()[0] == 10)
}

/// Every peer has a host of its own.
fn home(peer: &PeerId) -> Multiaddr {
    let id = peer.to_bytes();
    format!("/ip4/10.{}.{}.{}/tcp/1", id[id.len() - 1], id[id.len() - 2], id[id.len() - 3]).parse().unwrap()
}

/// The first of the ids, so that it dials everybody at once.
fn lowest(ids: &[PeerId]) -> Neighbours {
    Neighbours::new(ids[0], 7, at(0))
}

/// What `busy` must be.
fn is_sound(neighbours: &Neighbours) -> bool {
    let busy = neighbours.known.iter().filter(|(_, known)| !known.is_idle()).map(|(peer, _)| peer);
    busy.eq(&neighbours.busy)
}

fn find(neighbours: &mut Neighbours, peer: PeerId, now: u64) -> bool {
    neighbours.found(peer, &[home(&peer)], ours, at(now))
}

fn find_all(neighbours: &mut Neighbours, peers: &[PeerId], now: u64) {
    assert!(peers.iter().all(|peer| find(neighbours, *peer, now)));
}

fn dialled(neighbours: &mut Neighbours, now: u64) -> Vec<PeerId> {
    neighbours.poll(|_| true, at(now)).into_iter().map(|dial| dial.peer).collect()
}

/// A neighbour that we dialled at zero and reached.
fn neighbour(neighbours: &mut Neighbours, peer: PeerId) {
    find(neighbours, peer, 0);
    neighbours.connected(peer, Some(&home(&peer)), at(0));
}

/// When `peer` is dialled until `until`, if every dial of it fails after `takes`.
fn failing_dials(neighbours: &mut Neighbours, from: u64, until: u64, takes: u64) -> Vec<u64> {
    let (mut now, mut dials) = (from, Vec::new());
    loop {
        assert!(is_sound(neighbours));
        for dial in neighbours.poll(|_| true, at(now)) {
            dials.push(now);
            neighbours.dial_failed(&dial.peer, at(now + takes));
        }
        let wake = neighbours.next_wakeup().map(|wake| wake.since(Moment::START).as_millis() as u64);
        match wake.filter(|wake| *wake <= until) {
            Some(wake) => now = wake.max(now + 1),
            None => return dials,
        }
    }
}

#[test]
fn of_two_peers_the_lower_dials_at_once_and_the_higher_a_little_later() {
    let ids = ids(2);
    let (mut low, mut high) = (Neighbours::new(ids[0], 1, at(0)), Neighbours::new(ids[1], 2, at(0)));
    find(&mut low, ids[1], 0);
    find(&mut high, ids[0], 0);
    assert_eq!(dialled(&mut low, 0), [ids[1]]);
    assert_eq!(dialled(&mut high, 0), []);
    assert_eq!(high.next_wakeup(), Some(at(0) + COURTESY));
    assert_eq!(dialled(&mut high, 500), [ids[0]]);
}

#[test]
fn who_was_reached_meanwhile_is_not_dialled() {
    let ids = ids(2);
    let mut high = Neighbours::new(ids[1], 2, at(0));
    find(&mut high, ids[0], 0);
    high.connected(ids[0], None, at(30));
    assert_eq!(failing_dials(&mut high, 30, 60_000, 1), [0; 0]);
    assert_eq!(high.len(), 1);
}

#[test]
fn a_small_lan_is_dialled_whole_sixteen_at_a_time() {
    let ids = ids(25);
    let mut me = lowest(&ids);
    find_all(&mut me, &ids[1..], 0);
    let first = dialled(&mut me, 0);
    assert_eq!(first.len(), MAX_DIALS);
    first.iter().for_each(|peer| me.connected(*peer, Some(&home(peer)), at(5)));
    assert_eq!(dialled(&mut me, 5).len(), 24 - MAX_DIALS);
}

#[test]
fn on_a_big_lan_a_dozen_are_chosen_and_the_rest_left() {
    let ids = ids(200);
    let mut me = lowest(&ids);
    find_all(&mut me, &ids[1..], 0);
    let chosen = dialled(&mut me, 0);
    assert_eq!(chosen.len(), DIALLED_ON_A_BIG_LAN);
    chosen.iter().for_each(|peer| me.connected(*peer, Some(&home(peer)), at(5)));
    assert_eq!(failing_dials(&mut me, 5, 600_000, 1), [0; 0]);
    me.disconnected(&chosen[0], Ended::OnPurpose, at(600_000));
    assert_eq!(dialled(&mut me, 600_000), [chosen[0]], "the next best, which it is itself");
}

#[test]
fn two_peers_prefer_different_strangers() {
    let ids = ids(200);
    let choice = |salt| {
        let mut me = Neighbours::new(ids[0], salt, at(0));
        find_all(&mut me, &ids[1..], 0);
        dialled(&mut me, 0)
    };
    assert_ne!(choice(1), choice(2));
}

#[test]
fn connections_that_others_made_count() {
    let ids = ids(60);
    let mut me = lowest(&ids);
    ids[1..25].iter().for_each(|peer| me.connected(*peer, None, at(0)));
    find_all(&mut me, &ids[25..], 1);
    assert_eq!(dialled(&mut me, 1), []);
    assert_eq!(me.len(), MAX_LAN_NEIGHBOURS);
}

#[test]
fn a_stranger_that_gossip_does_not_name_is_dialled_by_a_full_peer_too() {
    let ids = ids(26);
    let mut me = lowest(&ids);
    ids[1..25].iter().for_each(|peer| me.connected(*peer, None, at(0)));
    find(&mut me, ids[25], 1000);
    assert_eq!(failing_dials(&mut me, 1000, 60_000, 1), [0; 0], "gossip names it");
    let mut now = at(60_000);
    while me.poll(|_| false, now).is_empty() {
        now = me.next_wakeup().unwrap();
    }
    let waited = now.since(at(60_000));
    assert!(waited >= UNHEARD && waited <= UNHEARD + UNHEARD_SPREAD + SURVEY, "{waited:?}");
}

#[test]
fn a_lost_neighbour_is_redialled_for_an_hour_and_then_when_it_is_found() {
    let ids = ids(2);
    let mut me = lowest(&ids);
    neighbour(&mut me, ids[1]);
    me.disconnected(&ids[1], Ended::Lost, at(1000));
    let dials = failing_dials(&mut me, 1000, 3 * 3_600_000, 1500);
    assert_eq!(dials[..4], [1500, 3500, 5500, 7500]);
    assert!(dials.windows(2).all(|pair| pair[1] - pair[0] == 2000), "alone it is redialled every two seconds");
    assert!((3_596_000..3_604_000).contains(dials.last().unwrap()));
    find(&mut me, ids[1], 3 * 3_600_000);
    assert_eq!(dialled(&mut me, 3 * 3_600_000), [ids[1]]);
}

#[test]
fn the_attempts_of_two_that_lost_each_other_alternate() {
    let ids = ids(2);
    let mut high = Neighbours::new(ids[1], 1, at(0));
    neighbour(&mut high, ids[0]);
    high.disconnected(&ids[0], Ended::Lost, at(1000));
    assert_eq!(failing_dials(&mut high, 1000, 7000, 1500), [2500, 4500, 6500]);
}

#[test]
fn many_lost_neighbours_share_the_line_and_one_that_returns_brings_all_forward() {
    let ids = ids(25);
    let mut me = lowest(&ids);
    ids[1..].iter().for_each(|peer| neighbour(&mut me, *peer));
    ids[1..].iter().for_each(|peer| me.disconnected(peer, Ended::Lost, at(0)));
    let dials = failing_dials(&mut me, 0, 20 * 60_000, 1500);
    let early = dials.iter().filter(|dial| **dial < 60_000).count();
    let late = dials.iter().filter(|dial| (660_000..720_000).contains(*dial)).count();
    assert!((400..=500).contains(&early), "eight a second: {early}");
    assert!((60..=110).contains(&late), "more than one a second: {late}");
    let back = 20 * 60_000 + 10_000;
    me.connected(ids[3], Some(&home(&ids[3])), at(back));
    assert_eq!(dialled(&mut me, back).len(), MAX_LOST_DIALS);
}

#[test]
fn newcomers_are_dialled_while_many_are_lost() {
    let ids = ids(40);
    let mut me = lowest(&ids);
    ids[1..25].iter().for_each(|peer| neighbour(&mut me, *peer));
    ids[1..25].iter().for_each(|peer| me.disconnected(peer, Ended::Lost, at(0)));
    find_all(&mut me, &ids[25..], 3000);
    let dials = dialled(&mut me, 3000);
    assert_eq!(dials.len(), MAX_DIALS);
    assert_eq!(dials.iter().filter(|peer| ids[25..].contains(peer)).count(), MAX_DIALS - MAX_LOST_DIALS);
}

#[test]
fn a_changed_interface_redials_all_lost_ones_at_once() {
    let ids = ids(3);
    let mut me = lowest(&ids);
    neighbour(&mut me, ids[1]);
    me.disconnected(&ids[1], Ended::Lost, at(0));
    failing_dials(&mut me, 0, 2 * 3_600_000, 100);
    find(&mut me, ids[2], 2 * 3_600_000);
    let dials = failing_dials(&mut me, 2 * 3_600_000, 2 * 3_600_000 + 1_000_000, 100);
    assert!(dials.len() > 5 && dials.windows(2).next_back().unwrap()[1] - dials[dials.len() - 2] >= 60_000);
    let now = 3 * 3_600_000 + 1;
    me.interface_changed(at(now));
    let mut dials = dialled(&mut me, now);
    dials.sort_unstable();
    assert_eq!(dials, ids[1..]);
}

#[test]
fn who_does_not_answer_is_redialled_although_connected_until_it_does() {
    let ids = ids(2);
    let mut me = lowest(&ids);
    neighbour(&mut me, ids[1]);
    me.suspect(&ids[1], at(1000));
    assert_eq!(me.len(), 0);
    let dials = me.poll(|_| true, at(1500));
    assert_eq!((dials.len(), dials[0].condition), (1, Condition::Always));
    me.dial_failed(&ids[1], at(3000));
    me.alive(&ids[1]);
    assert_eq!((me.len(), failing_dials(&mut me, 3000, 60_000, 1)), (1, vec![]));
    me.suspect(&ids[1], at(70_000));
    me.disconnected(&ids[1], Ended::Lost, at(70_100));
    assert_eq!(me.poll(|_| true, at(70_500))[0].condition, Condition::Disconnected);
}

#[test]
fn who_said_goodbye_is_not_missed() {
    let ids = ids(4);
    let mut me = lowest(&ids);
    ids[1..].iter().for_each(|peer| neighbour(&mut me, *peer));
    me.goodbye(&ids[1]);
    me.disconnected(&ids[1], Ended::Lost, at(10));
    me.disconnected(&ids[2], Ended::Lost, at(10));
    me.goodbye(&ids[2]);
    me.disconnected(&ids[3], Ended::Lost, at(10));
    me.lapsed(&ids[3], at(1010));
    assert_eq!(failing_dials(&mut me, 10, 60_000, 1), [0; 0]);
    assert!(me.known.is_empty() && me.busy.is_empty());
}

#[test]
fn who_said_goodbye_and_returned_is_missed_again() {
    let ids = ids(2);
    let mut me = lowest(&ids);
    neighbour(&mut me, ids[1]);
    me.goodbye(&ids[1]);
    me.returned(&ids[1]);
    me.disconnected(&ids[1], Ended::Lost, at(10));
    assert_eq!(failing_dials(&mut me, 10, 1000, 1), [510]);
}

#[test]
fn a_record_that_lapses_during_an_outage_does_not_end_the_search() {
    let ids = ids(2);
    let mut me = lowest(&ids);
    neighbour(&mut me, ids[1]);
    me.lapsed(&ids[1], at(500));
    me.disconnected(&ids[1], Ended::Lost, at(1000));
    me.lapsed(&ids[1], at(121_000));
    assert_eq!(failing_dials(&mut me, 121_000, 125_000, 1).len(), 3);
}

#[test]
fn attack_mdns_that_repeats_itself_does_not_shorten_the_backoff() {
    let ids = ids(2);
    let mut me = lowest(&ids);
    let mut dials = Vec::new();
    for now in (0..300_000).step_by(100) {
        me.found(ids[1], &[addr(1 + (now / 100) as u16)], ours, at(now));
        for dial in me.poll(|_| false, at(now)) {
            me.dial_failed(&dial.peer, at(now));
            dials.push(now);
        }
    }
    assert_eq!(dials, [0, 1000, 3000, 7000, 15_000, 31_000, 63_000, 123_000, 183_000, 243_000]);
}

#[test]
fn attack_an_mdns_flood_is_bounded_in_peers_and_in_dials() {
    let mut me = Neighbours::new(PeerId::random(), 3, at(0));
    let taken = (0..5000).filter(|_| find(&mut me, PeerId::random(), 0)).count();
    assert_eq!(taken, 256);
    let taken = (1..=60_000).step_by(20).filter(|now| find(&mut me, PeerId::random(), *now)).count();
    assert!((63..=65).contains(&taken), "{taken} in a minute");
    assert!(me.poll(|_| false, at(60_000)).len() <= MAX_DIALS);
    assert!(me.poll(|_| false, at(60_001)).is_empty(), "all are under way");
}

#[test]
fn attack_a_long_flood_displaces_only_who_failed() {
    let strangers = ids(220);
    let ids = ids(30);
    let mut me = lowest(&ids);
    ids[1..].iter().for_each(|peer| neighbour(&mut me, *peer));
    let silent = PeerId::random();
    me.found(silent, &[addr(2)], ours, at(0));
    find_all(&mut me, &strangers, 0);
    for second in 1..900 {
        find(&mut me, PeerId::random(), second * 1000);
        for dial in me.poll(|_| true, at(second * 1000)) {
            me.dial_failed(&dial.peer, at(second * 1000));
        }
    }
    assert_eq!(me.known.len(), MAX_KNOWN);
    assert!(me.len() == 29 && me.known.contains_key(&silent));
    let friend = PeerId::random();
    me.connected(friend, None, at(900_000));
    assert!(me.known.contains_key(&friend) && me.known.len() == MAX_KNOWN, "who is connected is always known");
}

#[test]
fn a_dial_that_was_never_reported_counts_as_failed() {
    let ids = ids(2);
    let mut me = lowest(&ids);
    find(&mut me, ids[1], 0);
    assert_eq!(dialled(&mut me, 0), [ids[1]]);
    assert_eq!(dialled(&mut me, 9_999), []);
    assert_eq!(me.next_wakeup(), Some(at(0) + DIAL_DEADLINE));
    assert_eq!(dialled(&mut me, 10_000), []);
    assert_eq!(dialled(&mut me, 11_000), [ids[1]]);
}

#[test]
fn nobody_dials_themselves_or_where_nothing_is_known() {
    let ids = ids(2);
    let mut me = lowest(&ids);
    assert!(!find(&mut me, ids[0], 0));
    assert!(!me.found(ids[1], &["/ip4/8.8.8.8/tcp/1".parse().unwrap()], ours, at(0)));
    me.connected(ids[1], None, at(0));
    me.disconnected(&ids[1], Ended::Lost, at(0));
    assert_eq!(failing_dials(&mut me, 0, 10_000, 1), [0; 0], "it called us; where it listens is not known");
    find(&mut me, ids[1], 10_000);
    assert_eq!(dialled(&mut me, 10_000), [ids[1]]);
}

/// The SYNs that one host gets from us within a minute, when `forge` names its addresses every 100 ms and each dial fails.
fn dials_at_a_victim(mut forge: impl FnMut(&mut Neighbours, u64)) -> usize {
    let mut me = Neighbours::new(PeerId::random(), 3, at(0));
    let mut dials = 0;
    for now in (0..60_000).step_by(100) {
        forge(&mut me, now);
        for dial in me.poll(|_| false, at(now)) {
            assert!(dial.addrs.len() <= 3);
            dials += dial.addrs.iter().filter(|addr| addr.to_string().starts_with("/ip4/10.0.0.1/")).count();
            me.dial_failed(&dial.peer, at(now));
        }
    }
    dials
}

#[test]
fn attack_forged_records_that_all_name_one_victim_cost_it_four_dials_a_second() {
    let ports = |now: u64| (0..8).map(|n| addr(1 + (now / 100 * 8 + n) as u16)).collect::<Vec<_>>();
    let strangers = dials_at_a_victim(|me, now| {
        me.found(PeerId::random(), &ports(now), ours, at(now));
    });
    assert!(strangers <= 32 + 60 * 4, "{strangers}");
    let who = ids(200);
    let renamed = dials_at_a_victim(|me, now| {
        let peer = who[(now / 100) as usize % 200];
        find(me, peer, now);
        me.found(peer, &ports(now), ours, at(now));
    });
    assert!(renamed <= 32 + 60 * 4, "{renamed}");
}

#[test]
fn attack_forged_candidates_at_one_victim_do_not_keep_real_ones_from_being_dialled() {
    let ids = ids(200);
    let mut me = lowest(&ids);
    let taken = ids[1..150].iter().filter(|peer| me.found(**peer, &[addr(9)], ours, at(0))).count();
    assert_eq!(taken, MAX_PER_HOST);
    for peer in &ids[150..] {
        find(&mut me, *peer, 0);
    }
    let mut reached = 0;
    for now in (0..10_000).step_by(500) {
        for dial in me.poll(|_| true, at(now)) {
            let real = ids[150..].contains(&dial.peer);
            reached += usize::from(real);
            if real { me.connected(dial.peer, Some(&dial.addrs[0]), at(now)) } else { me.dial_failed(&dial.peer, at(now)) }
        }
    }
    assert!(reached >= DIALLED_ON_A_BIG_LAN - 1, "{reached}");
}

#[test]
fn many_peers_on_this_host_are_all_dialled() {
    let ids = ids(24);
    let mut me = lowest(&ids);
    let here = |port: usize| format!("/ip4/127.0.0.1/tcp/{port}").parse().unwrap();
    for (n, peer) in ids[1..].iter().enumerate() {
        assert!(me.found(*peer, &[here(n + 1)], |ip| ip.is_loopback(), at(0)));
    }
    assert_eq!(dialled(&mut me, 0).len(), MAX_DIALS);
}

/// When a neighbour is dialled within ten minutes whose connections each last for `life`.
fn dials_of_one_that_drops(life: u64, end: impl Fn(&mut Neighbours, &PeerId, Moment)) -> Vec<u64> {
    let ids = ids(2);
    let mut me = lowest(&ids);
    find(&mut me, ids[1], 0);
    let (mut now, mut dials) = (0, Vec::new());
    while now < 600_000 {
        if me.poll(|_| true, at(now)).is_empty() {
            now = me.next_wakeup().unwrap().since(Moment::START).as_millis() as u64;
            continue;
        }
        dials.push(now);
        me.connected(ids[1], Some(&home(&ids[1])), at(now));
        now += life;
        end(&mut me, &ids[1], at(now));
    }
    dials
}

#[test]
fn attack_a_neighbour_that_drops_every_connection_is_redialled_once_a_minute() {
    let dials = dials_of_one_that_drops(10, |me, peer, now| me.disconnected(peer, Ended::Lost, now));
    assert!((10..20).contains(&dials.len()), "{dials:?}");
    assert!(dials.windows(2).next_back().is_some_and(|pair| pair[1] - pair[0] >= 60_000));
}

#[test]
fn attack_a_neighbour_that_answers_no_ping_is_redialled_once_a_minute() {
    let dials = dials_of_one_that_drops(4500, |me, peer, now| me.suspect(peer, now));
    assert!((10..20).contains(&dials.len()), "{dials:?}");
}

#[test]
fn a_neighbour_whose_connections_last_is_redialled_at_once_however_often_it_is_lost() {
    let dials = dials_of_one_that_drops(10_000, |me, peer, now| me.disconnected(peer, Ended::Lost, now));
    assert!(dials.windows(2).all(|pair| pair[1] - pair[0] == 10_500), "{dials:?}");
}
