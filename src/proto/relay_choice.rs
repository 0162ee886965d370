//! Which relays this peer is reachable through, and when it tries again.
//!
//! A relay is dialled only once this node listens: an earlier dial would leave from another port, and the address that the relay
//! observes would be useless for punching. A place on it is asked for only once it said who it is and that it relays: earlier, the
//! request is lost without a word. Whatever fails is tried again, later each time. A node that others reach by itself needs none.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};

use crate::clock::Moment;

/// Relays that are remembered; one more is refused.
pub const MAX_RELAYS: usize = 16;
/// Relays that are used at the same time; the others stand by.
pub const IN_USE: usize = 2;
/// Addresses remembered for each.
pub const MAX_ADDRS: usize = 8;
/// How long a relay may take from the dial to the place on it.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first pause after a failure; it doubles each time up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What shall be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Dial this relay.
    Dial(PeerId, Vec<Multiaddr>),
    /// Ask this relay, connected at this address, for a place.
    Reserve(PeerId, Multiaddr),
    /// Give the place on this relay back.
    Release(PeerId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not used before this moment.
    Idle(Moment),
    /// Dialled at this moment.
    Dialling(Moment),
    /// Asked for a place at this moment.
    Asking(Moment),
    /// We have a place.
    Held,
}

#[derive(Debug)]
struct Relay {
    peer: PeerId,
    addrs: Vec<Multiaddr>,
    state: State,
    failures: u32,
    /// Where it was connected last.
    connected_at: Option<Multiaddr>,
    /// Whether it is connected and said that it relays.
    offers: bool,
    /// Whether it shall not be used any more.
    forgotten: bool,
}

/// The choice: see the head of this file.
#[derive(Debug, Default)]
pub struct RelayChoice {
    relays: Vec<Relay>,
    listening: bool,
    reachable: bool,
}

impl RelayChoice {
    /// Use this relay from now on; false if there are too many. New addresses replace what was known.
    pub fn add(&mut self, peer: PeerId, addrs: Vec<Multiaddr>, now: Moment) -> bool {
        let addrs: Vec<_> = addrs.into_iter().take(MAX_ADDRS).collect();
        if let Some(relay) = self.find(&peer) {
            (relay.addrs, relay.forgotten) = (addrs, false);
        } else if self.relays.len() >= MAX_RELAYS {
            return false;
        } else {
            self.relays.push(Relay {
                peer,
                addrs,
                state: State::Idle(now),
                failures: 0,
                connected_at: None,
                offers: false,
                forgotten: false,
            });
        }
        true
    }

    /// Use this relay no longer.
    pub fn forget(&mut self, peer: &PeerId) {
        if let Some(relay) = self.find(peer) {
            relay.forgotten = true;
        }
    }

    /// This node listens.
    pub fn listening(&mut self) {
        self.listening = true;
    }

    /// Whether others reach this node by itself, so that it needs no relay.
    pub fn set_reachable(&mut self, reachable: bool) {
        self.reachable = reachable;
    }

    /// A peer was dialled at `addr`. Peers that are not our relays are not noted.
    pub fn connected(&mut self, peer: &PeerId, addr: &Multiaddr) {
        if let Some(relay) = self.find(peer) {
            relay.connected_at = Some(addr.clone());
        }
    }

    /// A peer said who it is, and whether it relays.
    pub fn identified(&mut self, peer: &PeerId, relays: bool) {
        if let Some(relay) = self.find(peer) {
            relay.offers = relays;
        }
    }

    /// A relay gave us a place.
    pub fn held(&mut self, peer: &PeerId) {
        if let Some(relay) = self.find(peer) {
            (relay.state, relay.failures) = (State::Held, 0);
        }
    }

    /// A relay could not be dialled, or took the place back. `jitter` in 0..1 spreads those who were thrown out together.
    pub fn lost(&mut self, peer: &PeerId, jitter: f64, now: Moment) {
        if let Some(relay) = self.find(peer).filter(|relay| !matches!(relay.state, State::Idle(_))) {
            relay.fail(jitter, now);
        }
    }

    /// The last connection to a peer closed.
    pub fn disconnected(&mut self, peer: &PeerId, jitter: f64, now: Moment) {
        if let Some(relay) = self.find(peer) {
            relay.offers = false;
        }
        self.lost(peer, jitter, now);
    }

    /// On how many relays we have a place.
    pub fn places(&self) -> usize {
        self.relays.iter().filter(|relay| relay.state == State::Held).count()
    }

    /// What shall be done now.
    pub fn poll(&mut self, jitter: f64, now: Moment) -> Vec<Wish> {
        if !self.listening {
            return Vec::new();
        }
        for relay in self.relays.iter_mut().filter(|relay| relay.is_late(now)) {
            relay.fail(jitter, now);
        }
        let reachable = self.reachable;
        let unwanted = self.relays.iter_mut().filter(|relay| reachable || relay.forgotten);
        let mut wishes: Vec<_> = unwanted.filter_map(|relay| relay.release(now)).collect();
        self.relays.retain(|relay| !relay.forgotten);
        if reachable {
            return wishes;
        }
        let mut places = IN_USE.saturating_sub(self.relays.iter().filter(|relay| relay.is_used()).count());
        for relay in &mut self.relays {
            let was_used = relay.is_used();
            if let Some(wish) = relay.advance(places > 0, now) {
                places -= usize::from(!was_used);
                wishes.push(wish);
            }
        }
        wishes
    }

    /// When [`Self::poll`] should be called again at the latest.
    pub fn next_wakeup(&self) -> Option<Moment> {
        let wake = |relay: &Relay| match relay.state {
            State::Idle(_) if self.reachable => None,
            State::Idle(at) => Some(at),
            State::Dialling(since) | State::Asking(since) => Some(since + PATIENCE),
            State::Held => None,
        };
        self.relays.iter().filter_map(wake).min().filter(|_| self.listening)
    }

    fn find(&mut self, peer: &PeerId) -> Option<&mut Relay> {
        self.relays.iter_mut().find(|relay| relay.peer == *peer)
    }
}

impl Relay {
    fn is_used(&self) -> bool {
        !matches!(self.state, State::Idle(_))
    }

    fn is_late(&self, now: Moment) -> bool {
        matches!(self.state, State::Dialling(since) | State::Asking(since) if now.since(since) >= PATIENCE)
    }

    fn advance(&mut self, may_start: bool, now: Moment) -> Option<Wish> {
        match self.state {
            State::Idle(at) if !may_start || now < at => None,
            State::Idle(_) | State::Dialling(_) if self.offers => {
                self.state = State::Asking(now);
                let addr = self.connected_at.as_ref().or(self.addrs.first())?;
                Some(Wish::Reserve(self.peer, addr.clone()))
            }
            State::Idle(_) => {
                self.state = State::Dialling(now);
                Some(Wish::Dial(self.peer, self.addrs.clone()))
            }
            _ => None,
        }
    }

    fn release(&mut self, now: Moment) -> Option<Wish> {
        let held = std::mem::replace(&mut self.state, State::Idle(now));
        matches!(held, State::Held | State::Asking(_)).then_some(Wish::Release(self.peer))
    }

    fn fail(&mut self, jitter: f64, now: Moment) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.state = State::Idle(now + pause + pause.mul_f64(jitter.clamp(0.0, 1.0) / 2.0));
    }
}

#[cfg(test)]
mod tests;
