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
    assert_eq!(connections.new_suspects(Moment::from_millis(4500)), [peer]);
    assert!(connections.new_suspects(Moment::from_millis(5000)).is_empty(), "told once");
    assert!(connections.answered(&peer, a(), Moment::from_millis(6000)));
    assert!(!connections.answered(&peer, a(), Moment::from_millis(7000)));
    assert_eq!(connections.new_suspects(Moment::from_millis(11_500)), [peer], "a new silence is told again");
}

#[test]
fn a_new_connection_replaces_a_suspect_one_whoever_is_lower() {
    let (lower, higher) = lower_and_higher();
    for (me, peer) in [(lower, higher), (higher, lower)] {
        let mut connections = one_open(peer);
        connections.new_suspects(Moment::from_millis(5000));
        connections.opened(peer, b(), Way::SameLink, Moment::from_millis(5000));
        assert_eq!(connections.superseded(&me, &peer, b(), |_| None), [a()]);
    }
}

#[test]
fn a_connection_that_moves_bytes_is_never_closed() {
    let peer = PeerId::random();
    let mut connections = one_open(peer);
    connections.new_suspects(Moment::from_millis(5000));
    connections.opened(peer, b(), Way::SameLink, Moment::from_millis(5000));
    assert!(connections.superseded(&PeerId::random(), &peer, b(), |_| Some(Duration::from_secs(1))).is_empty());
}

#[test]
fn of_two_simultaneous_connections_both_sides_keep_the_same() {
    let (lower, higher) = lower_and_higher();
    let both = |peer| {
        let mut connections = one_open(peer);
        connections.opened(peer, b(), Way::SameLink, Moment::START);
        connections
    };
    assert_eq!(both(higher).superseded(&lower, &higher, b(), |_| None), [a()]);
    assert!(both(lower).superseded(&higher, &lower, b(), |_| None).is_empty());
}

const CARRIES: Way = Way::Relayed { carries: true };
const SILENT: Way = Way::Relayed { carries: false };

fn after(millis: u64) -> Moment {
    Moment::START + Duration::from_millis(millis)
}

fn relayed(way: Way) -> (PeerId, Connections) {
    let (peer, mut connections) = (PeerId::random(), Connections::default());
    connections.opened(peer, a(), way, Moment::START);
    (peer, connections)
}

#[test]
fn streams_wait_a_moment_for_punching_and_then_go_through_the_relay() {
    let (peer, mut connections) = relayed(CARRIES);
    assert_eq!(connections.usable(&peer, after(1000)), Usable::Soon);
    assert_eq!(connections.usable(&peer, after(1500)), Usable::Yes);
    assert_eq!(connections.path(&peer, after(1500)), Path::Relayed);
    connections.unpunched(&peer);
    assert_eq!(connections.usable(&peer, after(100)), Usable::Yes, "punching failed: there is nothing to wait for");
    connections.opened(peer, b(), Way::Direct, after(2000));
    assert_eq!((connections.usable(&peer, after(2000)), connections.path(&peer, after(2000))), (Usable::Yes, Path::Direct));
}

#[test]
fn a_peer_behind_a_relay_that_carries_nothing_is_unreachable_and_says_why() {
    let (peer, mut connections) = relayed(SILENT);
    assert_eq!((connections.usable(&peer, after(5999)), connections.reason(&peer, after(5999))), (Usable::Soon, None));
    assert_eq!((connections.usable(&peer, after(6000)), connections.path(&peer, after(6000))), (Usable::Never, Path::Unreachable));
    assert_eq!(connections.reason(&peer, after(6000)).as_deref(), Some(UNPUNCHED));
    connections.unpunched(&peer);
    assert_eq!(connections.path(&peer, after(100)), Path::Unreachable);
    connections.opened(peer, b(), Way::Direct, after(7000));
    assert_eq!((connections.path(&peer, after(7000)), connections.reason(&peer, after(7000))), (Path::Direct, None));
}

#[test]
fn a_relayed_connection_leaves_once_it_rests_beside_a_direct_one() {
    let (peer, mut connections) = relayed(CARRIES);
    connections.opened(peer, b(), Way::Direct, after(100));
    let spent = |busy: Option<u64>, at| connections.spent_relayed(|_, _| busy.map(Duration::from_millis), after(at));
    assert_eq!(spent(None, 9999), [], "streams may still begin on it");
    assert_eq!(spent(Some(5000), 60_000), [], "a stream moves bytes");
    assert_eq!(spent(Some(10_000), 60_000), [a()]);
    assert_eq!(spent(None, 10_000), [a()]);
}

#[test]
fn a_relayed_connection_that_rests_alone_gives_its_place_back_later() {
    let (_, connections) = relayed(CARRIES);
    assert_eq!(connections.spent_relayed(|_, _| None, after(59_999)), []);
    assert_eq!(connections.spent_relayed(|_, _| None, after(60_000)), [a()]);
}
