//! The numbers of signed messages: strictly growing for each server, over all communities on it and over restarts of this peer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use libp2p::PeerId;

use crate::clock::UnixMillis;
use crate::proto::signed::MAX_NUMBER;

/// The most by which a server may make us jump; more would use the numbers up.
const MAX_JUMP: u64 = 1 << 32;
/// Servers that numbers are kept for; far more than anyone configures. One more starts with the wall time again.
const MAX_SERVERS: usize = 1024;

/// A cheap clone counts on.
#[derive(Debug, Clone, Default)]
pub struct Sequences(Arc<Mutex<HashMap<PeerId, u64>>>);

impl Sequences {
    /// The next number for `server`. The first one is the wall time, so that a peer that was started anew begins above its earlier
    /// ones; where the clock went back, the server says the highest, and [`Self::jump`] follows.
    pub fn next(&self, server: PeerId) -> u64 {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= MAX_SERVERS && !last.contains_key(&server) {
            last.clear();
        }
        let number = last.entry(server).or_insert_with(|| UnixMillis::now().0.min(MAX_NUMBER / 2));
        *number = number.saturating_add(1).min(MAX_NUMBER);
        *number
    }

    /// The server says that it has seen `highest`; false if that is absurd.
    pub fn jump(&self, server: PeerId, highest: u64) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(number) = last.get_mut(&server) else { return false };
        let sane = highest <= number.saturating_add(MAX_JUMP);
        if sane {
            *number = highest.max(*number);
        }
        sane
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_for_each_server_and_follow_what_it_has_seen() {
        let (sequences, server) = (Sequences::default(), PeerId::random());
        let first = sequences.next(server);
        assert_eq!(sequences.clone().next(server), first + 1);
        assert!(sequences.jump(server, first + 500));
        assert_eq!(sequences.next(server), first + 501);
        assert!(sequences.jump(server, 7), "what lies below is no news");
        assert_eq!(sequences.next(server), first + 502);
    }

    #[test]
    fn attack_a_server_cannot_use_the_numbers_up() {
        let (sequences, server) = (Sequences::default(), PeerId::random());
        let first = sequences.next(server);
        assert!(!sequences.jump(server, MAX_NUMBER));
        assert_eq!(sequences.next(server), first + 1);
    }
}
