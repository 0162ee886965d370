//! A server on loopback that answers as it is told to.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use goop::clock::Moment;
use goop::proto::binding::{Bindings, Refusal};
use goop::proto::presence::Presence;
use goop::proto::signed::{EPOCH_HEADER, Epoch};
use libp2p::PeerId;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Whom the server answers like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Like {
    /// goop2 of February: strict about keys.
    Seed,
    /// goop2 of April: takes any key.
    Newest,
    /// Ours.
    Ours,
}

/// Requests and streams that a test need not look at; further ones are forgotten.
const KEPT: usize = 4096;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) last_event_id: Option<String>,
    pub(crate) body: String,
    pub(crate) answered: u16,
    pub(crate) at: Moment,
}

impl Asked {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

type Chunks = mpsc::Sender<Result<Bytes, Infallible>>;

pub(crate) struct Script {
    like: Like,
    pub(crate) server: PeerId,
    bindings: Mutex<Bindings>,
    /// Answers that are given first, each to a request whose path ends like this.
    special: Mutex<VecDeque<(&'static str, Response)>>,
    /// What every new stream begins with.
    greeting: Mutex<String>,
    asked: mpsc::Sender<Asked>,
    opened: mpsc::Sender<Chunks>,
}

/// The server, running until it is dropped.
pub(crate) struct Server {
    pub(crate) script: Arc<Script>,
    pub(crate) addr: SocketAddr,
    asked: mpsc::Receiver<Asked>,
    opened: mpsc::Receiver<Chunks>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Server {
    pub(crate) async fn like(like: Like) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let ((tell_asked, asked), (tell_opened, opened)) = (mpsc::channel(KEPT), mpsc::channel(KEPT));
        let server = PeerId::random();
        let greeting = if like == Like::Ours { "" } else { ": ok\n\n" };
        let script = Arc::new(Script {
            like,
            server,
            bindings: Mutex::new(Bindings::new(server, Epoch::new(7), true)),
            special: Mutex::default(),
            greeting: Mutex::new(greeting.to_owned()),
            asked: tell_asked,
            opened: tell_opened,
        });
        let router = Router::new().fallback(answer).with_state(script.clone());
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { script, addr, asked, opened, serving }
    }

    /// Its base URL with this path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Gives this answer to the next request whose path ends like this.
    pub(crate) fn answer_once(&self, path: &'static str, answer: impl IntoResponse) {
        self.script.special.lock().unwrap().push_back((path, answer.into_response()));
    }

    /// What every stream begins with from now on.
    pub(crate) fn greet(&self, text: impl Into<String>) {
        *self.script.greeting.lock().unwrap() = text.into();
    }

    /// As after a restart: nothing is remembered, and there is a new epoch.
    pub(crate) fn restart(&self, epoch: u64) {
        *self.script.bindings.lock().unwrap() = Bindings::new(self.script.server, Epoch::new(epoch), true);
    }

    /// The next request of this method; others are passed over.
    pub(crate) async fn next(&mut self, method: &str) -> Asked {
        loop {
            let asked = super::subject::soon(self.asked.recv()).await.unwrap();
            if asked.method == method {
                return asked;
            }
        }
    }

    /// The next message that was taken.
    pub(crate) async fn taken(&mut self) -> Asked {
        loop {
            let asked = self.next("POST").await;
            if asked.answered == 204 {
                return asked;
            }
        }
    }

    /// The next stream that is opened; it ends when this is dropped.
    pub(crate) async fn stream(&mut self) -> OpenStream {
        OpenStream(super::subject::soon(self.opened.recv()).await.unwrap())
    }
}

pub(crate) struct OpenStream(Chunks);

impl OpenStream {
    /// Writes this to the stream; false once the client has gone.
    pub(crate) async fn write(&self, text: impl AsRef<[u8]>) -> bool {
        self.0.send(Ok(Bytes::copy_from_slice(text.as_ref()))).await.is_ok()
    }

    /// Waits until the client has gone.
    pub(crate) async fn closed(&self) {
        super::subject::soon(self.0.closed()).await;
    }
}

async fn answer(State(script): State<Arc<Script>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let path = parts.uri.path().to_owned();
    let last_event_id = parts.headers.get("last-event-id").map(|id| id.to_str().unwrap().to_owned());
    let response = script.special(&path).unwrap_or_else(|| script.usual(parts.method.as_str(), &path, &body));
    let (method, body) = (parts.method.to_string(), String::from_utf8(body.into()).unwrap());
    let _ = script.asked.try_send(Asked { method, path, last_event_id, body, answered: response.status().as_u16(), at: Moment::now() });
    response
}

impl Script {
    fn special(&self, path: &str) -> Option<Response> {
        let mut special = self.special.lock().unwrap();
        let at = special.iter().position(|(end, _)| path.ends_with(end))?;
        special.remove(at).map(|(_, answer)| answer)
    }

    fn usual(&self, method: &str, path: &str, body: &[u8]) -> Response {
        let stream = if self.like == Like::Ours { "/api/v1/events" } else { "/events" };
        match (method, path) {
            ("POST", path) if path.ends_with("/publish") => self.publish(body),
            ("GET", path) if path.ends_with(stream) => self.events(),
            ("GET", path) if path.ends_with("/.well-known/goop") && self.like == Like::Ours => {
                let epoch = self.bindings.lock().unwrap().epoch();
                axum::Json(json!({"peer_id": self.server.to_string(), "epoch": epoch})).into_response()
            }
            _ => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
        }
    }

    fn publish(&self, body: &[u8]) -> Response {
        let keys = serde_json::from_slice::<serde_json::Map<String, Value>>(body).unwrap();
        let strange = |key: &String| !["type", "peerid", "content", "email", "avatarhash", "ts"].contains(&key.to_lowercase().as_str());
        match self.like {
            Like::Seed if keys.keys().any(strange) => (StatusCode::BAD_REQUEST, "bad json\n").into_response(),
            Like::Seed | Like::Newest => StatusCode::NO_CONTENT.into_response(),
            Like::Ours => self.publish_signed(body),
        }
    }

    fn publish_signed(&self, body: &[u8]) -> Response {
        let mut presence = Presence::parse(body).unwrap();
        let Ok(Some(signed)) = presence.authenticate() else { return StatusCode::FORBIDDEN.into_response() };
        match self.bindings.lock().unwrap().admit_signed(&signed, Moment::now()) {
            Ok(()) => StatusCode::NO_CONTENT.into_response(),
            Err(Refusal::SignAgain { epoch, seq }) => {
                (StatusCode::CONFLICT, axum::Json(json!({"title": "Conflict", "epoch": epoch, "seq": seq}))).into_response()
            }
            Err(_) => StatusCode::FORBIDDEN.into_response(),
        }
    }

    fn events(&self) -> Response {
        let (chunks, body) = mpsc::channel(64);
        let greeting = self.greeting.lock().unwrap().clone();
        if !greeting.is_empty() {
            chunks.try_send(Ok(Bytes::from(greeting))).unwrap();
        }
        let _ = self.opened.try_send(chunks);
        let mut stream = ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(ReceiverStream::new(body))).into_response();
        if self.like == Like::Ours {
            stream.headers_mut().insert(EPOCH_HEADER, self.bindings.lock().unwrap().epoch().get().into());
        }
        stream
    }
}
