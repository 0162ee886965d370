//! How much of what anybody gets: requests by token buckets, event streams by slots. Keyed on who it is (peer id) and where it comes
//! from (the client's address, see `client_ip`), so that five hundred peers may live behind one address and no address may have it all.
//!
//! Every table holds at most [`TABLE`] keys and forgets the one that was away longest: forgetting gives nobody more than a fresh
//! burst, and costs an attacker a hundred thousand other keys (THREATS 17).

use std::hash::Hash;
use std::time::Duration;

use axum::http::StatusCode;
use hashlink::LruCache;

use super::Problem;
use crate::clock::Moment;
use crate::proto::rate::{Rate, TokenBucket};

mod network;
mod publish;
mod streams;

pub use network::NetworkLimit;
pub use publish::{PublishLimit, PublishRates};
pub use streams::{StreamGate, StreamLimits, StreamSlot, streams_by_file_limit};

/// Most keys of one table.
pub const TABLE: usize = 100_000;

/// A bucket of tokens for each key.
#[derive(Debug)]
pub struct KeyedLimit<K> {
    rate: Rate,
    buckets: LruCache<K, TokenBucket>,
}

impl<K: Eq + Hash> KeyedLimit<K> {
    /// An empty table of at most `capacity` keys; one more drops the key that was away longest.
    pub fn new(rate: Rate, capacity: usize) -> Self {
        Self { rate, buckets: LruCache::new(capacity) }
    }

    /// Take a token of `key`.
    ///
    /// # Errors
    /// How long until there is one.
    pub fn take(&mut self, key: K, now: Moment) -> Result<(), Duration> {
        if let Some(bucket) = self.buckets.get_mut(&key) {
            return if bucket.take(now) { Ok(()) } else { Err(bucket.next_token(now).since(now)) };
        }
        let mut full = TokenBucket::new(self.rate, now);
        full.take(now);
        self.buckets.insert(key, full);
        Ok(())
    }

    /// Take so many tokens of `key`, those too that are not there yet; see [`TokenBucket::owe`].
    pub fn owe(&mut self, key: K, many: f64, now: Moment) {
        if let Some(bucket) = self.buckets.get_mut(&key) {
            return bucket.owe(many, now);
        }
        let mut full = TokenBucket::new(self.rate, now);
        full.owe(many, now);
        self.buckets.insert(key, full);
    }

    /// Keys that are counted.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// Whether no key is counted.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }
}

/// Why somebody gets no more at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// This peer publishes too often.
    Peer(Duration),
    /// This address publishes too often.
    Address(Duration),
    /// This address holds as many event streams as one may.
    StreamsOfAddress,
    /// The streams that are left are kept for others: known peers, or less crowded networks.
    StreamsKept,
    /// Every event stream is taken.
    StreamsTaken,
}

/// When a stream that was refused is worth another try.
const STREAM_RETRY: Duration = Duration::from_secs(15);

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let (status, code, detail, after) = match refused {
            Refused::Peer(after) => (StatusCode::TOO_MANY_REQUESTS, "rate", "this peer publishes too often", after),
            Refused::Address(after) => (StatusCode::TOO_MANY_REQUESTS, "rate", "this address publishes too often", after),
            Refused::StreamsOfAddress => {
                (StatusCode::TOO_MANY_REQUESTS, "streams", "this address holds as many event streams as one may", STREAM_RETRY)
            }
            Refused::StreamsKept => {
                let detail = "the event streams that are left are kept for known peers and less crowded networks";
                (StatusCode::SERVICE_UNAVAILABLE, "full", detail, STREAM_RETRY)
            }
            Refused::StreamsTaken => (StatusCode::SERVICE_UNAVAILABLE, "full", "every event stream is taken", STREAM_RETRY),
        };
        Problem::new(status, code, detail).retry_after(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 2, per_second: 2.0 };

    #[test]
    fn attack_a_million_keys_leave_a_table_of_its_size() {
        let mut limit = KeyedLimit::new(RATE, TABLE);
        for key in 0_u32..1_000_000 {
            assert!(limit.take(key, Moment::START).is_ok(), "a newcomer is never refused for want of room");
        }
        assert_eq!(limit.len(), TABLE);
    }

    #[test]
    fn whoever_comes_back_regularly_is_not_forgotten_in_a_flood() {
        let mut limit = KeyedLimit::new(RATE, 100);
        assert!(limit.take(0, Moment::START).is_ok() && limit.take(0, Moment::START).is_ok());
        for key in 1..10_000 {
            assert!(limit.take(key, Moment::START).is_ok());
            assert!(key % 50 > 0 || limit.take(0, Moment::START).is_err(), "its empty bucket is still known");
        }
    }

    #[test]
    fn the_wait_that_is_told_is_enough() {
        let mut limit = KeyedLimit::new(RATE, 100);
        let mut now = Moment::START;
        for _ in 0..50 {
            while limit.take((), now).is_ok() {}
            now = now + limit.take((), now).unwrap_err();
            assert!(limit.take((), now).is_ok());
        }
    }
}
