use super::*;

fn a() -> ConnectionId {
    ConnectionId::new_unchecked(1)
}

fn b() -> ConnectionId {
    ConnectionId::new_unchecked(2)
}

fn lower_and_higher() -> (PeerId, PeerId) {
    let (one, two) = (PeerId::random(), PeerId::random());
    if one.to_bytes() < two.to_bytes() { (one, two) } else { (two, one) }
}

fn one_open(peer: PeerId) -> Connections {
    let mut connections = Connections::default();
    connections.opened(peer, a(), Way::SameLink, Moment::START);
    connections
}

#[test]
fn silence_is_suspected_once_and_forgiven_with_the_next_answer() {
    let peer = PeerId::random();
    let mut connections = one_open(peer);
    assert!(connections.new_suspects(Moment::from_millis(4000)).is_empty());
    assert_eq!(connections.new_suspects(Moment::from_millis(5000)), [(peer, a(), true)]);
    assert!(connections.new_suspects(Moment::from_millis(5500)).is_empty(), "told once");
    assert!(connections.answered(&peer, a(), Moment::from_millis(6000)));
    assert!(!connections.answered(&peer, a(), Moment::from_millis(7000)));
    assert_eq!(connections.new_suspects(Moment::from_millis(12_000)), [(peer, a(), true)], "a new silence is told again");
}

#[test]
fn a_peer_with_another_connection_that_answers_is_not_cut_off() {
    let peer = PeerId::random();
    let mut connections = one_open(peer);
    connections.opened(peer, b(), Way::SameLink, Moment::from_millis(3000));
    assert_eq!(connections.new_suspects(Moment::from_millis(5000)), [(peer, a(), false)]);
}

#[test]
fn a_new_connection_replaces_a_suspect_one_and_no_other() {
    let peer = PeerId::random();
    let mut connections = one_open(peer);
    connections.opened(peer, b(), Way::SameLink, Moment::from_millis(1000));
    assert!(connections.superseded(&peer, |_| None).is_empty());
    connections.new_suspects(Moment::from_millis(5000));
    assert_eq!(connections.superseded(&peer, |_| None), [a()]);
}

#[test]
fn attack_idle_connections_that_others_made_do_not_hold_their_places() {
    let mut connections = Connections::default();
    let peers: Vec<PeerId> = (0..100).map(|_| PeerId::random()).collect();
    for (n, peer) in peers.iter().enumerate() {
        connections.opened(*peer, ConnectionId::new_unchecked(n), Way::SameLink, Moment::from_millis(n as u64));
        connections.came_in(peer, ConnectionId::new_unchecked(n));
    }
    let unused = |neighbours: &[PeerId], quiet, now| {
        let closed = connections.unused(|peer| neighbours.contains(peer), |_, _| quiet, Moment::from_millis(now));
        closed.into_iter().map(|(peer, _)| peer).collect::<Vec<_>>()
    };
    assert!(unused(&peers, None, 59_000).is_empty(), "each has a minute");
    assert_eq!(unused(&peers[50..60], None, 61_000).len(), 90, "neighbours stay");
    assert_eq!(unused(&peers, None, 61_000), peers[MAX_INBOUND_NEIGHBOURS..], "the oldest stay");
    assert!(unused(&[], Some(Duration::from_secs(1)), 61_000).is_empty(), "what moves bytes stays");
}

#[test]
fn a_connection_that_moves_bytes_is_never_closed() {
    let (lower, higher) = lower_and_higher();
    let mut connections = one_open(higher);
    connections.opened(higher, b(), Way::SameLink, Moment::START);
    let busy = Some(Duration::from_secs(1));
    assert!(connections.duplicates(&lower, |_, _| busy, Moment::from_millis(3000)).is_empty());
    connections.new_suspects(Moment::from_millis(5000));
    assert!(connections.superseded(&higher, |_| busy).is_empty());
}

#[test]
fn of_two_simultaneous_connections_the_lower_side_closes_the_newer_once_it_is_settled() {
    let (lower, higher) = lower_and_higher();
    let both = |peer| {
        let mut connections = one_open(peer);
        connections.opened(peer, b(), Way::SameLink, Moment::START);
        connections
    };
    let later = Moment::from_millis(2000);
    assert_eq!(both(higher).duplicates(&lower, |_, _| None, later), [(higher, b())]);
    assert!(both(higher).duplicates(&lower, |_, _| None, Moment::from_millis(1000)).is_empty());
    assert!(both(lower).duplicates(&higher, |_, _| None, later).is_empty());
}
