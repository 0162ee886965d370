//! What the board knows about one peer.

use std::net::IpAddr;
use std::sync::Arc;

use super::message::{Message, Publication};
use crate::clock::{Moment, UnixMillis};
use crate::proto::presence::Kind;

/// One peer that is here.
#[derive(Debug, Clone)]
pub struct Row {
    /// What it last said about itself.
    pub message: Message,
    /// Whether that was signed.
    pub signed: bool,
    /// Where its last heartbeat came from.
    pub from: IpAddr,
    /// When its last heartbeat came.
    pub heard: Moment,
    /// The same, for people.
    pub last_seen: UnixMillis,
    /// What it last said: `online` or `update`.
    pub kind: Kind,
    /// Bytes of its messages, as others are told them.
    pub bytes_sent: u64,
    /// How much everybody had been told when it came.
    pub told_before: u64,
    /// What others are told, from behind its `type` on.
    pub(super) public: Arc<str>,
    /// When a heartbeat of it was last passed on to goop2.
    pub(super) passed_on: Moment,
    /// Its place among the rows that are due.
    pub(super) due: Moment,
}

impl Row {
    pub(super) fn new(mut publication: Publication, public: Arc<str>, now: Moment, due: Moment, told_before: u64) -> Self {
        // It stands in `public`.
        publication.message.presence.sig = None;
        Self {
            kind: publication.message.presence.kind,
            message: publication.message,
            signed: publication.signed,
            from: publication.from,
            heard: now,
            last_seen: publication.at,
            bytes_sent: public.len() as u64,
            told_before,
            public,
            passed_on: now,
            due,
        }
    }

    /// Notes a message that says what the row says; `false` where it says something else.
    pub(super) fn heartbeat(&mut self, publication: &Publication, now: Moment) -> bool {
        let same = self.signed == publication.signed && self.message.says(&publication.message);
        let addrs_depend_on_it = !self.signed && !self.message.presence.addrs.is_empty();
        if same && (self.from == publication.from || !addrs_depend_on_it) {
            (self.heard, self.last_seen, self.kind) = (now, publication.at, publication.message.presence.kind);
            self.from = publication.from;
            self.bytes_sent += self.public.len() as u64;
            return true;
        }
        false
    }

    /// Takes over a message that says something else; when it is due does not change.
    pub(super) fn replace(&mut self, publication: Publication, public: Arc<str>, now: Moment) {
        let bytes_sent = self.bytes_sent + public.len() as u64;
        *self = Self { bytes_sent, ..Self::new(publication, public, now, self.due, self.told_before) };
    }
}
