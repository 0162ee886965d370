//! A file on its way from one peer to another: what is offered, and what may happen to it when.
//!
//! The sender offers (name, size, hash), the receiver decides, and then fetches the bytes at its own pace, from where it was when a
//! connection or a program ended. Nothing is pushed: bytes travel only after an [`Step::Accept`]. Only when all of them are there and
//! have the hash that was offered does the file get its name.
//!
//! ```text
//! sender    Waiting -> Offered -> Accepted -> Done
//!              '-> Linked (the other knows no transfers)
//! receiver             Offered -> Accepted <-> Paused
//!                                    '-> Done
//! both      any of these -> Declined, Cancelled, Expired, Failed
//! ```

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::rate::Rate;

pub mod name;

/// Largest file, in bytes.
pub const MAX_FILE: u64 = 64 << 30;
/// Largest file that a stranger may offer, in bytes: whom the owner neither keeps nor wrote to.
pub const MAX_OF_A_STRANGER: u64 = 1 << 30;
/// Offers of one peer that wait for a decision; one more is refused.
pub const MAX_OFFERS_OF_A_PEER: u32 = 32;
/// As [`MAX_OFFERS_OF_A_PEER`], of a stranger.
pub const MAX_OFFERS_OF_A_STRANGER: u32 = 3;
/// Offers of all strangers that wait for a decision; one more is refused.
pub const MAX_OFFERS_OF_STRANGERS: u32 = 64;
/// Transfers that have not ended; one more is refused.
pub const MAX_OPEN: u32 = 512;
/// Transfers that have ended and are remembered; the oldest leave first.
pub const MAX_CLOSED: u32 = 500;
/// As [`MAX_CLOSED`], of strangers' offers that came to nothing: they leave by themselves, and push nothing else out.
pub const MAX_CLOSED_OF_STRANGERS: u32 = 100;
/// Offers that one peer may make: ten at once, then two a minute.
pub const OFFERS_PER_PEER: Rate = Rate { burst: 10, per_second: 1.0 / 30.0 };
/// Peers whose offers are counted.
pub const OFFERING_PEERS: usize = 10_000;
/// How long an offer, a link, and what was accepted wait for the other side.
pub const LASTS: Duration = Duration::from_secs(7 * 24 * 3600);
/// Longest id, name and media type of an offer, in bytes.
pub const MAX_TEXT: usize = 1024;

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To us.
    In,
    /// From us.
    Out,
}

/// How a transfer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The other side was not told yet.
    Waiting,
    /// The receiver has not decided.
    Offered,
    /// The receiver wants it, and fetches it when it can.
    Accepted,
    /// The receiver stopped for a while, or for want of room.
    Paused,
    /// The other side knows no transfers and was given a link to our site.
    Linked,
    /// All of it arrived.
    Done,
    /// The receiver does not want it.
    Declined,
    /// One of both took it back.
    Cancelled,
    /// Nobody decided in time.
    Expired,
    /// It did not work out.
    Failed,
}

/// What happens to a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// The receiver has the offer.
    Tell,
    /// The receiver has a link instead.
    Link,
    /// The receiver wants it.
    Accept,
    /// The receiver stops for a while.
    Pause,
    /// The receiver goes on.
    Resume,
    /// All of it arrived.
    Finish,
    /// The receiver does not want it.
    Decline,
    /// One of both takes it back.
    Cancel,
    /// Its time is over.
    Expire,
    /// It cannot work out.
    Fail,
}

impl State {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Waiting,
        Self::Offered,
        Self::Accepted,
        Self::Paused,
        Self::Linked,
        Self::Done,
        Self::Declined,
        Self::Cancelled,
        Self::Expired,
        Self::Failed,
    ];

    /// The word for it, on disk and in the API.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Offered => "offered",
            Self::Accepted => "accepted",
            Self::Paused => "paused",
            Self::Linked => "linked",
            Self::Done => "done",
            Self::Declined => "declined",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }

    /// The state of this word.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether anything may still happen.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Waiting | Self::Offered | Self::Accepted | Self::Paused | Self::Linked)
    }

    /// The state after `step`; `None` where the step cannot be taken.
    pub fn after(self, direction: Direction, step: Step) -> Option<Self> {
        use Direction::{In, Out};
        Some(match (self, step, direction) {
            (Self::Waiting, Step::Tell, Out) => Self::Offered,
            (Self::Waiting, Step::Link, Out) => Self::Linked,
            // The sender hears of an acceptance when the first bytes are asked for.
            (Self::Offered, Step::Accept, _) | (Self::Waiting, Step::Accept, Out) => Self::Accepted,
            (Self::Accepted, Step::Pause, In) => Self::Paused,
            (Self::Paused, Step::Resume, In) => Self::Accepted,
            (Self::Accepted, Step::Finish, _) | (Self::Offered, Step::Finish, Out) => Self::Done,
            (Self::Offered, Step::Decline, _) | (Self::Waiting, Step::Decline, Out) => Self::Declined,
            (open, Step::Cancel, _) if open.is_open() => Self::Cancelled,
            (open, Step::Expire, _) if open.is_open() => Self::Expired,
            (open, Step::Fail, _) if open.is_open() => Self::Failed,
            _ => return None,
        })
    }
}

/// What a sender says about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Unique among the offers of its sender.
    pub id: String,
    /// What the sender calls it; foreign text, see [`name::safe`].
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// What the sender takes it for; never believed.
    #[serde(rename = "type", default)]
    pub mime: String,
    /// SHA-256 of all of it, in lower-case hex.
    pub hash: String,
}

/// Why an offer is not understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OfferError {
    /// No id, or one that is too long or odd.
    #[error("an id has 8 to 64 letters, digits and hyphens")]
    Id,
    /// A name or type that is too long.
    #[error("a name and a type have at most {MAX_TEXT} bytes")]
    TooLong,
    /// No hash.
    #[error("a hash is 64 hex digits")]
    Hash,
}

impl Offer {
    /// Whether the offer can be what it claims to be.
    ///
    /// # Errors
    /// See [`OfferError`].
    pub fn check(&self) -> Result<(), OfferError> {
        if !is_id(&self.id) {
            return Err(OfferError::Id);
        }
        if self.name.len() > MAX_TEXT || self.mime.len() > MAX_TEXT {
            return Err(OfferError::TooLong);
        }
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if self.hash.len() == 64 && self.hash.bytes().all(is_hex) { Ok(()) } else { Err(OfferError::Hash) }
    }
}

/// Whether `id` can be the id of an offer.
pub fn is_id(id: &str) -> bool {
    (8..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// How many bytes one may offer whom the owner knows, or does not.
pub fn most_bytes(known: bool) -> u64 {
    if known { MAX_FILE } else { MAX_OF_A_STRANGER }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEPS: [Step; 10] = [
        Step::Tell,
        Step::Link,
        Step::Accept,
        Step::Pause,
        Step::Resume,
        Step::Finish,
        Step::Decline,
        Step::Cancel,
        Step::Expire,
        Step::Fail,
    ];

    fn offer() -> Offer {
        Offer { id: "0123456789".into(), name: "a".into(), size: 1, mime: String::new(), hash: "ab".repeat(32) }
    }

    #[test]
    fn every_state_has_a_word_of_its_own() {
        for state in State::ALL {
            assert_eq!(State::of_word(state.word()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
        }
    }

    #[test]
    fn an_offer_that_cannot_be_one_is_refused() {
        assert_eq!(offer().check(), Ok(()));
        for id in ["", "short", "../../../etc", "with space 1", &"x".repeat(65)] {
            assert_eq!(Offer { id: id.into(), ..offer() }.check(), Err(OfferError::Id));
        }
        for hash in ["", "AB", &"AB".repeat(32), &"g".repeat(64), &"a".repeat(63)] {
            assert_eq!(Offer { hash: hash.into(), ..offer() }.check(), Err(OfferError::Hash));
        }
        assert_eq!(Offer { name: "x".repeat(MAX_TEXT + 1), ..offer() }.check(), Err(OfferError::TooLong));
    }

    proptest! {
        /// Nothing arrives that was not accepted, and what ended stays ended.
        #[test]
        fn bytes_travel_only_after_consent(steps in prop::collection::vec(0..STEPS.len(), 0..30), incoming in any::<bool>()) {
            let (direction, mut state) = if incoming { (Direction::In, State::Offered) } else { (Direction::Out, State::Waiting) };
            let mut accepted = false;
            for step in steps.into_iter().map(|at| STEPS[at]) {
                let Some(next) = state.after(direction, step) else { continue };
                prop_assert!(state.is_open(), "{:?} went on to {:?}", state, next);
                accepted |= step == Step::Accept;
                if incoming && matches!(next, State::Accepted | State::Paused | State::Done) {
                    prop_assert!(accepted);
                }
                state = next;
            }
            prop_assert!(!state.is_open() || state.after(direction, Step::Cancel) == Some(State::Cancelled));
        }
    }
}
