//! Whom this peer dials on the LAN, and when.
//!
//! Gossip carries presence past direct neighbours, so on a big LAN nobody needs a connection to everybody. What is needed is a graph
//! of connections that is connected, balanced, and whole again soon after anything breaks:
//!
//! - **Candidates** are peers that mDNS named. While there are few, all are dialled; on a big LAN each peer dials
//!   [`DIALLED_ON_A_BIG_LAN`] of them in the order of a hash that a secret of this peer salts, which makes a random graph (connected,
//!   with overwhelming probability) in which nobody can arrange to be chosen. Connections that others made count: with
//!   [`MAX_LAN_NEIGHBOURS`] a peer dials nobody new. Accepting is not decided here; the stack's limits do that.
//! - **Courtesy**: of two peers the one with the lower id dials at once, the other waits [`COURTESY`], since two that dial each
//!   other at the same time end up with two connections.
//! - **Unheard** candidates: one that mDNS names but gossip does not for [`UNHEARD`] is in another part of a graph that fell apart (two
//!   LANs were joined), so it is dialled however many neighbours there are; a few peers do so first, and then gossip names it.
//! - **Lost** neighbours, whose connection ended without a farewell or stopped answering, are redialled every [`REDIAL`] for
//!   [`GIVE_UP`], so that a pulled cable heals within three seconds of its return. Many of them share [`LOST_PER_SECOND`]; after
//!   [`LONG_LOST`] they share less. One that is reached again, or a changed interface, brings all of them forward. One whose
//!   connections last less than ten seconds three times in a row is redialled ever later, up to [`MAX_BACKOFF`].
//! - **Failures** of a candidate back off from [`BACKOFF`] to [`MAX_BACKOFF`]; mDNS repeating itself shortens nothing (THREATS 48).
//! - **Hosts**: anyone can name anyone's address, so a host pays [`HOST_DIALS`] for the dials of its addresses, three to a peer at
//!   once, and at most [`MAX_PER_HOST`] candidates name it (THREATS 4, 48). Loopback is left out: only this host can name it.
//!
//! Bounds: [`MAX_KNOWN`] peers with eight addresses each, new ones at the rate [`NEWCOMERS`], [`MAX_DIALS`] dials under way. When the
//! table is full a newcomer takes the place of the candidate that failed most; where none has failed it is refused.
//!
//! The driver tells what happened, asks [`Neighbours::poll`] after that and at [`Neighbours::next_wakeup`], makes every dial it is
//! given (each with a timeout of about 1.5 s), and reports each with [`Neighbours::connected`] or [`Neighbours::dial_failed`].

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};

use self::known::{Known, State};
use super::rate::{Rate, RateTable, TokenBucket};
use crate::clock::Moment;

mod addresses;
mod known;
mod plan;

/// Connections on the LAN with which a peer dials nobody new.
pub const MAX_LAN_NEIGHBOURS: usize = 24;
/// Candidates that a peer dials where more than [`MAX_LAN_NEIGHBOURS`] are known; others dial it as often, on average.
pub const DIALLED_ON_A_BIG_LAN: usize = 12;
/// Dials under way at once.
pub const MAX_DIALS: usize = 16;
/// Of these, dials of lost neighbours; the rest is left for newcomers.
pub const MAX_LOST_DIALS: usize = 12;
/// Of these, dials of unheard candidates beyond [`MAX_LAN_NEIGHBOURS`].
pub const MAX_UNHEARD_DIALS: usize = 2;
/// Peers known, connected ones included.
pub const MAX_KNOWN: usize = 1024;
/// New peers that mDNS may name: 256 at once, then 64 a minute (THREATS 48).
pub const NEWCOMERS: Rate = Rate { burst: 256, per_second: 64.0 / 60.0 };
/// Addresses that are dialled at one host, whoever named them: a dozen peers at once, then four a second (THREATS 4).
pub const HOST_DIALS: Rate = Rate { burst: 32, per_second: 4.0 };
/// Hosts whose dials are counted; more cannot be dialled in the time that a bucket takes to fill.
pub const MAX_HOSTS: usize = 2048;
/// Candidates that may name one host; further ones are refused until these are connected or gone.
pub const MAX_PER_HOST: usize = 8;
/// How long a dial waits whose hosts are dialled often enough.
pub const CROWDED: Duration = Duration::from_secs(1);
/// How long the peer with the higher id lets the other dial first.
pub const COURTESY: Duration = Duration::from_millis(500);
/// A candidate that gossip has not named for this long is dialled in any case, up to [`UNHEARD_SPREAD`] and [`SURVEY`] later.
pub const UNHEARD: Duration = Duration::from_secs(3);
/// Spreads the dials of everybody who misses the same peer.
pub const UNHEARD_SPREAD: Duration = Duration::from_secs(12);
/// Failures after which an unheard candidate is no reason to go beyond [`MAX_LAN_NEIGHBOURS`].
pub const UNHEARD_TRIES: u32 = 3;
/// How often it is looked whether every candidate is heard.
pub const SURVEY: Duration = Duration::from_secs(5);
/// First redial of a lost neighbour.
pub const FIRST_REDIAL: Duration = Duration::from_millis(500);
/// Time between redials of a lost neighbour, and what the peer with the higher id is late by half of.
pub const REDIAL: Duration = Duration::from_secs(2);
/// Redials a second that all lost neighbours share; each is redialled every [`REDIAL`] while there are few.
pub const LOST_PER_SECOND: u32 = 8;
/// After this time a lost neighbour shares one redial a second with the others, but waits no longer than [`MAX_REDIAL`].
pub const LONG_LOST: Duration = Duration::from_secs(10 * 60);
/// Longest time between redials of a lost neighbour.
pub const MAX_REDIAL: Duration = Duration::from_secs(15);
/// After this time a lost neighbour is dialled only when it is found again.
pub const GIVE_UP: Duration = Duration::from_secs(60 * 60);
/// After the first failure of a candidate; doubled with each further one.
pub const BACKOFF: Duration = Duration::from_secs(1);
/// Longest wait after a failure of a candidate.
pub const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// A dial that the driver never reported counts as failed.
pub const DIAL_DEADLINE: Duration = Duration::from_secs(10);
/// A record that lapses so soon after its peer was lost is a farewell; mDNS tells of one a second late.
pub const LATE_FAREWELL: Duration = Duration::from_secs(5);

/// A dial to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// Whom; the handshake must prove it.
    pub peer: PeerId,
    /// Where, the most promising first, without `/p2p`.
    pub addrs: Vec<Multiaddr>,
    /// When the dial may be skipped.
    pub condition: Condition,
}

/// When a dial may be skipped; a skipped one is reported as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// When there is a connection to the peer.
    Disconnected,
    /// Never: there is a connection, but it does not answer.
    Always,
}

/// Why the last connection to a peer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It broke, or the other side closed it; unless the peer had said goodbye it is missed.
    Lost,
    /// We closed it: idle, or not wanted.
    OnPurpose,
}

/// Whom this peer knows on the LAN, and what is to be done about each.
#[derive(Debug)]
pub struct Neighbours {
    me: PeerId,
    salt: u64,
    known: BTreeMap<PeerId, Known>,
    /// Of the known ones all but candidates that nobody is dialling, so that what happens often looks at a few dozen only.
    busy: BTreeSet<PeerId>,
    newcomers: TokenBucket,
    hosts: RateTable<IpAddr>,
    /// When it is next looked whether every candidate is heard.
    survey: Moment,
    /// Nobody new was wanted when it was last asked.
    full: bool,
    wake: Option<Moment>,
}

impl Neighbours {
    /// Nobody is known. `salt` is random and secret: it decides who is preferred.
    pub fn new(me: PeerId, salt: u64, now: Moment) -> Self {
        let newcomers = TokenBucket::new(NEWCOMERS, now);
        let (known, busy) = (BTreeMap::new(), BTreeSet::new());
        let hosts = RateTable::new(HOST_DIALS, MAX_HOSTS);
        Self { me, salt, known, busy, newcomers, hosts, survey: now, full: false, wake: None }
    }

    /// mDNS names a peer at these addresses, the most promising first. Only those are taken of which `ours` says that they are on
    /// one of our own subnets, link-local (with a zone) or loopback. `false`: nothing in it was taken.
    pub fn found(&mut self, peer: PeerId, addrs: &[Multiaddr], ours: impl Fn(IpAddr) -> bool, now: Moment) -> bool {
        let is_known = self.known.contains_key(&peer);
        if peer == self.me || (!is_known && self.newcomers.next_token(now) > now) {
            return false;
        }
        let mut addrs = addresses::on_the_lan(addrs, &peer, ours);
        if !is_known {
            addrs.retain(|addr| !addresses::host_of(addr).is_some_and(|host| self.is_crowded(host)));
        }
        let admitted = !addrs.is_empty() && (is_known || (self.newcomers.take(now) && self.make_room(false)));
        if !admitted {
            return false;
        }
        self.meet(peer, now);
        let missed = self.change(&peer, |known| known.found(addrs)).unwrap_or(false);
        if missed || !self.full || self.wake.is_none() {
            self.wake = Some(now);
        }
        true
    }

    /// The peer itself says that it leaves: a signed `offline`. Its end is no loss.
    pub fn goodbye(&mut self, peer: &PeerId) {
        if self.change(peer, Known::goodbye).is_some_and(|gone| gone) {
            self.forget(peer);
        }
    }

    /// mDNS says that the peer leaves, or its record lapsed; anyone can forge that, and a pulled cable looks the same, so a neighbour
    /// that is missed for longer than [`LATE_FAREWELL`] goes on being missed.
    pub fn lapsed(&mut self, peer: &PeerId, now: Moment) {
        let gone = self.known.get(peer).is_some_and(|known| match known.state {
            State::Idle => !known.is_dialling(),
            State::Lost { since, open, .. } => !open && now.since(since) < LATE_FAREWELL,
            State::Connected { .. } => false,
        });
        if gone {
            self.forget(peer);
        }
    }

    /// A connection on this link stands; report every one. `via` is the address that we dialled, `None` where the other side dialled.
    pub fn connected(&mut self, peer: PeerId, via: Option<&Multiaddr>, now: Moment) {
        if peer == self.me || (!self.known.contains_key(&peer) && !self.make_room(true)) {
            return;
        }
        self.meet(peer, now);
        if self.change(&peer, |known| known.connected(via, now)).unwrap_or(false) {
            self.bring_lost_forward(now);
        }
        self.wake = Some(now);
    }

    /// The last connection to the peer ended.
    pub fn disconnected(&mut self, peer: &PeerId, ended: Ended, now: Moment) {
        let higher = self.me > *peer;
        if self.known.get(peer).is_some_and(|known| known.farewell) {
            self.forget(peer);
        }
        self.change(peer, |known| match ended {
            Ended::OnPurpose => known.state = State::Idle,
            Ended::Lost => known.lost(false, higher, now),
        });
        self.wake = Some(now);
    }

    /// A dial that [`Self::poll`] asked for failed, or was skipped.
    pub fn dial_failed(&mut self, peer: &PeerId, now: Moment) {
        let pauses = (self.redial_pause(Duration::ZERO), self.redial_pause(LONG_LOST));
        self.change(peer, |known| known.failed(pauses, now));
        self.wake = Some(now);
    }

    /// The connection to the peer is open but does not answer pings: the peer is redialled as if it were lost.
    pub fn suspect(&mut self, peer: &PeerId, now: Moment) {
        let higher = self.me > *peer;
        if self.known.get(peer).is_some_and(Known::is_connected) {
            self.change(peer, |known| known.lost(true, higher, now));
            self.wake = Some(now);
        }
    }

    /// The open connection to a suspect answers pings after all.
    pub fn alive(&mut self, peer: &PeerId) {
        self.change(peer, Known::alive);
    }

    /// A peer that had said goodbye is online again: from now on it is missed when its connection breaks.
    pub fn returned(&mut self, peer: &PeerId) {
        self.change(peer, |known| known.farewell = false);
    }

    /// An interface or an address of this host came or went: whoever could not be reached is tried again.
    pub fn interface_changed(&mut self, now: Moment) {
        for known in self.known.values_mut() {
            known.forgive();
            known.try_again(now);
        }
        self.wake = Some(now);
    }

    /// How many connected neighbours there are that answer.
    pub fn len(&self) -> usize {
        self.busy().filter(|(_, known)| known.is_connected()).count()
    }

    /// Whether mDNS named the peer, or it is a neighbour.
    pub fn knows(&self, peer: &PeerId) -> bool {
        self.known.contains_key(peer)
    }

    /// Whether there is no connected neighbour.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether enough candidates name this host.
    fn is_crowded(&self, host: IpAddr) -> bool {
        let candidates = self.known.values().filter(|known| known.state == State::Idle);
        candidates.filter(|known| known.addrs.hosts().contains(&Some(host))).take(MAX_PER_HOST).count() == MAX_PER_HOST
    }

    fn meet(&mut self, peer: PeerId, now: Moment) {
        let courtesy = if self.me > peer { COURTESY } else { Duration::ZERO };
        let rank = rank(self.salt, &peer);
        self.known.entry(peer).or_insert_with(|| Known::new(rank, now + courtesy));
    }

    /// The only way to change what is known of one peer, so that `busy` stays true.
    fn change<T>(&mut self, peer: &PeerId, change: impl FnOnce(&mut Known) -> T) -> Option<T> {
        let known = self.known.get_mut(peer)?;
        let (was_idle, changed) = (known.is_idle(), change(known));
        match (was_idle, known.is_idle()) {
            (true, false) => drop(self.busy.insert(*peer)),
            (false, true) => drop(self.busy.remove(peer)),
            _ => {}
        }
        Some(changed)
    }

    fn forget(&mut self, peer: &PeerId) {
        self.known.remove(peer);
        self.busy.remove(peer);
    }

    fn busy(&self) -> impl Iterator<Item = (&PeerId, &Known)> {
        self.busy.iter().filter_map(|peer| Some((peer, self.known.get(peer)?)))
    }

    /// A success means that the network is back; but nobody is dialled twice within [`FIRST_REDIAL`].
    fn bring_lost_forward(&mut self, now: Moment) {
        for peer in &self.busy {
            if let Some(known) = self.known.get_mut(peer).filter(|known| known.is_lost()) {
                known.try_again(now);
            }
        }
    }

    /// Room for one more: by dropping the candidate that failed most, and for one that is connected already any candidate.
    fn make_room(&mut self, connected: bool) -> bool {
        if self.known.len() < MAX_KNOWN {
            return true;
        }
        let idle = self.known.iter().filter(|(_, known)| known.is_idle());
        let worst = idle.max_by_key(|(_, known)| (known.failures, known.rank)).map(|(peer, known)| (*peer, known.failures));
        let Some((peer, _)) = worst.filter(|(_, failures)| connected || *failures > 0) else { return false };
        self.forget(&peer);
        true
    }
}

/// In which order this peer prefers others.
fn rank(salt: u64, peer: &PeerId) -> u64 {
    let mut hasher = DefaultHasher::new();
    salt.hash(&mut hasher);
    peer.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
