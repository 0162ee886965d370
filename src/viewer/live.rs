//! The event stream: a `snapshot`, then what happens. A reader that falls behind is told `gap` and gets a fresh snapshot, so it
//! never misses something without knowing.
//!
//! Every (re)connection starts from a snapshot; there is nothing to resume, hence no ids. What waits for a slow reader is bounded
//! by the peer's own event channel. A snapshot names the start of this process: a page that was made by another one has an old token,
//! and loads itself again.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use futures::{Stream, stream};
use libp2p::PeerId;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::App;
use super::rows::{self, Row};
use crate::http::Problem;
use crate::http::sse::{self, Frame};
use crate::peer::{PeerEvent, PeerRow};
use crate::proto::chat::{Kept, Party};

/// Event streams open at the same time; the next one hears 503. A browser opens at most six connections to one origin anyway.
pub const MAX_STREAMS: usize = 16;

/// `GET /api/v1/events`.
pub(super) async fn events(State(app): State<Arc<App>>) -> Result<Response, Problem> {
    let Ok(place) = app.streams.clone().try_acquire_owned() else {
        let busy = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too-many-streams", format!("{MAX_STREAMS} event streams are open"));
        return Err(busy.retry_after(Duration::from_secs(5)));
    };
    let stop = app.stop.clone();
    let subscriber = Subscriber { events: app.peer.events(), fresh: true, app };
    Ok(sse::respond(frames(subscriber, place), stop))
}

fn frames(subscriber: Subscriber, place: impl Send + 'static) -> impl Stream<Item = Frame> + Send + 'static {
    stream::unfold((subscriber, place), |(mut subscriber, place)| async move {
        let frame = subscriber.next().await?;
        Some((frame, (subscriber, place)))
    })
}

/// One reader. It subscribes before it asks for the snapshot, so nothing falls between the two.
struct Subscriber {
    app: Arc<App>,
    events: Receiver<PeerEvent>,
    fresh: bool,
}

impl Subscriber {
    async fn next(&mut self) -> Option<Frame> {
        if std::mem::take(&mut self.fresh) {
            return self.snapshot().await;
        }
        loop {
            match self.events.recv().await {
                Ok(event) => match self.frame(event) {
                    Some(frame) => return Some(frame),
                    None => continue,
                },
                Err(RecvError::Lagged(missed)) => {
                    self.fresh = true;
                    return Frame::event("gap", &json!({ "type": "gap", "missed": missed })).ok();
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    async fn snapshot(&self) -> Option<Frame> {
        let peers = rows::listed(&self.app, false).await;
        Frame::event("snapshot", &json!({ "type": "snapshot", "start": self.app.start, "peers": peers })).ok()
    }

    /// `None` for what is not shown.
    fn frame(&self, event: PeerEvent) -> Option<Frame> {
        match event {
            PeerEvent::Online { peer } => self.with_row("online", peer),
            PeerEvent::Update { peer } => self.with_row("update", peer),
            PeerEvent::Offline { peer } => self.with_row("offline", peer),
            PeerEvent::Chat { message, muted } => frame("chat", &Said { r#type: "chat", message, muted: Some(muted) }),
            PeerEvent::Settled { message } => frame("delivered", &Said { r#type: "delivered", message, muted: None }),
            PeerEvent::Unread { with, unread } => {
                let said = json!({ "type": "unread", "peer": text(with.peer()), "community": with.community(), "unread": unread });
                frame("unread", &said)
            }
            PeerEvent::Forgotten { with, number } => {
                let (all, with) = (with.is_none(), with.unwrap_or(Party::Lan));
                let (peer, community) = (text(with.peer()), with.community());
                frame("forgotten", &json!({ "type": "forgotten", "all": all, "peer": peer, "community": community, "number": number }))
            }
            PeerEvent::File { file } => frame("file", &json!({ "type": "file", "file": file })),
            PeerEvent::Contact { contact } => frame("contact", &json!({ "type": "contact", "contact": contact })),
        }
    }

    fn with_row(&self, name: &'static str, peer: PeerRow) -> Option<Frame> {
        let contact = self.app.peer.memory().contact(&peer.peer_id);
        if contact.blocked {
            return None;
        }
        frame(name, &json!({ "type": name, "peer": Row::new(peer, &contact, &self.app.hosts) }))
    }
}

/// A message that came or was settled.
#[derive(Serialize)]
struct Said {
    r#type: &'static str,
    message: Kept,
    /// Nobody shall be notified.
    #[serde(skip_serializing_if = "Option::is_none")]
    muted: Option<bool>,
}

fn frame(name: &'static str, data: &impl Serialize) -> Option<Frame> {
    Frame::event(name, data).ok()
}

fn text(peer: Option<PeerId>) -> Option<String> {
    peer.map(|peer| peer.to_base58())
}
