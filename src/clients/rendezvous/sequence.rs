//! The numbers of signed messages: strictly growing for each server, over all communities on it and over restarts of this peer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use libp2p::PeerId;

use crate::clock::UnixMillis;
use crate::proto::signed::MAX_NUMBER;

/// How far above the wall time a server may make us jump; however often it does, the numbers are not used up.
const MAX_JUMP: u64 = 1 << 40;
/// A clock that stands before this (2020) was never set.
const FIRST_CLOCK: u64 = 1_577_836_800_000;
/// Servers that numbers are kept for; far more than anyone configures. One more starts with the wall time again.
const MAX_SERVERS: usize = 1024;

/// A cheap clone counts on.
#[derive(Debug, Clone, Default)]
pub struct Sequences(Arc<Mutex<HashMap<PeerId, u64>>>);

impl Sequences {
    /// The next number for `server`. It is not below the wall time, so that a peer that was started anew begins above its earlier ones;
    /// where the clock went back, the server says the highest, and [`Self::jump`] follows.
    pub fn next(&self, server: PeerId) -> u64 {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() >= MAX_SERVERS && !last.contains_key(&server) {
            last.clear();
        }
        let number = last.entry(server).or_default();
        *number = number.saturating_add(1).max(wall_time()).min(MAX_NUMBER);
        *number
    }

    /// The server says that it has seen `highest`; false if that is absurd.
    pub fn jump(&self, server: PeerId, highest: u64) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(number) = last.get_mut(&server) else { return false };
        let sane = highest <= wall_time().max(FIRST_CLOCK) + MAX_JUMP;
        if sane {
            *number = highest.max(*number);
        }
        sane
    }
}

fn wall_time() -> u64 {
    UnixMillis::now().0.min(MAX_NUMBER / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_for_each_server_and_follow_what_it_has_seen() {
        let (sequences, server) = (Sequences::default(), PeerId::random());
        let first = sequences.next(server);
        assert!(sequences.clone().next(server) > first);
        let ahead = first + 1_000_000;
        assert!(sequences.jump(server, ahead));
        assert_eq!(sequences.next(server), ahead + 1);
        assert!(sequences.jump(server, 7), "what lies below is no news");
        assert_eq!(sequences.next(server), ahead + 2);
        assert!(sequences.next(PeerId::random()) < ahead, "each server has its own");
    }

    #[test]
    fn attack_a_server_cannot_use_the_numbers_up() {
        let (sequences, server) = (Sequences::default(), PeerId::random());
        let first = sequences.next(server);
        assert!(!sequences.jump(server, MAX_NUMBER));
        assert!(sequences.next(server) < first + 60_000);
        for _ in 0..10_000 {
            let last = sequences.next(server);
            sequences.jump(server, last + MAX_JUMP / 2);
        }
        assert!(sequences.next(server) < MAX_NUMBER / 1000);
    }
}
