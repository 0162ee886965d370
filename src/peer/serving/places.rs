//! Who holds the places in which streams are answered: so many per peer, per address, and in all (THREATS 42).
//!
//! Peer ids cost nothing, addresses do: when every place is taken, the oldest stream of the address that holds most makes room for a
//! stream from an address that holds fewer.

use std::collections::HashMap;
use std::net::IpAddr;

use libp2p::PeerId;

/// Streams of one peer that are answered at the same time; more are closed unanswered.
pub const MAX_PER_PEER: usize = 64;
/// Streams of one address (IPv6 by /64), whatever peers are there; more are closed unanswered.
pub const MAX_PER_ADDRESS: usize = 128;
/// As [`MAX_PER_ADDRESS`], for loopback, where many peers of one owner may run.
pub const MAX_ON_LOOPBACK: usize = 512;
/// Streams of all peers that are answered at the same time.
pub const MAX_IN_ALL: usize = 1024;

/// The places, in the order in which they were taken; `T` is what holds one.
#[derive(Debug)]
pub struct Places<T>(Vec<Place<T>>);

#[derive(Debug)]
struct Place<T> {
    peer: PeerId,
    address: Option<IpAddr>,
    holder: T,
}

/// May a stream have a place?
#[derive(Debug, PartialEq, Eq)]
pub enum Admission<T> {
    /// No.
    Refused,
    /// Yes.
    Free,
    /// Yes, as this one just lost its place.
    Instead(T),
}

impl<T> Places<T> {
    /// All are free.
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether `peer` at `address` may take a place; takes one from another where all are taken.
    pub fn admit(&mut self, peer: PeerId, address: Option<IpAddr>) -> Admission<T> {
        let of_address = self.0.iter().filter(|place| place.address == address).count();
        let of_peer = self.0.iter().filter(|place| place.peer == peer).count();
        if of_peer >= MAX_PER_PEER || of_address >= most(address) {
            return Admission::Refused;
        }
        if self.0.len() < MAX_IN_ALL {
            return Admission::Free;
        }
        self.oldest_of_the_fullest(of_address).map_or(Admission::Refused, |at| Admission::Instead(self.0.remove(at).holder))
    }

    /// `holder` has the place that was admitted.
    pub fn take(&mut self, peer: PeerId, address: Option<IpAddr>, holder: T) {
        self.0.push(Place { peer, address, holder });
    }

    /// Gives the place of `holder` back, if it still had one.
    pub fn leave(&mut self, is_holder: impl Fn(&T) -> bool) {
        if let Some(at) = self.0.iter().position(|place| is_holder(&place.holder)) {
            self.0.remove(at);
        }
    }

    /// Where the oldest stream stands of the address that holds most; `None` if no address holds more than `than`.
    fn oldest_of_the_fullest(&self, than: usize) -> Option<usize> {
        let mut held: HashMap<_, (usize, usize)> = HashMap::new();
        for (at, place) in self.0.iter().enumerate() {
            held.entry(place.address).or_insert((0, at)).0 += 1;
        }
        held.into_values().filter(|(count, _)| *count > than).max_by_key(|(count, at)| (*count, usize::MAX - at)).map(|(_, at)| at)
    }
}

fn most(address: Option<IpAddr>) -> usize {
    if address.is_some_and(|ip| ip.is_loopback()) { MAX_ON_LOOPBACK } else { MAX_PER_ADDRESS }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many streams as it gets, with a new id for every [`MAX_PER_PEER`]; returns how many.
    fn flood(places: &mut Places<usize>, address: IpAddr, tries: usize) -> usize {
        let mut peer = PeerId::random();
        let mut got = 0;
        for n in 0..tries {
            if n % MAX_PER_PEER == 0 {
                peer = PeerId::random();
            }
            if places.admit(peer, Some(address)) != Admission::Refused {
                places.take(peer, Some(address), n);
                got += 1;
            }
        }
        got
    }

    fn host(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    #[test]
    fn sixteen_made_up_ids_at_one_address_leave_room_for_others() {
        let mut places = Places::new();
        assert_eq!(flood(&mut places, host(1), 16 * MAX_PER_PEER), MAX_PER_ADDRESS);
        assert_eq!(flood(&mut places, IpAddr::from([127, 0, 0, 1]), 16 * MAX_PER_PEER), MAX_ON_LOOPBACK);
        assert_eq!(places.admit(PeerId::random(), Some(host(2))), Admission::Free);
    }

    #[test]
    fn one_peer_cannot_take_the_places_of_its_address() {
        let mut places = Places::new();
        let peer = PeerId::random();
        for n in 0..MAX_PER_PEER {
            assert_eq!(places.admit(peer, Some(host(1))), Admission::Free);
            places.take(peer, Some(host(1)), n);
        }
        assert_eq!(places.admit(peer, Some(host(1))), Admission::Refused);
        places.leave(|holder| *holder == 0);
        assert_eq!(places.admit(peer, Some(host(1))), Admission::Free);
    }

    #[test]
    fn when_everything_is_full_the_oldest_stream_of_the_fullest_address_makes_room() {
        let mut places = Places::new();
        assert_eq!(flood(&mut places, host(100), 100), 100);
        (1..=7).for_each(|n| assert_eq!(flood(&mut places, host(n), MAX_PER_ADDRESS), MAX_PER_ADDRESS));
        flood(&mut places, host(8), MAX_IN_ALL - 7 * MAX_PER_ADDRESS - 100);
        assert_eq!(places.admit(PeerId::random(), Some(host(9))), Admission::Instead(0));
        assert_eq!(places.0.len(), MAX_IN_ALL - 1);
        assert_eq!(places.0.iter().filter(|place| place.address == Some(host(100))).count(), 100, "who holds less keeps it");
    }

    #[test]
    fn an_address_that_holds_as_many_as_the_fullest_makes_nobody_leave() {
        let mut places = Places::new();
        (1..=16).for_each(|n| assert_eq!(flood(&mut places, host(n), MAX_PER_PEER), MAX_PER_PEER));
        assert_eq!(places.admit(PeerId::random(), Some(host(1))), Admission::Refused);
    }
}
