//! What to do now: the dials that are due, within every limit.

use std::time::Duration;

use libp2p::{Multiaddr, PeerId};

use super::addresses::{DIALLED, host_of};
use super::known::{Known, State};
use super::{
    Condition, DIALLED_ON_A_BIG_LAN, Dial, LONG_LOST, LOST_PER_SECOND, MAX_DIALS, MAX_LAN_NEIGHBOURS, MAX_LOST_DIALS, MAX_REDIAL,
    MAX_UNHEARD_DIALS, Neighbours, REDIAL, SURVEY, UNHEARD, UNHEARD_SPREAD, UNHEARD_TRIES,
};
use crate::clock::Moment;

/// What all known peers come to, gathered in one pass.
#[derive(Debug, Default)]
struct Tally {
    /// Connected, or about to be because we chose it.
    held: usize,
    /// Of these, chosen by us.
    chosen: usize,
    /// Neither connected nor lost nor being dialled.
    candidates: usize,
    dialling: usize,
    lost_dialling: usize,
    unheard_dialling: usize,
    overdue: Vec<PeerId>,
    lost: Vec<(Moment, PeerId)>,
}

impl Tally {
    fn of(neighbours: &Neighbours, now: Moment) -> Self {
        let candidates = neighbours.known.len() - neighbours.busy.len();
        let mut tally = Self { candidates, ..Self::default() };
        neighbours.busy().for_each(|(peer, known)| tally.add(peer, known, now));
        tally
    }

    fn add(&mut self, peer: &PeerId, known: &Known, now: Moment) {
        let (dialling, chosen) = (known.is_dialling(), known.is_chosen_by_us());
        self.held += usize::from(chosen || known.is_connected());
        self.chosen += usize::from(chosen);
        self.dialling += usize::from(dialling);
        self.lost_dialling += usize::from(dialling && known.is_lost());
        self.unheard_dialling += usize::from(dialling && known.unheard.is_some());
        if known.deadline().is_some_and(|at| at <= now) {
            self.overdue.push(*peer);
        }
        if let Some(due) = known.redial_due().filter(|due| *due <= now) {
            self.lost.push((due, *peer));
        }
    }

    /// How many more candidates are wanted. One that is still waiting out of courtesy takes its place already, or else every peer
    /// would choose among the higher ids only.
    fn room(&self) -> usize {
        let room = MAX_LAN_NEIGHBOURS.saturating_sub(self.held);
        let many = self.held + self.candidates > MAX_LAN_NEIGHBOURS;
        let room = if many { room.min(DIALLED_ON_A_BIG_LAN.saturating_sub(self.chosen)) } else { room };
        room.min(self.candidates)
    }

    fn free_dials(&self) -> usize {
        MAX_DIALS.saturating_sub(self.dialling)
    }
}

impl Neighbours {
    /// The dials to make now. `heard` tells whether gossip names a peer as online.
    pub fn poll(&mut self, heard: impl Fn(&PeerId) -> bool, now: Moment) -> Vec<Dial> {
        let mut tally = Tally::of(self, now);
        if !tally.overdue.is_empty() {
            tally.overdue.iter().for_each(|peer| self.dial_failed(peer, now));
            tally = Tally::of(self, now);
        }
        let mut due = lost_due(&mut tally);
        let room = tally.room();
        if room > 0 {
            let chosen = self.choose(room, tally.free_dials(), now);
            tally.dialling += chosen.len();
            due.extend(chosen);
        }
        if self.survey <= now {
            due.extend(self.unheard_due(&tally, heard, now));
        }
        let dials: Vec<Dial> = due.into_iter().filter_map(|peer| self.dial(peer, now)).collect();
        self.full = room == 0;
        self.wake = self.next_due(tally.candidates > 0, now);
        dials
    }

    /// When [`Self::poll`] is to be asked next: after every report, and at this moment where nothing was reported before.
    pub fn next_wakeup(&self) -> Option<Moment> {
        self.wake
    }

    /// Time between two redials of a neighbour that has been lost `lost_for` so long; all lost ones share a rate.
    pub(super) fn redial_pause(&self, lost_for: Duration) -> Duration {
        let lost = u32::try_from(self.busy().filter(|(_, known)| known.is_lost()).count()).unwrap_or(u32::MAX);
        let each = if lost_for < LONG_LOST { Duration::from_secs(1) / LOST_PER_SECOND } else { Duration::from_secs(1) };
        each.saturating_mul(lost).clamp(REDIAL, MAX_REDIAL)
    }

    fn dial(&mut self, peer: PeerId, now: Moment) -> Option<Dial> {
        let open = matches!(self.known.get(&peer)?.state, State::Lost { open: true, .. });
        let condition = if open { Condition::Always } else { Condition::Disconnected };
        let addrs = self.within_budget(&peer, now);
        if addrs.is_empty() {
            self.change(&peer, |known| known.postpone(now));
            return None;
        }
        self.change(&peer, |known| known.dial(now))?;
        Some(Dial { peer, addrs, condition })
    }

    /// The addresses of a peer to dial, each paid for by its host.
    fn within_budget(&mut self, peer: &PeerId, now: Moment) -> Vec<Multiaddr> {
        let (known, hosts) = (&self.known, &mut self.hosts);
        let addrs = known.get(peer).into_iter().flat_map(|known| known.addrs.all());
        addrs.filter(|addr| host_of(addr).is_none_or(|host| hosts.take(host, now))).take(DIALLED).cloned().collect()
    }

    fn is_affordable(&self, known: &Known, now: Moment) -> bool {
        known.addrs.hosts().iter().any(|host| host.is_none_or(|host| self.hosts.has(&host, now)))
    }

    /// Of the `room` best candidates that do not rest, those to dial now, the preferred ones first.
    fn choose(&self, room: usize, free: usize, now: Moment) -> Vec<PeerId> {
        let awake = self.known.iter().filter(|(_, known)| known.is_candidate() && known.rests_until <= now);
        let awake = awake.filter(|(_, known)| self.is_affordable(known, now));
        let mut awake: Vec<(u64, &PeerId, Moment)> = awake.map(|(peer, known)| (known.rank, peer, known.courtesy)).collect();
        if awake.len() > room {
            awake.select_nth_unstable_by_key(room, |(rank, _, _)| *rank);
            awake.truncate(room);
        }
        awake.sort_unstable();
        let polite = awake.into_iter().filter(|(_, _, courtesy)| *courtesy <= now);
        polite.take(free).map(|(_, peer, _)| *peer).collect()
    }

    /// Looks whether every candidate is heard, and sets the time of the next look.
    fn unheard_due(&mut self, tally: &Tally, heard: impl Fn(&PeerId) -> bool, now: Moment) -> Vec<PeerId> {
        let free = MAX_UNHEARD_DIALS.saturating_sub(tally.unheard_dialling).min(tally.free_dials());
        let mut due = Vec::new();
        self.survey = now + SURVEY;
        for (peer, known) in self.known.iter_mut().filter(|(_, known)| known.is_candidate()) {
            known.unheard = if heard(peer) { None } else { known.unheard.or(Some(now)) };
            let is_due = known.unheard_due().is_some_and(|at| at <= now) && known.rests_until <= now;
            if is_due && due.len() < free {
                due.push(*peer);
            }
        }
        due
    }

    /// The next moment at which time alone makes a dial due. What waits for a limit is woken by the report that frees it.
    fn next_due(&self, survey: bool, now: Moment) -> Option<Moment> {
        let mut next = survey.then_some(self.survey);
        let mut consider = |at: Moment| {
            if at > now && next.is_none_or(|next| at < next) {
                next = Some(at);
            }
        };
        for (_, known) in self.busy() {
            known.redial_due().into_iter().chain(known.deadline()).for_each(&mut consider);
        }
        if !self.full {
            let candidates = self.known.values().filter(|known| known.is_candidate());
            candidates.flat_map(|known| [known.courtesy, known.rests_until]).for_each(consider);
        }
        next
    }
}

/// Takes the lost neighbours that are due and may be dialled, the longest due first.
fn lost_due(tally: &mut Tally) -> Vec<PeerId> {
    let free = MAX_LOST_DIALS.saturating_sub(tally.lost_dialling).min(tally.free_dials());
    let mut lost = std::mem::take(&mut tally.lost);
    lost.sort_unstable();
    lost.truncate(free);
    tally.dialling += lost.len();
    lost.into_iter().map(|(_, peer)| peer).collect()
}

impl Known {
    fn unheard_due(&self) -> Option<Moment> {
        let share = self.rank as f64 / u64::MAX as f64;
        let due = self.unheard? + UNHEARD + UNHEARD_SPREAD.mul_f64(share);
        (self.failures < UNHEARD_TRIES).then_some(due)
    }
}
