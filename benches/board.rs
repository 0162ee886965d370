//! How fast the rendezvous server tells its readers, beside a plain axum + `tokio::broadcast` server in the same run, on loopback:
//!
//! ```text
//! cargo bench --bench board                    every load, about three minutes
//! cargo bench --bench board -- fan-out         only this one
//! ```
//!
//! Both servers are loaded by `goop bench board`. Prints rows for docs/PERFORMANCE.md.
#![allow(missing_docs, clippy::unwrap_used, reason = "a program that measures; a failed step ends it")]

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::Event;
use axum::routing::{get, post};
use futures::{Stream, StreamExt};
use serde_json::Value;
use tokio::sync::broadcast::{Sender, channel};
use tokio_stream::wrappers::BroadcastStream;

const GOOP: &str = env!("CARGO_BIN_EXE_goop");

/// Name of a load, and the driver's options.
const LOADS: [(&str, &str); 6] = [
    ("fan-out", "--subscribers 1000 --publishes 4000"),
    ("slow", "--subscribers 1000 --publishes 50"),
    ("changes", "--subscribers 1000 --publishes 4000 --stream /api/v1/events"),
    ("many", "--subscribers 9000 --publishes 20"),
    ("publish", "--subscribers 0 --publishes 0 --peers 20000"),
    ("memory", "--subscribers 9000 --publishes 1 --seconds 2"),
];

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "plain-serve") {
        return plain_serve();
    }
    let (flags, wanted): (Vec<_>, Vec<_>) = args.iter().partition(|arg| arg.starts_with('-'));
    if !flags.iter().any(|flag| *flag == "--bench") {
        return;
    }
    println!(
        "| load | server | published/s | delivered/s | share | µs a delivery | µs a publish | p50 / p99 ms | KiB idle | joined in ms |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    for (name, load) in LOADS.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|one| one == name)) {
        for (server, start) in [("goop", goop as fn() -> Server), ("plain axum", plain)] {
            if server == "goop" || !load.contains("/api/v1/") {
                row(name, server, &drive(&start(), load));
            }
        }
    }
}

struct Server {
    child: Child,
    url: String,
    _data: Option<tempfile::TempDir>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn started(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

fn goop() -> Server {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(GOOP);
    command.args(["run", "--rendezvous-only", "--json", "--port", "0", "--data"]).arg(data.path());
    for set in [
        "http.trusted_proxies=['127.0.0.1']",
        "http.publish_per_minute_per_peer=100000",
        "http.publish_per_minute_per_ip=100000000",
        "http.publish_burst=100000",
        "http.max_streams=15000",
        "http.max_streams_per_ip=15000",
    ] {
        command.args(["--set", set]);
    }
    let (child, ready) = started(&mut command);
    let ready: Value = serde_json::from_str(&ready).unwrap();
    Server { child, url: ready["public"].as_str().unwrap().to_owned(), _data: Some(data) }
}

fn plain() -> Server {
    let (child, url) = started(Command::new(std::env::current_exe().unwrap()).arg("plain-serve"));
    Server { child, url, _data: None }
}

fn drive(server: &Server, load: &str) -> Value {
    let pid = server.child.id().to_string();
    let driver = Command::new(GOOP).args(["bench", "board", "--url", &server.url, "--pid", &pid]).args(load.split(' ')).output().unwrap();
    assert!(driver.status.success(), "{}", String::from_utf8_lossy(&driver.stderr));
    serde_json::from_slice(&driver.stdout).unwrap()
}

fn row(name: &str, server: &str, figures: &Value) {
    let number = |key: &str, digits: usize| figures[key].as_f64().map_or("–".into(), |value| format!("{value:.digits$}"));
    println!(
        "| {name} | {server} | {} | {} | {} | {} | {} | {} / {} | {} | {} |",
        number("published_per_s", 0),
        number("delivered_per_s", 0),
        number("share_delivered", 3),
        number("server_us_per_delivery", 3),
        number("server_us_per_publish", 1),
        number("p50_ms", 1),
        number("p99_ms", 1),
        number("idle_kib_per_subscriber", 1),
        number("joined_in_ms", 0),
    );
}

/// What one writes first: axum's own events over a broadcast channel, no checks and no table.
#[tokio::main]
async fn plain_serve() {
    let (tell, _) = channel::<String>(4096);
    let router = Router::new().route("/publish", post(plain_publish)).route("/events", get(plain_events)).with_state(tell);
    let listener = goop::http::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    axum::serve(listener, router).await.unwrap();
}

async fn plain_publish(State(tell): State<Sender<String>>, body: String) -> StatusCode {
    let _ = tell.send(body);
    StatusCode::NO_CONTENT
}

async fn plain_events(State(tell): State<Sender<String>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let messages = BroadcastStream::new(tell.subscribe()).filter_map(async |message| message.ok());
    Sse::new(messages.map(|message| Ok(Event::default().data(message))))
}
