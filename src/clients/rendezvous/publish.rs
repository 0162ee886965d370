//! The publisher: says at a server that this peer is here, in the form which that server understands.
//!
//! `online` as soon as the server is known, `update` at most a heartbeat after the last message and whenever something changes, `online` again
//! when the server was started anew, `offline` at the end. What fails is tried again soon; while the server asks for time it gets it.

use std::time::Duration;

use libp2p::PeerId;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::link::Link;
use super::request::{self, Failure};
use super::retry::{Backoff, beat};
use super::{Known, Options};
use crate::clock::UnixMillis;
use crate::proto::presence::{Kind, Presence};
use crate::proto::signed::{Details, SignedPresence};

/// Messages that are sent for one occasion: signed again, in plainer form, or at another place.
pub const TRIES: usize = 4;
/// How long the goodbye may take.
pub const FAREWELL: Duration = Duration::from_millis(500);
/// Further changes gather for this long.
const GATHER: Duration = Duration::from_millis(250);
/// A body above this many bytes leaves out what its signed part says anyway; servers take 16 KiB.
const MAX_BODY: usize = 12 * 1024;

struct Publisher<'a> {
    link: &'a Link,
    options: Options,
    me: PeerId,
    known: watch::Receiver<Option<Known>>,
    /// What the last message that was taken was written for.
    taken_by: Option<Known>,
    /// Whether the server takes the seed's six keys only.
    plain: bool,
    due: Instant,
    not_before: Instant,
    backoff: Backoff,
}

/// Publishes until `stop`, then says goodbye.
pub async fn run(link: &Link, options: Options, stop: &CancellationToken) {
    let me = options.key.public().to_peer_id();
    let (known, now) = (link.known(), Instant::now());
    let mut publisher =
        Publisher { link, options, me, known, taken_by: None, plain: false, due: now, not_before: now, backoff: Backoff::default() };
    let _ = stop.run_until_cancelled(publisher.run()).await;
    if publisher.taken_by.is_some() {
        let _ = tokio::time::timeout(FAREWELL, publisher.say(Kind::Offline)).await;
    }
}

impl Publisher<'_> {
    async fn run(&mut self) {
        let _ = self.known.wait_for(Option::is_some).await;
        loop {
            let at = self.due.max(self.not_before);
            tokio::select! {
                () = tokio::time::sleep_until(at) => self.publish().await,
                Ok(()) = self.options.shown.changed() => self.due = Instant::now() + GATHER,
                Ok(()) = self.known.changed() => self.reached_anew(),
            }
        }
    }

    /// The listener has reached the server again: it may have forgotten us, or be another kind of server.
    fn reached_anew(&mut self) {
        let known = *self.known.borrow_and_update();
        if known != self.taken_by {
            (self.plain, self.due) = (false, Instant::now());
        }
    }

    async fn publish(&mut self) {
        let known = *self.known.borrow_and_update();
        let kind = if known == self.taken_by { Kind::Update } else { Kind::Online };
        self.options.shown.mark_unchanged();
        match self.say(kind).await {
            Ok(by) => self.taken(by),
            Err(failure) => self.failed(&failure),
        }
    }

    fn taken(&mut self, by: Known) {
        self.taken_by = Some(by);
        self.backoff.reset();
        self.due = Instant::now() + beat(self.options.heartbeat, rand::random());
        self.link.refused(None);
    }

    /// The next try goes out as `online`: the server may have let us lapse meanwhile.
    fn failed(&mut self, failure: &Failure) {
        debug!(server = self.link.place().name(), %failure, "a rendezvous did not take our presence");
        self.taken_by = None;
        let wait = self.backoff.next(failure.retry_after(), rand::random());
        let final_word = failure.retry_after().is_some() || failure.status().is_some_and(|status| status.is_client_error());
        let wait = if final_word { wait } else { wait.min(self.options.heartbeat) };
        self.due = Instant::now() + wait;
        self.not_before = self.due;
        if failure.status().is_some() {
            self.link.refused(Some(failure.to_string()));
        }
    }

    /// Says it in whichever way the server takes it; answers what the server turned out to be.
    async fn say(&mut self, kind: Kind) -> Result<Known, Failure> {
        let mut known = (*self.known.borrow()).unwrap_or(Known::Goop2);
        let mut tried = Err(Failure::TimedOut);
        for _ in 0..TRIES {
            tried = self.post(kind, known).await;
            let Err(failure) = &tried else { return Ok(known) };
            match self.another_way(known, failure) {
                Some(another) => known = another,
                None => break,
            }
        }
        tried.map(|()| known)
    }

    /// What to try after a failure; `None` if it is to be left for later.
    fn another_way(&mut self, known: Known, failure: &Failure) -> Option<Known> {
        match (known, failure) {
            (Known::Ours { server, .. }, Failure::Refused { sign_again: Some(again), .. }) => {
                self.options.sequences.jump(server, again.seq).then_some(Known::Ours { server, epoch: again.epoch })
            }
            (Known::Goop2, Failure::Refused { status: StatusCode::BAD_REQUEST, .. }) if !self.plain => {
                self.plain = true;
                Some(known)
            }
            (_, Failure::Moved { to, by }) => self.link.change_place(|place| place.moved(PUBLISH, to, *by)).is_ok().then_some(known),
            _ => None,
        }
    }

    async fn post(&self, kind: Kind, known: Known) -> Result<(), Failure> {
        let client = self.link.client()?;
        let request = client.post(self.link.place().endpoint(PUBLISH)).header(CONTENT_TYPE, "application/json");
        let answer = request::send(self.link, request.body(self.message(kind, known)?)).await?;
        request::body(answer).await.map(drop)
    }

    fn message(&self, kind: Kind, known: Known) -> Result<String, Failure> {
        let shown = self.options.shown.borrow().clone();
        let plain = Presence {
            content: shown.content.clone(),
            email: shown.email.clone(),
            avatar_hash: shown.avatar_hash.clone(),
            ..Presence::new(kind, self.me, UnixMillis::now())
        };
        if known == Known::Goop2 && self.plain {
            return Ok(plain.to_json());
        }
        let whole = Presence { addrs: shown.addrs.clone(), client_version: Some(env!("CARGO_PKG_VERSION").into()), ..plain };
        let Known::Ours { server, epoch } = known else { return Ok(whole.to_json()) };
        let seq = self.options.sequences.next(server);
        let (content, addrs) = (whole.content.clone(), whole.addrs.clone());
        let (email, avatar_hash) = (whole.email.clone().unwrap_or_default(), whole.avatar_hash.clone().unwrap_or_default());
        let (audience, since) = (self.link.place().origin(), shown.since);
        let details = Details { audience, since, email: Some(email), avatar_hash: Some(avatar_hash) };
        let signed = SignedPresence { peer: self.me, kind, seq, epoch, content, addrs, server, details };
        let sig = signed.sign(&self.options.key).map_err(|_| Failure::Strange("the key cannot sign"))?;
        let signed = Presence { sig: Some(sig), ..whole };
        let json = signed.to_json();
        Ok(if json.len() <= MAX_BODY { json } else { Presence { content: String::new(), addrs: Vec::new(), ..signed }.to_json() })
    }
}

const PUBLISH: &str = "publish";
