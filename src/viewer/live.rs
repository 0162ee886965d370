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
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::App;
use super::hosts::Hosts;
use crate::http::Problem;
use crate::http::sse::{self, Frame};
use crate::peer::{PeerEvent, PeerRow};

/// Event streams open at the same time; the next one hears 503. A browser opens at most six connections to one origin anyway.
pub const MAX_STREAMS: usize = 16;

/// A peer's row, and where its site opens.
#[derive(Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    row: PeerRow,
    site: String,
}

impl Row {
    /// The row as the API shows it.
    pub(super) fn new(row: PeerRow, hosts: &Hosts) -> Self {
        Self { site: hosts.site_url(&row.peer_id), row }
    }
}

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
        match self.events.recv().await {
            Ok(event) => self.frame(event),
            Err(RecvError::Lagged(missed)) => {
                self.fresh = true;
                Frame::event("gap", &json!({ "type": "gap", "missed": missed })).ok()
            }
            Err(RecvError::Closed) => None,
        }
    }

    async fn snapshot(&self) -> Option<Frame> {
        let peers: Vec<_> = self.app.peer.peers().await.into_iter().map(|row| Row::new(row, &self.app.hosts)).collect();
        Frame::event("snapshot", &json!({ "type": "snapshot", "start": self.app.start, "peers": peers })).ok()
    }

    fn frame(&self, event: PeerEvent) -> Option<Frame> {
        let with_row = |name, peer| Frame::event(name, &json!({ "type": name, "peer": Row::new(peer, &self.app.hosts) }));
        match event {
            PeerEvent::Online { peer } => with_row("online", peer),
            PeerEvent::Update { peer } => with_row("update", peer),
            PeerEvent::Offline { peer } => with_row("offline", peer),
            PeerEvent::Chat { message } => Frame::event("chat", &json!({ "type": "chat", "message": message })),
        }
        .ok()
    }
}
