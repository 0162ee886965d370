//! What is known of one LAN peer, and when it may be dialled next.

use std::time::Duration;

use libp2p::Multiaddr;

use super::addresses::Addresses;
use super::{BACKOFF, CROWDED, DIAL_DEADLINE, FIRST_REDIAL, GIVE_UP, LONG_LOST, MAX_BACKOFF, REDIAL};
use crate::clock::Moment;

/// A connection that ended sooner, or stopped answering, was a short one.
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// Short ones in a row that are forgiven: a cable may have a loose contact.
const SHORT_LIVES: u32 = 2;

#[derive(Debug)]
pub(super) struct Known {
    pub(super) addrs: Addresses,
    /// The smaller, the more this peer is preferred.
    pub(super) rank: u64,
    pub(super) state: State,
    /// It said goodbye: the end of its connection is no loss.
    pub(super) farewell: bool,
    /// Dials that failed since the last connection.
    pub(super) failures: u32,
    /// Until then the other side may dial first.
    pub(super) courtesy: Moment,
    /// Until then a failed candidate rests.
    pub(super) rests_until: Moment,
    /// Since when gossip does not name it.
    pub(super) unheard: Option<Moment>,
    /// When its connection was made.
    connected: Moment,
    /// Short connections in a row.
    short_lives: u32,
    /// Until then it is not redialled because of them.
    shunned_until: Moment,
    /// Given up until it is found again.
    dormant: bool,
    dialling: bool,
    dialled: Option<Moment>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// A candidate.
    Idle,
    Connected {
        /// Whether we dialled it.
        ours: bool,
    },
    /// A neighbour that is missed.
    Lost {
        since: Moment,
        redial: Moment,
        /// Whether a connection that does not answer is still open, and whether we had dialled it.
        open: bool,
        ours: bool,
    },
}

impl Known {
    pub(super) fn new(rank: u64, courtesy: Moment) -> Self {
        Self {
            addrs: Addresses::default(),
            rank,
            state: State::Idle,
            farewell: false,
            failures: 0,
            courtesy,
            rests_until: Moment::START,
            unheard: None,
            connected: Moment::START,
            short_lives: 0,
            shunned_until: Moment::START,
            dormant: false,
            dialling: false,
            dialled: None,
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected { .. })
    }

    pub(super) fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost { .. })
    }

    /// A candidate that nobody is dialling just now.
    pub(super) fn is_idle(&self) -> bool {
        self.state == State::Idle && !self.dialling
    }

    pub(super) fn is_dialling(&self) -> bool {
        self.dialling
    }

    /// A candidate that may be chosen, now or when it has rested.
    pub(super) fn is_candidate(&self) -> bool {
        self.is_idle() && !self.dormant && !self.addrs.is_empty()
    }

    pub(super) fn is_chosen_by_us(&self) -> bool {
        matches!(self.state, State::Connected { ours: true }) || (self.state == State::Idle && self.dialling)
    }

    /// When a lost neighbour is to be redialled.
    pub(super) fn redial_due(&self) -> Option<Moment> {
        match self.state {
            State::Lost { redial, .. } if !self.dialling && !self.addrs.is_empty() => Some(redial),
            _ => None,
        }
    }

    /// When a dial under way counts as failed.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.dialled.filter(|_| self.dialling).map(|at| at + DIAL_DEADLINE)
    }

    /// Whether it is missed.
    pub(super) fn found(&mut self, addrs: Vec<Multiaddr>) -> bool {
        self.addrs.hint(addrs);
        (self.dormant, self.farewell) = (false, false);
        self.is_lost()
    }

    pub(super) fn dial(&mut self, now: Moment) {
        (self.dialling, self.dialled) = (true, Some(now));
    }

    /// Its hosts are dialled often enough: it waits [`CROWDED`], which is no failure.
    pub(super) fn postpone(&mut self, now: Moment) {
        match &mut self.state {
            State::Lost { redial, .. } => *redial = now + CROWDED,
            State::Idle | State::Connected { .. } => self.rests_until = now + CROWDED,
        }
    }

    /// Whether it had been missed.
    pub(super) fn connected(&mut self, via: Option<&Multiaddr>, now: Moment) -> bool {
        if !self.is_connected() {
            self.connected = now;
        }
        let (was_lost, had_dialled) = match self.state {
            State::Lost { .. } => (true, false),
            State::Connected { ours } => (false, ours),
            State::Idle => (false, false),
        };
        if let Some(addr) = via {
            self.addrs.prove(addr);
        }
        self.state = State::Connected { ours: via.is_some() || had_dialled };
        (self.failures, self.unheard, self.dialling) = (0, None, false);
        (self.dormant, self.farewell) = (false, false);
        was_lost
    }

    /// The higher of two peers is half a [`REDIAL`] late, so that their attempts alternate.
    pub(super) fn lost(&mut self, open: bool, higher: bool, now: Moment) {
        let late = if higher { REDIAL / 2 } else { Duration::ZERO };
        if self.is_connected() {
            self.count_life(now);
        }
        let first = self.shunned_until.max(now + FIRST_REDIAL + late);
        self.state = match self.state {
            State::Lost { since, redial, ours, .. } => State::Lost { since, redial, open, ours },
            State::Connected { ours } => State::Lost { since: now, redial: first, open, ours },
            State::Idle => State::Idle,
        };
    }

    /// Whether that is all there is to know of it; else the end of its connection will be.
    pub(super) fn goodbye(&mut self) -> bool {
        self.farewell = matches!(self.state, State::Connected { .. } | State::Lost { open: true, .. });
        !self.farewell
    }

    pub(super) fn alive(&mut self) {
        if let State::Lost { open: true, ours, .. } = self.state {
            self.state = State::Connected { ours };
        }
    }

    /// `pauses` between two redials: of one lost lately, and of one lost for long.
    pub(super) fn failed(&mut self, pauses: (Duration, Duration), now: Moment) {
        if !std::mem::take(&mut self.dialling) {
            return;
        }
        let began = self.dialled.unwrap_or(now);
        self.addrs.rotate();
        self.state = match self.state {
            State::Idle => {
                self.addrs.fail();
                self.rest(now);
                State::Idle
            }
            State::Lost { since, open: false, .. } if now.since(since) >= GIVE_UP => {
                (self.dormant, self.failures) = (true, u32::from(u8::MAX));
                self.rest(now);
                State::Idle
            }
            State::Lost { since, open, ours, .. } => {
                let pause = if now.since(since) < LONG_LOST { pauses.0 } else { pauses.1 };
                State::Lost { since, redial: began + pause, open, ours }
            }
            connected => connected,
        };
    }

    /// Who takes connections only to drop them is redialled ever more seldom, up to [`MAX_BACKOFF`].
    fn count_life(&mut self, now: Moment) {
        let short = now.since(self.connected) < SHORT_LIFE;
        self.short_lives = if short { self.short_lives.saturating_add(1) } else { 0 };
        if let Some(doublings) = self.short_lives.checked_sub(SHORT_LIVES).filter(|more| *more > 0) {
            self.shunned_until = now + BACKOFF.saturating_mul(1 << doublings.min(10)).min(MAX_BACKOFF);
        }
    }

    /// An interface of this host changed: nobody is to blame for connections that did not last.
    pub(super) fn forgive(&mut self) {
        (self.short_lives, self.shunned_until) = (0, Moment::START);
    }

    /// Something changed for the better: no more waiting, but no second dial within [`FIRST_REDIAL`] of the last.
    pub(super) fn try_again(&mut self, now: Moment) {
        let soonest = self.dialled.map_or(now, |at| now.max(at + FIRST_REDIAL)).max(self.shunned_until);
        self.dormant = false;
        self.rests_until = self.rests_until.min(soonest);
        if let State::Lost { redial, .. } = &mut self.state {
            *redial = soonest.min(*redial);
        }
    }

    fn rest(&mut self, now: Moment) {
        let doubled = BACKOFF.saturating_mul(1 << self.failures.min(10));
        self.rests_until = now + doubled.min(MAX_BACKOFF);
        self.failures = self.failures.saturating_add(1);
    }
}
