use super::*;
use crate::peer::Path;

fn a() -> ConnectionId {
    ConnectionId::new_unchecked(1)
}

fn b() -> ConnectionId {
    ConnectionId::new_unchecked(2)
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
    assert_eq!(connections.path(&peer), Path::Relayed);
    connections.unpunched(&peer);
    assert_eq!(connections.usable(&peer, after(100)), Usable::Yes, "punching failed: there is nothing to wait for");
    connections.opened(peer, b(), Way::Direct, after(2000));
    assert_eq!((connections.usable(&peer, after(2000)), connections.path(&peer)), (Usable::Yes, Path::Direct));
}

#[test]
fn a_peer_behind_a_relay_that_carries_nothing_is_unreachable_and_says_why() {
    let (peer, mut connections) = relayed(SILENT);
    assert_eq!(connections.newly_unpunched(after(5999)), []);
    assert_eq!((connections.usable(&peer, after(5999)), connections.reason(&peer)), (Usable::Soon, None));
    assert_eq!((connections.newly_unpunched(after(6000)), connections.newly_unpunched(after(6001))), (vec![peer], vec![]), "told once");
    assert_eq!((connections.usable(&peer, after(6000)), connections.path(&peer)), (Usable::Never, Path::Unreachable));
    assert_eq!(connections.reason(&peer).as_deref(), Some(UNPUNCHED));
    connections.opened(peer, b(), Way::Direct, after(7000));
    assert_eq!((connections.path(&peer), connections.reason(&peer)), (Path::Direct, None));
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

#[test]
fn where_dcutr_says_that_it_failed_nobody_waits_any_longer() {
    let (peer, mut connections) = relayed(SILENT);
    connections.unpunched(&peer);
    assert_eq!((connections.usable(&peer, after(100)), connections.path(&peer)), (Usable::Never, Path::Unreachable));
    assert_eq!(connections.newly_unpunched(after(6000)), [], "it was told already");
}
