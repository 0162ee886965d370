//! How much of something anybody may do: token buckets, one alone or one per key (THREATS 46, 48).

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::clock::Moment;

/// Gossip messages that one signed source may send: ten at once, then two a second (THREATS 46). A peer of ours needs a tenth of that.
pub const GOSSIP_PER_SOURCE: Rate = Rate { burst: 10, per_second: 2.0 };
/// Sources nobody has heard of that one neighbour may pass on: a whole LAN at once, then 32 a second; a key costs a stranger nothing, and
/// so the presence table does not fill through one connection within minutes (THREATS 46).
pub const STRANGERS_PER_NEIGHBOUR: Rate = Rate { burst: 1024, per_second: 32.0 };
/// Neighbours whose strangers are counted; more than the stack has connections.
pub const GOSSIP_NEIGHBOURS: usize = 1024;
/// Sources whose gossip is counted; see [`RateTable`] for what happens to one more.
pub const GOSSIP_SOURCES: usize = 10_000;

/// Chat messages that one peer may send: twenty at once, then one a second (the spirit of THREATS 42 and 46).
pub const CHAT_PER_PEER: Rate = Rate { burst: 20, per_second: 1.0 };
/// Peers whose chat messages are counted.
pub const CHAT_PEERS: usize = 10_000;

/// What a bucket allows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Tokens in a full bucket: what may be done at once. At least one.
    pub burst: u32,
    /// Tokens that come back each second. More than zero.
    pub per_second: f64,
}

impl Rate {
    /// How long an empty bucket takes to be full.
    fn refill(self) -> Duration {
        Duration::try_from_secs_f64(f64::from(self.burst) / self.per_second).unwrap_or(Duration::MAX)
    }
}

/// A bucket of tokens that fills up again with time; each act takes one token.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    rate: Rate,
    tokens: f64,
    at: Moment,
}

impl TokenBucket {
    /// A full bucket.
    pub fn new(rate: Rate, now: Moment) -> Self {
        Self { rate, tokens: f64::from(rate.burst), at: now }
    }

    /// Take a token; `false` where there is none, which costs nothing.
    pub fn take(&mut self, now: Moment) -> bool {
        self.tokens = self.tokens_at(now);
        self.at = self.at.max(now);
        let taken = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(taken));
        taken
    }

    /// Take so many tokens, those too that are not there yet: no other is given out until they have come. No more than a full bucket is owed.
    pub fn owe(&mut self, many: f64, now: Moment) {
        self.tokens = (self.tokens_at(now) - many).max(-f64::from(self.rate.burst));
        self.at = self.at.max(now);
    }

    /// When there is a token; `now` where there is one already.
    pub fn next_token(&self, now: Moment) -> Moment {
        let missing = 1.0 - self.tokens_at(now);
        if missing <= 0.0 {
            return now;
        }
        // A nanosecond more than needed, so that rounding never makes a caller wake too early.
        let wait = Duration::try_from_secs_f64(missing / self.rate.per_second).unwrap_or(Duration::MAX);
        now.max(self.at) + wait.saturating_add(Duration::from_nanos(1))
    }

    fn tokens_at(&self, now: Moment) -> f64 {
        let back = now.since(self.at).as_secs_f64() * self.rate.per_second;
        (self.tokens + back).min(f64::from(self.rate.burst))
    }
}

/// A bucket for each key, for at most `capacity` keys.
///
/// When the table is full, buckets that have filled up again are dropped, since a new one would say the same; this is tried at most
/// once per time that a bucket takes to fill. While no bucket can be dropped, strangers are refused and known keys go on.
#[derive(Debug)]
pub struct RateTable<K> {
    rate: Rate,
    capacity: usize,
    buckets: HashMap<K, TokenBucket>,
    swept: Option<Moment>,
}

impl<K: Eq + Hash> RateTable<K> {
    /// An empty table.
    pub fn new(rate: Rate, capacity: usize) -> Self {
        Self { rate, capacity, buckets: HashMap::new(), swept: None }
    }

    /// Take a token of `key`; `false` where it has none left, or where there is no room to count it.
    pub fn take(&mut self, key: K, now: Moment) -> bool {
        if let Some(bucket) = self.buckets.get_mut(&key) {
            return bucket.take(now);
        }
        if self.buckets.len() >= self.capacity {
            self.sweep(now);
        }
        let room = self.buckets.len() < self.capacity;
        room && self.buckets.entry(key).or_insert_with(|| TokenBucket::new(self.rate, now)).take(now)
    }

    /// Whether `key` has a token left; takes none.
    pub fn has(&self, key: &K, now: Moment) -> bool {
        self.buckets.get(key).is_none_or(|bucket| bucket.next_token(now) <= now)
    }

    fn sweep(&mut self, now: Moment) {
        let refill = self.rate.refill();
        if self.swept.is_some_and(|swept| now < swept + refill) {
            return;
        }
        self.swept = Some(now);
        self.buckets.retain(|_, bucket| now < bucket.at + refill);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 10, per_second: 2.0 };

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    fn taken(table: &mut RateTable<u32>, key: u32, tries: usize, now: Moment) -> usize {
        (0..tries).filter(|_| table.take(key, now)).count()
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = TokenBucket::new(RATE, at(0));
        assert_eq!((0..50).filter(|_| bucket.take(at(0))).count(), 10);
        assert_eq!((0..50).filter(|n| bucket.take(at(n * 100))).count(), 9, "half a second each, over 4.9 seconds");
        assert_eq!((0..50).filter(|_| bucket.take(at(3_600_000))).count(), 10, "never more than full");
    }

    #[test]
    fn the_next_token_is_there_when_it_was_promised() {
        let mut bucket = TokenBucket::new(Rate { burst: 1, per_second: 3.0 }, at(0));
        for _ in 0..100 {
            let due = bucket.next_token(at(0));
            assert!(bucket.take(due));
            assert!(!bucket.take(due));
        }
    }

    #[test]
    fn what_is_owed_comes_back_before_anything_is_given() {
        let mut bucket = TokenBucket::new(RATE, at(0));
        bucket.owe(14.0, at(0));
        assert!(!bucket.take(at(2000)), "four were owed, and two seconds bring four");
        assert!(bucket.take(at(2500)));
        bucket.owe(1e9, at(2500));
        assert!(!bucket.take(at(7900)) && bucket.take(at(8100)), "a full bucket is all that can be owed");
    }

    #[test]
    fn time_that_goes_backwards_gives_nothing_away() {
        let mut bucket = TokenBucket::new(RATE, at(10_000));
        assert!((0..10).all(|_| bucket.take(at(10_000))));
        assert!(!bucket.take(at(0)) && !bucket.take(at(10_000)));
    }

    #[test]
    fn attack_a_flooding_source_spends_only_its_own_tokens() {
        let mut table = RateTable::new(RATE, 100);
        assert_eq!(taken(&mut table, 1, 5000, at(0)), 10);
        assert_eq!(taken(&mut table, 2, 5, at(0)), 5);
    }

    #[test]
    fn attack_a_flood_of_sources_is_bounded_and_known_sources_go_on() {
        let mut table = RateTable::new(RATE, 100);
        let accepted = (0..10_000).filter(|key| table.take(*key, at(0))).count();
        assert_eq!((accepted, table.buckets.len()), (100, 100));
        assert!(table.take(5, at(1)), "a known source goes on");
        assert!(!table.take(77_777, at(1)), "a stranger waits");
        assert!(table.take(5, at(4000)));
        assert!(table.take(77_777, at(5000)), "buckets that are full again make room");
        assert_eq!(table.buckets.len(), 2, "the one that was used meanwhile stays");
    }
}
