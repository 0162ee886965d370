//! How a server does, in the words that all pages have for it.

use crate::proto::health::Health;

/// What is said of a server that is so, and the class of the badge that says it; `looked` where it is known that somebody has looked.
pub fn state(health: Health, looked: bool) -> (&'static str, &'static str) {
    match health {
        Health::Healthy => ("online", "good"),
        Health::Degraded => ("online, but slow", "warn"),
        Health::Unknown if looked => ("no answer yet", ""),
        Health::Unknown => ("not seen yet", ""),
        Health::Standby => ("resting", "warn"),
        Health::Down => ("does not answer", "bad"),
    }
}
