//! The listener: learns what kind of server there is, opens its stream, passes on what it tells, and begins again when it ends.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use eventsource_stream::Event;
use futures::{StreamExt, future, stream};
use libp2p::PeerId;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::events::{Events, IDLE, MaxEvent, events};
use super::link::Link;
use super::place::Place;
use super::request::{self, Failure, WELL_KNOWN};
use super::retry::{Backoff, FIRST};
use super::{Known, News, Stream};
use crate::clock::Moment;
use crate::proto::presence::snapshot::{MAX_SNAPSHOT, Snapshot};
use crate::proto::presence::{MAX_BYTES, Presence};
use crate::proto::rate::TokenBucket;
use crate::proto::signed::hearing::{Hearing, VERIFIED};
use crate::proto::signed::{EPOCH_HEADER, Epoch};

/// The stream of servers of ours.
const CHANGES: &str = "api/v1/events";
/// The stream of goop2's servers.
const LINES: &str = "events";
/// Longest event id that is given back.
const MAX_ID: usize = 128;
/// Signatures of a snapshot that are verified before others get their turn.
const VERIFIED_AT_ONCE: usize = 32;
/// A stream that lasted this long was no mere stage on the way.
const STEADY: Duration = Duration::from_secs(30);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Where a community went.
#[derive(Deserialize)]
struct Moved {
    url: String,
}

struct Listener<'a> {
    link: &'a Link,
    news: &'a mpsc::Sender<News>,
    backoff: Backoff,
    /// The last event of the changes that was taken, and of which server.
    last: Option<(PeerId, String)>,
    hearing: Hearing,
    verifying: TokenBucket,
}

/// Listens until `stop`, or until nobody takes the news.
pub async fn run(link: &Link, me: PeerId, news: &mpsc::Sender<News>, stop: &CancellationToken) {
    let (hearing, verifying) = (Hearing::new(me), TokenBucket::new(VERIFIED, Moment::now()));
    let mut listener = Listener { link, news, backoff: Backoff::default(), last: None, hearing, verifying };
    let _ = stop.run_until_cancelled(listener.run()).await;
}

impl Listener<'_> {
    async fn run(&mut self) {
        while !self.news.is_closed() {
            let begun = Moment::now();
            let Err(failure) = self.listen().await;
            let _ = self.news.send(News::Closed).await;
            if Moment::now().since(begun) >= STEADY {
                self.link.change_place(Place::proven);
            }
            if matches!(failure, Failure::Moved { .. } | Failure::Elsewhere) {
                self.last = None;
                tokio::time::sleep(FIRST.mul_f64(rand::random())).await;
                continue;
            }
            self.link.change_place(Place::failed);
            if self.link.stream_is(Stream::Retrying { why: failure.to_string() }) {
                info!(server = self.link.place().name(), %failure, "not connected to a rendezvous; trying again");
            }
            tokio::time::sleep(self.backoff.next(failure.retry_after(), rand::random())).await;
        }
    }

    async fn listen(&mut self) -> Result<Infallible, Failure> {
        let (place, client) = (self.link.place(), self.link.client()?);
        let known = request::learn(self.link, &client, &place).await.map_err(|failure| self.followed(WELL_KNOWN, failure))?;
        let resumed = self.resumable(known).is_some();
        let (known, response) = self.open(&client, &place, known).await?;
        let known = self.of_this_run(&client, &place, known, &response).await?;
        self.link.learnt(known);
        self.hearing.listen_to(match known {
            Known::Ours { server, epoch } => Some((server, epoch)),
            Known::Goop2 => None,
        });
        let by = request::speaker(&response);
        let mut events = self.heard(known, response).await?;
        let changes_only = matches!(known, Known::Ours { .. });
        self.pass_on(News::Opened { changes_only, resumed: resumed && changes_only }).await?;
        self.link.stream_is(Stream::Connected { ours: changes_only });
        loop {
            let event = tokio::select! {
                event = events.next() => event.ok_or(Failure::Ended)??,
                () = self.link.is_elsewhere(&place) => return Err(Failure::Elsewhere),
            };
            self.take(known, event, by).await?;
        }
    }

    /// Opens the stream of a server; one without the changes is taken for goop2's.
    async fn open(&self, client: &reqwest::Client, place: &Place, known: Known) -> Result<(Known, Response), Failure> {
        let endpoint = if known == Known::Goop2 { LINES } else { CHANGES };
        let mut request = client.get(place.endpoint(endpoint)).header(ACCEPT, "text/event-stream");
        if let Some(id) = self.resumable(known) {
            request = request.header(LAST_EVENT_ID, id);
        }
        match request::send(self.link, request).await {
            Ok(response) if is_event_stream(&response) => Ok((known, response)),
            Ok(_) => Err(Failure::Strange("it is no event stream")),
            Err(failure) if known != Known::Goop2 && failure.status() == Some(StatusCode::NOT_FOUND) => {
                Box::pin(self.open(client, place, Known::Goop2)).await
            }
            Err(failure) => Err(self.followed(endpoint, failure)),
        }
    }

    /// The server may have been started anew between two requests, perhaps as another one: the run that a stream belongs to is said with the
    /// stream, and where that is not the one that said who it is, it is asked who.
    async fn of_this_run(&self, client: &reqwest::Client, place: &Place, known: Known, stream: &Response) -> Result<Known, Failure> {
        if in_run(known, stream) == known {
            return Ok(known);
        }
        let again = request::learn(self.link, client, place).await.map_err(|failure| self.followed(WELL_KNOWN, failure))?;
        Ok(in_run(again, stream))
    }

    /// Waits for the first bytes, which prove that the stream is one.
    async fn heard(&mut self, known: Known, response: Response) -> Result<Events, Failure> {
        let mut bytes = response.bytes_stream();
        let first = tokio::time::timeout(IDLE, bytes.next()).await.map_err(|_| Failure::Silent)?;
        let first = first.and_then(Result::ok).ok_or(Failure::Ended)?;
        self.backoff.reset();
        let max = if known == Known::Goop2 { MAX_BYTES } else { MAX_SNAPSHOT };
        let whole = stream::once(future::ready(Ok(first))).chain(bytes);
        Ok(events(whole, MaxEvent(max)))
    }

    async fn take(&mut self, known: Known, event: Event, by: Option<IpAddr>) -> Result<(), Failure> {
        let news = match (known, event.event.as_str()) {
            (Known::Goop2, "message") | (Known::Ours { .. }, "online" | "update" | "offline") => self.told(&event.data).await,
            (Known::Ours { .. }, "snapshot") => Some(self.snapshot(&event.data).await?),
            (Known::Ours { .. }, "moved") => return Err(self.moved(&event.data, by)),
            _ => None,
        };
        if let Some(news) = news {
            self.pass_on(news).await?;
        }
        if let Known::Ours { server, .. } = known
            && !event.id.is_empty()
        {
            self.last = Some((server, event.id)).filter(|(_, id)| id.len() <= MAX_ID);
        }
        Ok(())
    }

    async fn told(&mut self, data: &str) -> Option<News> {
        match Presence::parse(data.as_bytes()) {
            Ok(presence) => self.believe(presence).await.map(Box::new).map(News::Told),
            Err(error) => {
                debug!(%error, "a rendezvous told something strange");
                None
            }
        }
    }

    async fn snapshot(&mut self, data: &str) -> Result<News, Failure> {
        let told = Snapshot::parse(data.as_bytes()).map_err(|_| Failure::Strange("the snapshot is malformed"))?;
        let mut peers = Vec::with_capacity(told.peers.len());
        for (nth, presence) in told.peers.into_iter().enumerate() {
            peers.extend(self.believe(presence).await);
            if nth % VERIFIED_AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(News::Snapshot(Snapshot { complete: told.complete, peers }))
    }

    /// What is proven of a message; waits where there was too much to verify.
    async fn believe(&mut self, told: Presence) -> Option<Presence> {
        while told.sig.is_some() && !self.verifying.take(Moment::now()) {
            let now = Moment::now();
            tokio::time::sleep(self.verifying.next_token(now).since(now)).await;
        }
        self.hearing.believe(told)
    }

    fn moved(&self, data: &str, by: Option<IpAddr>) -> Failure {
        match serde_json::from_str::<Moved>(data) {
            Ok(Moved { url }) => self.followed(CHANGES, Failure::Moved { to: url, by }),
            Err(_) => Failure::Strange("the server moved, but did not say where to"),
        }
    }

    /// A redirect is followed, if it may be.
    fn followed(&self, endpoint: &str, failure: Failure) -> Failure {
        let Failure::Moved { to, by } = &failure else { return failure };
        match self.link.change_place(|place| place.moved(endpoint, to, *by)) {
            Ok(()) => failure,
            Err(bad) => Failure::BadMove(bad),
        }
    }

    fn resumable(&self, known: Known) -> Option<&str> {
        let (of, id) = self.last.as_ref()?;
        matches!(known, Known::Ours { server, .. } if server == *of).then_some(id.as_str())
    }

    async fn pass_on(&self, news: News) -> Result<(), Failure> {
        self.news.send(news).await.map_err(|_| Failure::Ended)
    }
}

/// What is known of a server, in the run of which this stream is.
fn in_run(known: Known, stream: &Response) -> Known {
    let said = stream.headers().get(EPOCH_HEADER).and_then(|value| value.to_str().ok()?.parse().ok());
    match (known, said) {
        (Known::Ours { server, .. }, Some(epoch)) => Known::Ours { server, epoch: Epoch::new(epoch) },
        (known, _) => known,
    }
}

fn is_event_stream(response: &Response) -> bool {
    let media = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    media.is_some_and(|media| media.trim_start().to_ascii_lowercase().starts_with("text/event-stream"))
}
