//! Who gets a place on a relay (THREATS 50). One that belongs to a board keeps its places for those who are on it; of others it takes
//! few, so that a peer which is not on the board yet, or whose owner configured the relay, comes in too.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use libp2p::relay::RateLimiter;
use libp2p::{Multiaddr, PeerId};

use crate::clock::Moment;
use crate::proto::rate::{Rate, TokenBucket};

/// Places that strangers get: 32 at once, then one in two minutes; a place holds for an hour.
pub const STRANGERS: Rate = Rate { burst: 32, per_second: 1.0 / 120.0 };

/// Tells who is no stranger.
#[derive(Clone)]
pub struct Guests(Arc<dyn Fn(&PeerId) -> bool + Send + Sync>);

impl Guests {
    /// `knows` is asked for each place.
    pub fn new(knows: impl Fn(&PeerId) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(knows))
    }

    /// The limit that this puts on places.
    pub(super) fn limiter(self) -> Box<dyn RateLimiter> {
        let mut strangers = TokenBucket::new(STRANGERS, Moment::now());
        Box::new(move |peer: PeerId, _: &Multiaddr, _: Instant| (self.0)(&peer) || strangers.take(Moment::now()))
    }
}

impl fmt::Debug for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Guests")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_strangers_do_not_take_the_places_of_those_who_are_on_the_board() {
        let friend = PeerId::random();
        let mut limit = Guests::new(move |peer| *peer == friend).limiter();
        let mut ask = |peer| limit.try_next(peer, &"/ip4/45.45.45.1/tcp/1".parse().unwrap(), tokio::time::Instant::now().into_std());
        assert_eq!((0..1000).filter(|_| ask(PeerId::random())).count(), STRANGERS.burst as usize);
        assert!(ask(friend));
    }
}
