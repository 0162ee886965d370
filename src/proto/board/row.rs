//! What the board knows about one peer.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

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
    /// Its id as text.
    pub(super) peer: Arc<str>,
    /// The other instance of this server that heard it last; `None`: this one.
    pub elsewhere: Option<u64>,
    /// When its TTL lapses, if nothing more is heard.
    pub(super) lapse: Moment,
    /// How much longer the instance that heard it may know better.
    pub(super) grace: Duration,
    /// What others are told, from behind its `type` on.
    pub(super) public: Arc<str>,
    /// When a heartbeat of it was last passed on to goop2.
    pub(super) passed_on: Moment,
    /// Its place among the rows that are due.
    pub(super) due: Moment,
}

impl Row {
    pub(super) fn new(publication: Publication, [peer, public]: [Arc<str>; 2], now: Moment, lapse: Moment, told_before: u64) -> Self {
        Self {
            kind: publication.message.presence.kind,
            message: publication.message,
            signed: publication.signed,
            from: publication.from,
            heard: now,
            last_seen: publication.at,
            bytes_sent: public.len() as u64,
            told_before,
            peer,
            elsewhere: None,
            lapse,
            grace: Duration::ZERO,
            public,
            passed_on: now,
            due: lapse,
        }
    }

    /// When it is removed, unless more is heard.
    pub(super) fn lapses(&self) -> Moment {
        self.lapse + self.grace
    }

    /// Notes a message that says what the row says; `false` where it says something else.
    pub(super) fn heartbeat(&mut self, publication: &Publication, now: Moment, lapse: Moment) -> bool {
        let same = self.signed == publication.signed && self.message.says(&publication.message);
        let addrs_depend_on_it = !self.signed && !self.message.presence.addrs.is_empty();
        if same && (self.from == publication.from || !addrs_depend_on_it) {
            (self.heard, self.last_seen, self.kind) = (now, publication.at, publication.message.presence.kind);
            (self.from, self.elsewhere, self.lapse, self.grace) = (publication.from, None, lapse, Duration::ZERO);
            self.bytes_sent += self.public.len() as u64;
            return true;
        }
        false
    }

    /// Takes over a message that says something else; when it is due does not change.
    pub(super) fn replace(&mut self, publication: Publication, public: Arc<str>, now: Moment, lapse: Moment) {
        let (bytes_sent, due) = (self.bytes_sent + public.len() as u64, self.due);
        *self = Self { bytes_sent, due, ..Self::new(publication, [self.peer.clone(), public], now, lapse, self.told_before) };
    }
}
