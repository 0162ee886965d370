//! What a server's answers say about it, and what they do not: health is what was observed, never what is claimed.
//!
//! One answer that fails makes nothing of a server that was well; [`MISSES`] in a row are a server that is down. Whoever was never seen is
//! [`Health::Unknown`], not well.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Failures in a row after which a server is down.
pub const MISSES: u32 = 3;
/// An answer that takes longer than this is one of a server in trouble.
pub const SLOW: Duration = Duration::from_secs(2);

/// How a server does, as far as it was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It answers.
    Healthy,
    /// It answers slowly, or missed an answer.
    Degraded,
    /// Nobody has looked yet.
    #[default]
    Unknown,
    /// It says that it rests.
    Standby,
    /// It has missed [`MISSES`] answers.
    Down,
}

impl Health {
    /// All of them, the best first.
    pub const ALL: [Self; 5] = [Self::Healthy, Self::Degraded, Self::Unknown, Self::Standby, Self::Down];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Unknown => "unknown",
            Self::Standby => "standby",
            Self::Down => "down",
        }
    }

    /// The health of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|health| health.word() == word)
    }
}

/// What was seen once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// It answered, after this long.
    Answered(Duration),
    /// It answered that it rests.
    Resting,
    /// It did not answer, or somebody else did.
    Missed,
}

/// How a server that was `before`, and had missed so many answers in a row, is after an observation; and how many it has missed then.
pub fn after(before: Health, misses: u32, seen: Observation) -> (Health, u32) {
    match seen {
        Observation::Answered(took) => (if took > SLOW { Health::Degraded } else { Health::Healthy }, 0),
        Observation::Resting => (Health::Standby, 0),
        Observation::Missed => {
            let misses = misses.saturating_add(1);
            let health = match before {
                _ if misses >= MISSES => Health::Down,
                Health::Healthy => Health::Degraded,
                before => before,
            };
            (health, misses)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missed_answer_is_no_dead_server_and_three_are() {
        let (mut health, mut misses) = after(Health::Unknown, 0, Observation::Answered(Duration::ZERO));
        let mut seen = vec![health];
        for _ in 0..3 {
            (health, misses) = after(health, misses, Observation::Missed);
            seen.push(health);
        }
        assert_eq!(seen, [Health::Healthy, Health::Degraded, Health::Degraded, Health::Down]);
        assert_eq!(after(health, misses, Observation::Answered(Duration::from_secs(3))), (Health::Degraded, 0));
        assert_eq!(after(Health::Unknown, 0, Observation::Missed), (Health::Unknown, 1), "unknown is not down");
        assert_eq!(after(Health::Down, 9, Observation::Resting), (Health::Standby, 0));
    }

    #[test]
    fn every_health_has_a_word_of_its_own() {
        for health in Health::ALL {
            assert_eq!(Health::of_word(health.word()), Some(health));
        }
        assert_eq!(Health::of_word("great"), None);
    }
}
