//! When one link is asked, told and answered. Pure.
//!
//! Questions at 0, 1, 3, 7 … s and then every 60 s; announcements at 0 and 1 s; an answer 20 to 120 ms after a question (the caller
//! draws it), all questions until then in one answer, and no two packets about ourselves within [`GAP`].

use std::time::Duration;

use crate::clock::Moment;

/// The longest time between two questions.
const MAX_QUESTION_GAP: Duration = Duration::from_secs(60);

/// The time between two announcements.
const ANNOUNCE_GAP: Duration = Duration::from_secs(1);

/// How often a new instance is announced.
const ANNOUNCEMENTS: u8 = 2;

/// The shortest time between an answer and whatever we said before it. RFC 6762 (6.) wants a second; a tenth keeps a question flood as
/// harmless and lets a newcomer see us at once.
const GAP: Duration = Duration::from_millis(100);

/// After a packet could not be sent, for example because an IPv6 address is still being checked for duplicates.
const RETRY: Duration = Duration::from_millis(250);

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    /// Ask who is there.
    Question,
    /// Say who we are.
    Answer,
}

/// The timetable of one link.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    question_at: Moment,
    question_gap: Duration,
    announcements_left: u8,
    answer_at: Option<Moment>,
    quiet_until: Moment,
}

impl Schedule {
    /// A link that came up now.
    pub(super) fn new(now: Moment) -> Self {
        Self {
            question_at: now,
            question_gap: Duration::from_secs(1),
            announcements_left: ANNOUNCEMENTS,
            answer_at: Some(now),
            quiet_until: now,
        }
    }

    /// The interfaces changed: ask as at the start.
    pub(super) fn ask(&mut self, now: Moment) {
        self.question_at = now;
        self.question_gap = Duration::from_secs(1);
    }

    /// There is a new instance to announce.
    pub(super) fn announce(&mut self, now: Moment) {
        self.announcements_left = ANNOUNCEMENTS;
        self.answer_at = Some(now);
    }

    /// Somebody asked; answer after `delay`.
    pub(super) fn asked(&mut self, now: Moment, delay: Duration) {
        let wanted = (now + delay).max(self.quiet_until);
        self.answer_at = Some(self.answer_at.map_or(wanted, |planned| planned.min(wanted)));
    }

    /// What is due at `now`.
    pub(super) fn due(&self, now: Moment) -> Option<Due> {
        if self.answer_at.is_some_and(|at| at <= now) {
            return Some(Due::Answer);
        }
        (self.question_at <= now).then_some(Due::Question)
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Moment {
        self.answer_at.map_or(self.question_at, |at| at.min(self.question_at))
    }

    /// It was sent, or there was nothing to say.
    pub(super) fn done(&mut self, due: Due, now: Moment) {
        match due {
            Due::Question => {
                self.question_at = now + self.question_gap;
                self.question_gap = (self.question_gap * 2).min(MAX_QUESTION_GAP);
            }
            Due::Answer => {
                self.announcements_left = self.announcements_left.saturating_sub(1);
                self.answer_at = (self.announcements_left > 0).then(|| now + ANNOUNCE_GAP);
                self.quiet_until = now + GAP;
            }
        }
    }

    /// It could not be sent; try again soon.
    pub(super) fn failed(&mut self, due: Due, now: Moment) {
        match due {
            Due::Question => self.question_at = now + RETRY,
            Due::Answer => self.answer_at = Some(now + RETRY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    /// The times at which each kind is sent, if every packet goes out.
    fn played(schedule: &mut Schedule, until: u64) -> (Vec<u64>, Vec<u64>) {
        let (mut questions, mut answers) = (Vec::new(), Vec::new());
        while schedule.next() <= at(until) {
            let now = schedule.next();
            let millis = u64::try_from(now.since(at(0)).as_millis()).unwrap();
            let due = schedule.due(now).unwrap();
            if due == Due::Question {
                questions.push(millis)
            } else {
                answers.push(millis)
            }
            schedule.done(due, now);
        }
        (questions, answers)
    }

    #[test]
    fn questions_at_0_1_3_7_and_then_every_minute_and_two_announcements() {
        let (questions, answers) = played(&mut Schedule::new(at(0)), 190_000);
        assert_eq!(questions, [0, 1000, 3000, 7000, 15_000, 31_000, 63_000, 123_000, 183_000]);
        assert_eq!(answers, [0, 1000]);
    }

    #[test]
    fn a_flood_of_questions_gets_ten_answers_a_second_at_most() {
        let mut schedule = Schedule::new(at(0));
        played(&mut schedule, 2000);
        let mut answers = 0;
        for millis in 2000..3000 {
            schedule.asked(at(millis), Duration::from_millis(20));
            if schedule.due(at(millis)) == Some(Due::Answer) {
                schedule.done(Due::Answer, at(millis));
                answers += 1;
            }
        }
        assert!((8..=10).contains(&answers), "{answers}");
    }

    #[test]
    fn a_question_is_answered_after_the_drawn_delay() {
        let mut schedule = Schedule::new(at(0));
        played(&mut schedule, 5000);
        schedule.asked(at(5000), Duration::from_millis(77));
        assert_eq!(schedule.next(), at(5077));
    }

    #[test]
    fn what_could_not_be_sent_is_tried_again_soon() {
        let mut schedule = Schedule::new(at(0));
        schedule.failed(Due::Answer, at(0));
        schedule.failed(Due::Question, at(0));
        assert_eq!((schedule.due(at(249)), schedule.next()), (None, at(250)));
    }
}
