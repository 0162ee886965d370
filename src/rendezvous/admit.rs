//! Whether somebody may publish or read, and what a refusal is called in HTTP. The one place where limits, signatures, bindings and
//! doors are asked, in this order: what costs least first, and nothing is counted against a peer that did not write the message.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use thiserror::Error;

use super::{App, Visitor, locked};
use crate::clock::Moment;
use crate::http::{Problem, limit};
use crate::proto::binding;
use crate::proto::board::{Full, Message};
use crate::proto::presence::Kind;
use crate::proto::presence::label::{self, MAX_SHOWN};
use crate::proto::signed::{SignedError, SignedPresence};

/// Why somebody may not publish or read.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Refusal {
    /// There is no such community, or not for this visitor.
    #[error("there is no such community here")]
    NoSuchBoard,
    /// A personal URL publishes for one peer.
    #[error("this URL was given to another peer")]
    AnotherPeersUrl,
    /// Kept out.
    #[error("banned: {0}")]
    Banned(String),
    /// The operator lets nobody publish for now.
    #[error("this server stands by")]
    Standby,
    /// Whom a personal URL belongs to cannot be remembered.
    #[error("the server's database does not work")]
    Database,
    /// Too often, or too many.
    #[error("too much at once")]
    Limit(limit::Refused),
    /// Signed for a server of another name; which, and what this one is called.
    #[error("this message was signed for {0}; this server is {1}")]
    AnotherName(String, String),
    /// A signature that does not hold.
    #[error(transparent)]
    Signature(#[from] SignedError),
    /// The sender may not change this peer's presence.
    #[error(transparent)]
    Binding(#[from] binding::Refusal),
    /// No room for another peer.
    #[error(transparent)]
    Full(#[from] Full),
}

impl From<limit::Refused> for Refusal {
    fn from(refused: limit::Refused) -> Self {
        Self::Limit(refused)
    }
}

/// When a full board is worth another try: those who left are swept out by then.
const FULL_RETRY: Duration = Duration::from_secs(20);

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let detail = refusal.to_string();
        match refusal {
            Refusal::NoSuchBoard => Problem::not_found(detail),
            Refusal::AnotherPeersUrl => Problem::forbidden(detail),
            Refusal::Banned(_) => Problem::new(StatusCode::FORBIDDEN, "banned", detail),
            Refusal::Standby => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "standby", detail).retry_after(FULL_RETRY),
            Refusal::Database => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "database", detail).retry_after(FULL_RETRY),
            Refusal::Limit(refused) => refused.into(),
            Refusal::AnotherName(..) => Problem::new(StatusCode::MISDIRECTED_REQUEST, "another-name", detail),
            Refusal::Signature(_) => Problem::new(StatusCode::FORBIDDEN, "bad-signature", detail),
            Refusal::Binding(binding::Refusal::SignAgain { epoch, seq }) => {
                let again = Problem::new(StatusCode::CONFLICT, "sign-again", detail);
                again.member("epoch", epoch.get()).member("seq", seq)
            }
            Refusal::Binding(_) => Problem::new(StatusCode::FORBIDDEN, "unsigned", detail),
            Refusal::Full(Full) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "full", detail).retry_after(FULL_RETRY),
        }
    }
}

/// A signed message that counts here.
pub(super) struct Signed {
    /// What it says.
    pub(super) presence: SignedPresence,
    /// Whether its peer was not bound before.
    pub(super) first: bool,
}

impl App {
    /// Whether a message was signed for this server by a name of its own (THREATS 3).
    fn is_meant(&self, visitor: &Visitor, signed: &SignedPresence) -> Result<(), Refusal> {
        let audience = &signed.details.audience;
        let names = &self.settings().names;
        if names.include(audience, visitor.address, visitor.local) {
            return Ok(());
        }
        let called = names.configured().unwrap_or_default().to_owned();
        Err(Refusal::AnotherName(label::clean(audience, MAX_SHOWN), called))
    }

    /// Asked before a body is read.
    pub(super) fn admit_sender(&self, visitor: &Visitor, now: Moment) -> Result<(), Refusal> {
        locked(&self.publish_limit).address(visitor.address, now)?;
        if self.standby.load(Ordering::Relaxed) {
            return Err(Refusal::Standby);
        }
        self.admit_visitor(visitor, None)
    }

    /// Whether `message` counts; answers what is signed of it, and whether its peer was not bound before. What its signature says has
    /// then replaced what stood beside it.
    pub(super) fn admit_message(&self, visitor: &Visitor, message: &mut Message, now: Moment) -> Result<Option<Signed>, Refusal> {
        let presence = &mut message.presence;
        let signed = presence.authenticate()?;
        if visitor.peer.is_some_and(|peer| peer != presence.peer) {
            return Err(Refusal::AnotherPeersUrl);
        }
        let (peer, kind) = (presence.peer, presence.kind);
        self.admit_visitor(visitor, Some(&peer))?;
        let mut first = false;
        match &signed {
            Some(signed) => {
                self.is_meant(visitor, signed)?;
                let mut bindings = locked(&self.bindings);
                first = !bindings.is_bound(&peer, now);
                bindings.admit_signed(signed, now)?;
                drop(bindings);
                self.streams.signed(visitor.address, now);
            }
            None => locked(&self.bindings).admit_unsigned(&peer, kind, visitor.address, now)?,
        }
        // A farewell costs nobody anything, and one that is refused leaves a ghost.
        if kind != Kind::Offline {
            locked(&self.publish_limit).peer(peer, now)?;
        }
        Ok(signed.map(|presence| Signed { presence, first }))
    }
}
