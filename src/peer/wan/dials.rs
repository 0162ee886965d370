//! How often an address that came through a rendezvous may be dialled (THREATS 4).
//!
//! Nobody on the internet is dialled without need: only when the owner opens a site or writes. Still, a page could ask again and again,
//! and a crowd of made-up peers could all name one victim. So each peer has a budget, which new addresses do not refill; and each
//! server that told of addresses where nobody answered loses credit, until its addresses are not dialled for a while.

use std::collections::HashMap;

use libp2p::PeerId;

use crate::clock::Moment;
use crate::proto::presence::table::Source;
use crate::proto::rate::{Rate, RateTable, TokenBucket};

/// Dials of one peer: four at once, then one in fifteen seconds.
pub const PER_PEER: Rate = Rate { burst: 4, per_second: 1.0 / 15.0 };
/// Peers whose dials are counted.
const PEERS: usize = 4096;
/// Failed dials that one source may cause: 64 at once, then one in two seconds.
pub const FAILURES_PER_SOURCE: Rate = Rate { burst: 64, per_second: 0.5 };

/// See the head of this file.
#[derive(Debug)]
pub struct Dials {
    peers: RateTable<PeerId>,
    credit: HashMap<Source, TokenBucket>,
    /// Who is being dialled, at whose word. As many as requests wait ([`crate::peer::openings`]).
    under_way: HashMap<PeerId, Vec<Source>>,
}

impl Default for Dials {
    fn default() -> Self {
        Self { peers: RateTable::new(PER_PEER, PEERS), credit: HashMap::new(), under_way: HashMap::new() }
    }
}

impl Dials {
    /// Whether `peer` may be dialled now at the word of `sources`; then it counts as being dialled.
    pub fn begin(&mut self, peer: PeerId, sources: impl Iterator<Item = Source>, now: Moment) -> bool {
        let trusted: Vec<Source> = sources.filter(|source| self.has_credit(*source, now)).collect();
        if trusted.is_empty() || !self.peers.take(peer, now) {
            return false;
        }
        self.under_way.insert(peer, trusted);
        true
    }

    /// A dial of `peer` led to it.
    pub fn succeeded(&mut self, peer: &PeerId) {
        self.under_way.remove(peer);
    }

    /// A dial of `peer` led nowhere: whoever told of its addresses pays.
    pub fn failed(&mut self, peer: &PeerId, now: Moment) {
        for source in self.under_way.remove(peer).into_iter().flatten() {
            self.credit_of(source, now).take(now);
        }
    }

    fn has_credit(&mut self, source: Source, now: Moment) -> bool {
        self.credit_of(source, now).next_token(now) <= now
    }

    /// There are as many sources as servers are configured.
    fn credit_of(&mut self, source: Source, now: Moment) -> &mut TokenBucket {
        self.credit.entry(source).or_insert_with(|| TokenBucket::new(FAILURES_PER_SOURCE, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Source = Source::Rendezvous(0);
    const OTHER: Source = Source::Rendezvous(1);

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    #[test]
    fn attack_one_peer_is_not_dialled_again_and_again() {
        let (mut dials, peer) = (Dials::default(), PeerId::random());
        let begun = (0..600).filter(|n| dials.begin(peer, [ONE].into_iter(), at(n / 10))).count();
        assert_eq!(begun, 4 + 3, "four at once, then one in fifteen of sixty seconds");
    }

    #[test]
    fn attack_a_crowd_of_peers_with_a_victims_address_costs_its_source_the_credit() {
        let mut dials = Dials::default();
        let mut dial = |source| {
            let peer = PeerId::random();
            let begun = dials.begin(peer, [source].into_iter(), at(0));
            dials.failed(&peer, at(0));
            begun
        };
        assert_eq!((0..1000).filter(|_| dial(ONE)).count(), 64);
        assert!(dial(OTHER), "other servers go on");
        assert!(dials.begin(PeerId::random(), [ONE].into_iter(), at(4)), "credit comes back");
    }

    #[test]
    fn whom_somebody_answers_for_costs_nothing() {
        let mut dials = Dials::default();
        for _ in 0..1000 {
            let peer = PeerId::random();
            assert!(dials.begin(peer, [ONE].into_iter(), at(0)));
            dials.succeeded(&peer);
        }
        assert!(dials.under_way.is_empty());
    }
}
