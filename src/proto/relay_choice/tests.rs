use super::*;

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn place() -> Multiaddr {
    "/ip4/45.45.45.10/tcp/4001".parse().unwrap()
}

fn with(relays: usize) -> (RelayChoice, Vec<PeerId>) {
    let peers: Vec<_> = (0..relays).map(|_| PeerId::random()).collect();
    let mut choice = RelayChoice::default();
    peers.iter().for_each(|peer| assert!(choice.add(*peer, vec![place()], at(0))));
    (choice, peers)
}

#[test]
fn a_relay_is_dialled_only_once_this_node_listens() {
    let (mut choice, peers) = with(1);
    assert_eq!(choice.poll(0.0, at(0)), []);
    assert_eq!(choice.next_wakeup(), None);
    choice.listening();
    assert_eq!(choice.poll(0.0, at(1)), [Wish::Dial(peers[0], vec![place()])]);
    assert_eq!(choice.poll(0.0, at(2)), [], "once");
}

#[test]
fn a_place_is_asked_for_only_once_the_relay_said_that_it_relays() {
    let (mut choice, peers) = with(1);
    choice.listening();
    choice.poll(0.0, at(0));
    choice.identified(&peers[0], false);
    assert_eq!(choice.poll(0.0, at(1)), []);
    choice.identified(&peers[0], true);
    assert_eq!(choice.poll(0.0, at(2)), [Wish::Reserve(peers[0], place())]);
    choice.held(&peers[0]);
    assert_eq!((choice.poll(0.0, at(3)), choice.next_wakeup()), (vec![], None));
}

#[test]
fn a_lost_place_is_asked_for_again_later_each_time() {
    let (mut choice, peers) = with(1);
    choice.listening();
    choice.poll(0.0, at(0));
    choice.identified(&peers[0], true);
    choice.poll(0.0, at(0));
    choice.held(&peers[0]);
    choice.lost(&peers[0], 0.0, at(1000));
    assert_eq!(choice.poll(0.0, at(2999)), []);
    assert_eq!(choice.poll(0.0, at(3000)), [Wish::Reserve(peers[0], place())], "it is still connected");
    choice.disconnected(&peers[0], 1.0, at(4000));
    choice.disconnected(&peers[0], 1.0, at(4000));
    assert_eq!(choice.next_wakeup(), Some(at(4000 + 4000 + 2000)), "the pause doubled once, with all of its jitter");
    assert_eq!(choice.poll(0.0, at(10_000)), [Wish::Dial(peers[0], vec![place()])]);
}

#[test]
fn pauses_stay_bounded() {
    let (mut choice, peers) = with(1);
    choice.listening();
    let mut now = at(0);
    for _ in 0..100 {
        choice.poll(0.0, now);
        choice.lost(&peers[0], 1.0, now);
        now = choice.next_wakeup().unwrap();
    }
    choice.poll(0.0, now);
    choice.lost(&peers[0], 1.0, now);
    assert_eq!(choice.next_wakeup().unwrap().since(now), LONGEST_PAUSE.mul_f64(1.5));
}

#[test]
fn two_relays_are_used_and_a_third_steps_in_for_a_silent_one() {
    let (mut choice, peers) = with(3);
    choice.listening();
    assert_eq!(choice.poll(0.0, at(0)).len(), IN_USE);
    choice.identified(&peers[1], true);
    choice.poll(0.0, at(0));
    choice.held(&peers[1]);
    assert_eq!(choice.poll(0.0, at(30_000)), [Wish::Dial(peers[2], vec![place()])], "the first did not answer in time");
}

#[test]
fn a_node_that_others_reach_needs_no_relay() {
    let (mut choice, peers) = with(1);
    choice.listening();
    choice.poll(0.0, at(0));
    choice.identified(&peers[0], true);
    choice.poll(0.0, at(0));
    choice.held(&peers[0]);
    choice.set_reachable(true);
    assert_eq!(choice.poll(0.0, at(1)), [Wish::Release(peers[0])]);
    assert_eq!((choice.poll(0.0, at(2)), choice.next_wakeup()), (vec![], None));
    choice.set_reachable(false);
    assert_eq!(choice.poll(0.0, at(3)), [Wish::Reserve(peers[0], place())]);
}

#[test]
fn nobody_can_make_us_remember_relays_without_end() {
    let (mut choice, _) = with(MAX_RELAYS);
    assert!(!choice.add(PeerId::random(), vec![place()], at(0)));
    choice.identified(&PeerId::random(), true);
    assert_eq!(choice.relays.len(), MAX_RELAYS);
}
