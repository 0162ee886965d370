//! Who waits for a turn at hashing (THREATS 32): a bounded line in which no network takes the room of others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::http::client_ip::prefix_key;

/// Requests that wait; one more hears 503.
const WAITING: usize = 64;
/// Requests beyond those, of addresses that got in within a day.
const KEPT: usize = 8;
/// Different credentials that wait from one network (an IPv6 /48, an IPv4 /24): a page that asks for many things at once gives
/// the same ones with each request, a guesser does not.
const OF_NETWORK: usize = 4;

/// How many requests wait with the same credentials, by their digest, from the same network.
type Standing = HashMap<(IpAddr, Vec<u8>), usize>;

/// The line; a digest is never the password itself.
#[derive(Debug, Default)]
pub struct Line(Mutex<Standing>);

/// A place in the line, which is free again when this is dropped.
#[derive(Debug)]
pub struct Place<'a> {
    line: &'a Line,
    who: (IpAddr, Vec<u8>),
}

impl Line {
    /// A place for `client`, who gives the credentials of this digest; `None` if there is none left for it. Whoever is `known` is not
    /// counted with its network.
    pub fn stand(&self, client: IpAddr, digest: Vec<u8>, known: bool) -> Option<Place<'_>> {
        let (mut standing, network) = (self.0.lock().unwrap_or_else(PoisonError::into_inner), prefix_key(client));
        let who = (network, digest);
        let room = standing.values().sum::<usize>() < if known { WAITING + KEPT } else { WAITING };
        let of_network = || standing.keys().filter(|(of, _)| *of == network).count() < OF_NETWORK;
        if !room || !(known || standing.contains_key(&who) || of_network()) {
            return None;
        }
        *standing.entry(who.clone()).or_default() += 1;
        Some(Place { line: self, who })
    }

    /// How many wait.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.0.lock().unwrap().values().sum()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut standing = self.line.0.lock().unwrap_or_else(PoisonError::into_inner);
        match standing.get_mut(&self.who) {
            Some(waiting) if *waiting > 1 => *waiting -= 1,
            _ => drop(standing.remove(&self.who)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_many_networks_fill_the_line_but_not_the_places_of_the_known() {
        let line = Line::default();
        let nth = |n: usize| IpAddr::from([45, 45, u8::try_from(n).unwrap(), 1]);
        let places: Vec<_> = (0..100).filter_map(|n| line.stand(nth(n), vec![1], false)).collect();
        assert_eq!(places.len(), WAITING);
        let known: Vec<_> = (0..100).filter_map(|_| line.stand(nth(200), vec![2], true)).collect();
        assert_eq!(known.len(), KEPT);
        drop((places, known));
        assert_eq!(line.len(), 0);
    }

    #[test]
    fn requests_with_the_same_credentials_count_once_for_a_network() {
        let line = Line::default();
        let places: Vec<_> = (0..40).filter_map(|n: u8| line.stand([45, 45, 45, n].into(), vec![n % 20], false)).collect();
        assert_eq!(places.len(), 2 * OF_NETWORK);
        assert!(line.stand([45, 45, 46, 1].into(), vec![9], false).is_some());
    }
}
