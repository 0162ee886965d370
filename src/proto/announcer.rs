//! Decides when this peer publishes its own presence on gossip, and as what.
//!
//! Reasons to publish, and when each is due:
//!
//! - the start, and a gossip neighbour that has just subscribed: `online`, at once. Before the first one subscribes nobody hears us.
//! - a heartbeat: `update`, one heartbeat after whatever was published last.
//! - a newcomer: `update`, so that it hears at once who is here rather than at the next heartbeat. Everybody hears the newcomer at
//!   the same time, so each waits a random part of [`ANSWER_SPREAD`] per known peer, and never longer than a heartbeat; one answer
//!   serves all newcomers of [`ANSWER_GAP`].
//! - a changed profile: `update`, at once.
//! - the stop: `offline`, at once; after it nothing is published any more.
//!
//! Whatever is published says everything there is to say, so it settles every reason that stood before it: reasons are a single
//! moment, not a queue. [`BUDGET`] spaces publications out; it lies well below what a source may send
//! ([`GOSSIP_PER_SOURCE`](super::rate::GOSSIP_PER_SOURCE)). A publication that has to wait for the budget is late, never lost.

use std::time::Duration;

use super::presence::Kind;
use super::rate::{Rate, TokenBucket};
use crate::clock::Moment;

/// How often we publish: eight times at once, then three times in two seconds; `offline` is free.
pub const BUDGET: Rate = Rate { burst: 8, per_second: 1.5 };
/// Least time between two publications, in which further reasons gather; `offline` does not wait.
pub const GATHER: Duration = Duration::from_millis(250);
/// Time over which the answers to a newcomer are spread, for each peer that is known.
pub const ANSWER_SPREAD: Duration = Duration::from_millis(5);
/// Least time between two answers to newcomers.
pub const ANSWER_GAP: Duration = Duration::from_secs(1);

/// The reasons that stand, as the moment at which they are to be settled.
#[derive(Debug)]
pub struct Announcer {
    heartbeat: Duration,
    budget: TokenBucket,
    last: Option<Moment>,
    online: bool,
    answer: bool,
    last_answer: Option<Moment>,
    due: Option<Moment>,
    stopping: Stopping,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    No,
    SayOffline,
    Silent,
}

impl Announcer {
    /// An announcer that starts now: `online` is due at once. `heartbeat` is `presence.heartbeat_seconds`.
    pub fn new(heartbeat: Duration, now: Moment) -> Self {
        let budget = TokenBucket::new(BUDGET, now);
        let (last, last_answer) = (None, None);
        Self { heartbeat, budget, last, online: true, answer: false, last_answer, due: Some(now), stopping: Stopping::No }
    }

    /// A gossip neighbour subscribed to the topic, and has heard nothing from us yet.
    pub fn subscribed(&mut self, now: Moment) {
        self.online = true;
        self.want(now);
    }

    /// A peer became online in the table through gossip, where `known` peers are online now. `jitter` is random in `[0, 1)`.
    pub fn newcomer(&mut self, known: usize, jitter: f64, now: Moment) {
        let spread = ANSWER_SPREAD.saturating_mul(u32::try_from(known).unwrap_or(u32::MAX)).min(self.heartbeat);
        let at = now + spread.mul_f64(jitter.clamp(0.0, 1.0));
        self.answer = true;
        self.want(self.last_answer.map_or(at, |last| at.max(last + ANSWER_GAP)));
    }

    /// The label, the avatar or another part of the own presence changed.
    pub fn profile_changed(&mut self, now: Moment) {
        self.want(now);
    }

    /// The peer stops: `offline` is due at once, and nothing after it.
    pub fn stop(&mut self) {
        if self.stopping == Stopping::No {
            self.stopping = Stopping::SayOffline;
        }
    }

    /// What to publish at `now`, if anything; it counts as published.
    pub fn poll(&mut self, now: Moment) -> Option<Kind> {
        match self.stopping {
            Stopping::Silent => return None,
            Stopping::SayOffline => {
                self.stopping = Stopping::Silent;
                return Some(Kind::Offline);
            }
            Stopping::No if self.next_wakeup(now)? > now => return None,
            Stopping::No => {}
        }
        self.budget.take(now);
        self.last = Some(now);
        if std::mem::take(&mut self.answer) {
            self.last_answer = Some(now);
        }
        self.due = None;
        Some(if std::mem::take(&mut self.online) { Kind::Online } else { Kind::Update })
    }

    /// When [`Self::poll`] next has something to say; `None` once the peer has stopped.
    pub fn next_wakeup(&self, now: Moment) -> Option<Moment> {
        match self.stopping {
            Stopping::Silent => return None,
            Stopping::SayOffline => return Some(now),
            Stopping::No => {}
        }
        let heartbeat = self.last.map(|last| last + self.heartbeat);
        let due = self.due.into_iter().chain(heartbeat).min()?;
        let gathered = self.last.map_or(due, |last| due.max(last + GATHER));
        Some(gathered.max(self.budget.next_token(now)))
    }

    fn want(&mut self, at: Moment) {
        self.due = Some(self.due.map_or(at, |due| due.min(at)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proto::rate::GOSSIP_PER_SOURCE;

    const HEARTBEAT: Duration = Duration::from_secs(5);

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    /// An announcer that has said `online` at zero.
    fn started() -> Announcer {
        let mut announcer = Announcer::new(HEARTBEAT, at(0));
        assert_eq!(announcer.poll(at(0)), Some(Kind::Online));
        announcer
    }

    /// What is published from now to `until`, polled exactly when asked for.
    fn run(announcer: &mut Announcer, mut now: Moment, until: Moment) -> Vec<(Moment, Kind)> {
        let mut said = Vec::new();
        while let Some(wake) = announcer.next_wakeup(now).filter(|wake| *wake <= until) {
            now = now.max(wake);
            said.push((now, announcer.poll(now).expect("a wake-up has a reason")));
        }
        said
    }

    #[test]
    fn a_peer_says_online_at_its_start_and_then_beats() {
        let mut announcer = started();
        let said = run(&mut announcer, at(0), at(15_500));
        assert_eq!(said, [(at(5000), Kind::Update), (at(10_000), Kind::Update), (at(15_000), Kind::Update)]);
    }

    #[test]
    fn neighbours_that_subscribe_together_hear_one_online_at_once() {
        let mut announcer = started();
        for millis in [1000, 1001, 1002] {
            announcer.subscribed(at(millis));
        }
        assert_eq!(announcer.poll(at(1002)), Some(Kind::Online));
        announcer.subscribed(at(1003));
        assert_eq!(run(&mut announcer, at(1003), at(3000)), [(at(1252), Kind::Online)]);
    }

    #[test]
    fn a_newcomer_is_answered_within_the_spread_and_only_once() {
        let mut announcer = started();
        announcer.newcomer(40, 0.5, at(1000));
        announcer.newcomer(41, 0.9, at(1010));
        assert_eq!(run(&mut announcer, at(1010), at(5000)), [(at(1100), Kind::Update)]);
    }

    #[test]
    fn a_newcomer_never_waits_longer_than_a_heartbeat() {
        let mut announcer = started();
        announcer.newcomer(100_000, 0.999, at(1000));
        assert_eq!(run(&mut announcer, at(1000), at(6000))[0].0, at(5000));
    }

    #[test]
    fn answers_to_a_stream_of_newcomers_come_at_most_once_a_second() {
        let mut announcer = started();
        let mut said = 0;
        for millis in 1000..61_000 {
            announcer.newcomer(2, 0.0, at(millis));
            said += usize::from(announcer.poll(at(millis)).is_some());
        }
        assert_eq!(said, 60, "answers in a minute");
    }

    #[test]
    fn changes_of_the_profile_gather_and_the_last_one_is_published() {
        let mut announcer = started();
        announcer.profile_changed(at(1000));
        assert_eq!(announcer.poll(at(1000)), Some(Kind::Update));
        announcer.profile_changed(at(1001));
        announcer.profile_changed(at(1200));
        assert_eq!(run(&mut announcer, at(1200), at(3000)), [(at(1250), Kind::Update)]);
    }

    #[test]
    fn a_stop_says_offline_once_whatever_the_budget_and_then_nothing() {
        let mut announcer = started();
        announcer.subscribed(at(1));
        announcer.stop();
        assert_eq!(announcer.next_wakeup(at(1)), Some(at(1)));
        assert_eq!(announcer.poll(at(1)), Some(Kind::Offline));
        announcer.subscribed(at(2));
        announcer.stop();
        assert_eq!((announcer.poll(at(9000)), announcer.next_wakeup(at(9000))), (None, None));
    }

    proptest! {
        /// Reasons at any time: each is settled within 1.3 seconds, and no receiver ever drops us for our rate.
        #[test]
        fn every_reason_is_settled_and_the_rate_is_kept(reasons in proptest::collection::vec((0..3000u64, 0..3u8), 1..200)) {
            let mut announcer = started();
            let mut receiver = TokenBucket::new(GOSSIP_PER_SOURCE, at(0));
            let mut now = 0;
            for (pause, reason) in reasons {
                for (_, kind) in run(&mut announcer, at(now), at(now + pause)) {
                    prop_assert!(kind != Kind::Offline && receiver.take(at(now + pause)));
                }
                now += pause;
                match reason {
                    0 => announcer.subscribed(at(now)),
                    1 => announcer.newcomer(3, 0.5, at(now)),
                    _ => announcer.profile_changed(at(now)),
                }
                let wake = announcer.next_wakeup(at(now)).unwrap();
                prop_assert!(wake <= at(now + 1300), "due {wake:?} at {now}");
            }
        }
    }
}
