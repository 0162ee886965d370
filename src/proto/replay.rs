//! Signed gossip that somebody kept and says again (THREATS 3, 45).
//!
//! A signature proves who wrote a message, not when. The sequence number does: go-libp2p and rust-libp2p count up from the wall time in
//! nanoseconds at which they started, so what is not above the highest number seen of its source is old, or came late, and is left out.
//! js-libp2p draws its numbers by lot; a source of which such a number was seen within [`MEMORY`] is believed as it is, and cannot be
//! protected.
//!
//! What comes straight from its source, over a connection that proved who it is, is no replay whatever its number: a peer whose clock
//! was set back is believed again by its neighbours at once.
//!
//! Bounds: [`MAX_SOURCES`]; the one that was heard longest ago makes room.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use libp2p::PeerId;

use crate::clock::{Moment, UnixMillis};

/// Sources whose highest number is remembered.
pub const MAX_SOURCES: usize = 10_000;
/// How long a silent source is remembered.
pub const MEMORY: Duration = Duration::from_secs(24 * 60 * 60);

/// No clock that a peer of ours counts from stood before 2020.
const EARLIEST_NANOS: u64 = 1_577_836_800_000_000_000;
/// How far a clock may run ahead of ours.
const AHEAD_NANOS: u64 = 24 * 60 * 60 * 1_000_000_000;

/// One message, as far as its age goes.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// Who signed it.
    pub source: PeerId,
    /// Its sequence number.
    pub number: u64,
    /// Whether its source itself sent it to us.
    pub direct: bool,
}

/// The highest number of each source.
#[derive(Debug)]
pub struct Replays {
    capacity: usize,
    sources: HashMap<PeerId, Memory>,
    by_age: BTreeSet<(Moment, PeerId)>,
}

#[derive(Debug, Clone, Copy)]
struct Memory {
    /// `None`: it draws its numbers by lot.
    highest: Option<u64>,
    heard: Moment,
}

impl Default for Replays {
    fn default() -> Self {
        Self::with_capacity(MAX_SOURCES)
    }
}

impl Replays {
    fn with_capacity(capacity: usize) -> Self {
        Self { capacity, sources: HashMap::new(), by_age: BTreeSet::new() }
    }

    /// Whether a message is new, as far as its number tells; if so it is remembered. `wall` is the wall time.
    pub fn is_new(&mut self, message: Heard, wall: UnixMillis, now: Moment) -> bool {
        self.forget(now);
        let counts = is_time(message.number, wall);
        let known = self.sources.get(&message.source).map(|memory| memory.highest);
        let highest = match known {
            _ if !counts => None,
            Some(None) => None,
            Some(Some(highest)) if message.number <= highest && !message.direct => return false,
            Some(Some(_)) | None => Some(message.number),
        };
        self.remember(message.source, Memory { highest, heard: now });
        true
    }

    fn remember(&mut self, source: PeerId, memory: Memory) {
        if let Some(before) = self.sources.insert(source, memory) {
            self.by_age.remove(&(before.heard, source));
        }
        self.by_age.insert((memory.heard, source));
        if self.sources.len() > self.capacity
            && let Some((_, oldest)) = self.by_age.pop_first()
        {
            self.sources.remove(&oldest);
        }
    }

    fn forget(&mut self, now: Moment) {
        while let Some((heard, source)) = self.by_age.first().copied().filter(|(heard, _)| *heard + MEMORY <= now) {
            self.by_age.remove(&(heard, source));
            self.sources.remove(&source);
        }
    }
}

/// Whether a number looks like a time in nanoseconds; one drawn by lot does once in eighty.
fn is_time(number: u64, wall: UnixMillis) -> bool {
    let now = wall.0.saturating_mul(1_000_000);
    (EARLIEST_NANOS..=now.saturating_add(AHEAD_NANOS)).contains(&number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WALL: UnixMillis = UnixMillis(1_800_000_000_000);
    const START: u64 = 1_800_000_000_000_000_000;

    fn hears(replays: &mut Replays, source: PeerId, number: u64, now: u64) -> bool {
        replays.is_new(Heard { source, number, direct: false }, WALL, Moment::from_millis(now))
    }

    #[test]
    fn attack_a_kept_message_is_not_believed_again() {
        let (mut replays, alice) = (Replays::default(), PeerId::random());
        assert!(hears(&mut replays, alice, START, 0) && hears(&mut replays, alice, START + 1, 1));
        assert!(!hears(&mut replays, alice, START, 120_000) && !hears(&mut replays, alice, START + 1, 120_000));
        let restarted = START + 600_000_000_000;
        assert!(hears(&mut replays, alice, restarted, 130_000) && !hears(&mut replays, alice, START + 1, 140_000));
    }

    #[test]
    fn a_source_that_draws_its_numbers_is_always_believed() {
        let (mut replays, js) = (Replays::default(), PeerId::random());
        for number in [START, 5, START - 1, u64::MAX, 4, 5] {
            assert!(hears(&mut replays, js, number, 0), "{number}");
        }
    }

    #[test]
    fn a_neighbour_whose_clock_was_set_back_is_believed_from_its_own_mouth() {
        let (mut replays, bob) = (Replays::default(), PeerId::random());
        assert!(hears(&mut replays, bob, START, 0));
        assert!(replays.is_new(Heard { source: bob, number: START - 9, direct: true }, WALL, Moment::from_millis(1)));
        assert!(hears(&mut replays, bob, START - 8, 2), "and then from others");
    }

    #[test]
    fn a_source_is_forgotten_after_a_day_of_silence_or_when_others_are_younger() {
        let (mut replays, alice, day) = (Replays::with_capacity(3), PeerId::random(), 86_400_000);
        assert!(
            hears(&mut replays, alice, START, 0) && !hears(&mut replays, alice, START, day - 1) && hears(&mut replays, alice, START, day)
        );
        for number in 0..3 {
            assert!(hears(&mut replays, PeerId::random(), START, day + 1 + number));
        }
        assert_eq!((replays.sources.len(), replays.by_age.len()), (3, 3));
        assert!(hears(&mut replays, alice, START, day + 9));
    }

    proptest! {
        /// Of one that counts: each number is believed at most once, the highest always, and never one below another before it.
        #[test]
        fn attack_reordered_and_replayed_numbers_are_believed_in_rising_order_only(steps in proptest::collection::vec(0..20u64, 1..60)) {
            let (mut replays, alice) = (Replays::default(), PeerId::random());
            let believed: Vec<u64> = steps.iter().copied().filter(|step| hears(&mut replays, alice, START + step, 0)).collect();
            prop_assert!(believed.windows(2).all(|pair| pair[0] < pair[1]));
            prop_assert_eq!(believed.last(), steps.iter().max());
        }

        #[test]
        fn numbers_by_lot_are_believed_but_for_the_first_that_look_like_a_time(numbers in proptest::collection::vec(any::<u64>(), 1..60)) {
            let (mut replays, js) = (Replays::default(), PeerId::random());
            let like_time = numbers.iter().take_while(|number| is_time(**number, WALL)).count();
            let believed: Vec<bool> = numbers.iter().map(|number| hears(&mut replays, js, *number, 0)).collect();
            prop_assert!(believed[like_time..].iter().all(|new| *new));
        }
    }
}
