//! One row: what each source said of a peer, and which of them is believed.

use std::cmp::Reverse;
use std::sync::Arc;

use libp2p::Multiaddr;

use super::{MAX_SOURCES, Source};
use crate::clock::{Moment, UnixMillis};
use crate::proto::presence::Presence;

/// What the table knows about one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What the peer last said about itself; never an `offline`, which says nothing else.
    pub presence: Arc<Presence>,
    /// Whether any source has heard from it within the TTL.
    pub online: bool,
    /// When any source last heard from it.
    pub last_seen: Moment,
    /// What its sources said, each last.
    pub(super) heard: Vec<Heard>,
    /// When the last source said that it left.
    pub(super) parted: Option<Moment>,
    /// When the table next looks at it.
    pub(super) due: Moment,
}

/// What one source has heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) source: Source,
    pub(super) at: Moment,
    pub(super) says: Arc<Presence>,
}

impl Heard {
    /// The larger one decides what the row says.
    fn rank(&self) -> (bool, bool, UnixMillis, Reverse<Source>) {
        (self.source == Source::Lan, self.says.signed, self.says.since, Reverse(self.source))
    }
}

impl Row {
    /// Who tells us that the peer is here; none while it is offline.
    pub fn sources(&self) -> impl Iterator<Item = Source> + '_ {
        self.heard.iter().map(|heard| heard.source)
    }

    /// Where the peer has signed that it can be dialled: what the row says first, then what its other sources told, the best ones first.
    pub fn signed_addrs(&self) -> Vec<Multiaddr> {
        let mut others: Vec<&Heard> = self.heard.iter().collect();
        others.sort_by_key(|heard| Reverse(heard.rank()));
        let all = std::iter::once(&self.presence).chain(others.into_iter().map(|heard| &heard.says));
        let mut addrs: Vec<Multiaddr> = Vec::new();
        for addr in all.filter(|says| says.signed).flat_map(|says| &says.addrs) {
            if !addrs.contains(addr) {
                addrs.push(addr.clone());
            }
        }
        addrs
    }

    /// Notes what `source` says; the worst source makes room where there are too many.
    pub(super) fn hear(&mut self, source: Source, says: &Presence, now: Moment) {
        self.last_seen = now;
        if let Some(heard) = self.heard.iter_mut().find(|heard| heard.source == source) {
            heard.at = now;
            if !same(&heard.says, says) || heard.says.since != says.since {
                heard.says = Arc::new(says.clone());
            }
            return;
        }
        self.heard.push(Heard { source, at: now, says: Arc::new(says.clone()) });
        if self.heard.len() > MAX_SOURCES
            && let Some(worst) = (0..self.heard.len()).min_by_key(|at| self.heard[*at].rank())
        {
            self.heard.swap_remove(worst);
        }
    }

    /// Lets the best source decide what the row says; true if that is something else than before.
    pub(super) fn reconsider(&mut self) -> bool {
        let best = self.heard.iter().max_by_key(|heard| heard.rank());
        let Some(best) = best.filter(|best| best.says.signed || !self.presence.signed) else { return false };
        if Arc::ptr_eq(&best.says, &self.presence) {
            return false;
        }
        let news = !same(&self.presence, &best.says);
        self.presence = best.says.clone();
        news
    }
}

/// Whether both say the same; the time of writing does not count.
fn same(one: &Presence, other: &Presence) -> bool {
    one.says(other) && one.signed == other.signed
}
