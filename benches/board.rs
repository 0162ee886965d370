//! How fast the rendezvous server tells its readers, beside a plain axum + `tokio::broadcast` server in the same run, on loopback:
//!
//! ```text
//! cargo bench --bench board                    every load, about eight minutes
//! cargo bench --bench board -- fan-out join    only these
//! ```
//!
//! Both servers are loaded by `goop bench board`, and the outage is watched by `goop bench outage`. Prints rows for docs/PERFORMANCE.md.
//! Every process may open as many files as its loads need: 20 000.
#![allow(missing_docs, clippy::unwrap_used, reason = "a program that measures; a failed step ends it")]

use std::convert::Infallible;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::Event;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use futures::{Stream, StreamExt};
use serde_json::Value;
use tokio::sync::broadcast::{Sender, channel};
use tokio_stream::wrappers::BroadcastStream;

const GOOP: &str = env!("CARGO_BIN_EXE_goop");

/// A load.
struct Load {
    name: &'static str,
    /// Whether the plain server carries it too.
    plain: bool,
    /// The driver's options.
    options: &'static str,
    /// Those of another driver that attacks meanwhile; empty: none does.
    attack: &'static str,
}

const fn both(name: &'static str, options: &'static str) -> Load {
    Load { name, plain: true, options, attack: "" }
}

const fn ours(name: &'static str, options: &'static str) -> Load {
    Load { name, plain: false, options, attack: "" }
}

const GOOD: &str = "--subscribers 1000 --publishes 50 --warm-up 15 --seconds 15";

const LOADS: [Load; 16] = [
    both("fan-out", "--subscribers 1000 --publishes 4300"),
    both("slow", "--subscribers 1000 --publishes 50"),
    ours("changes", "--subscribers 1000 --publishes 4300 --stream /api/v1/events"),
    both("many", "--subscribers 9000 --publishes 20"),
    both("publish", "--subscribers 0 --publishes 0 --peers 20000"),
    ours("publish-shared", "--subscribers 0 --publishes 0 --peers 20000"),
    both("one-by-one", "--subscribers 0 --publishes 0 --peers 20000 --connections 64 --pipeline 1"),
    ours("signed", "--subscribers 0 --publishes 0 --peers 20000 --signed"),
    ours("join", "--subscribers 0 --publishes 1 --seconds 1 --peers 10000 --joins 50 --stream /api/v1/events"),
    both("memory", "--subscribers 9000 --publishes 1 --seconds 2"),
    ours("quiet-1000", "--subscribers 100 --heartbeats --peers 1000 --publishes 200 --seconds 30 --stream /api/v1/events"),
    ours("quiet-16000", "--subscribers 100 --heartbeats --peers 16000 --publishes 3200 --seconds 30 --stream /api/v1/events"),
    ours("19000", "--subscribers 19000 --processes 3 --publishes 100 --seconds 15"),
    ours("school", "--one-address --subscribers 500 --peers 500 --heartbeats --publishes 100 --seconds 60"),
    ours("good-alone", GOOD),
    Load { name: "good-among-bad", plain: false, options: GOOD, attack: "--slow-readers 1000 --half-open 10000" },
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
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| *one == name);
    println!(
        "| load | server | published/s | refused | delivered/s | share | µs a delivery | µs a publish | p50 / p99 ms | KiB idle | joined in ms | \
         newcomer's ms, worst | bytes/s each |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    for Load { name, plain: too, options, attack } in LOADS.iter().filter(|load| is_wanted(load.name)) {
        let mut settings = LIFTED.to_vec();
        match *name {
            // A school has the limits of any server; other loads are more than it would take.
            "school" => settings.clear(),
            "publish-shared" => settings.push("presence.peer_db_path='shared.db'"),
            _ => {}
        }
        let goop = goop(&settings, "0");
        let attackers = Some(attack).filter(|attack| !attack.is_empty()).map(|attack| attackers(&goop, attack));
        row(name, "goop", &drive(&goop, options));
        drop((attackers, goop));
        if *too {
            row(name, "plain axum", &drive(&plain(), options));
        }
    }
    if is_wanted("outage") {
        println!("\n{}", outage());
    }
}

/// A process that ends with its owner.
struct Owned(Child);

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Server {
    process: Owned,
    url: String,
    _data: Option<tempfile::TempDir>,
}

fn started(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (child, line.trim().to_owned())
}

const LIFTED: [&str; 5] = [
    "http.publish_per_minute_per_peer=100000",
    "http.publish_per_minute_per_ip=100000000",
    "http.publish_burst=100000",
    "http.max_streams=20000",
    "http.max_streams_per_ip=20000",
];

fn goop(settings: &[&str], port: &str) -> Server {
    let data = tempfile::tempdir().unwrap();
    let mut command = Command::new(GOOP);
    command.args(["run", "--rendezvous-only", "--json", "--port", port, "--data"]).arg(data.path());
    for set in ["http.trusted_proxies=['127.0.0.0/8']"].iter().chain(settings) {
        command.args(["--set", set]);
    }
    let (child, ready) = started(&mut command);
    let ready: Value = serde_json::from_str(&ready).unwrap();
    Server { process: Owned(child), url: ready["public"].as_str().unwrap().to_owned(), _data: Some(data) }
}

fn plain() -> Server {
    let (child, url) = started(Command::new(std::env::current_exe().unwrap()).arg("plain-serve"));
    Server { process: Owned(child), url, _data: None }
}

fn drive(server: &Server, load: &str) -> Value {
    let pid = server.process.0.id().to_string();
    let driver = Command::new(GOOP).args(["bench", "board", "--url", &server.url, "--pid", &pid]).args(load.split(' ')).output().unwrap();
    assert!(driver.status.success(), "{}", String::from_utf8_lossy(&driver.stderr));
    serde_json::from_slice(&driver.stdout).unwrap()
}

/// Attackers in a process of their own, so that they cost the driver nothing; answered when they are all there.
fn attackers(server: &Server, attack: &str) -> Owned {
    let mut command = Command::new(GOOP);
    command.args(["bench", "board", "--url", &server.url, "--subscribers", "0", "--peers", "1", "--publishes", "0.01", "--seconds", "60"]);
    let attackers = Owned(command.args(attack.split(' ')).stdout(Stdio::null()).spawn().unwrap());
    std::thread::sleep(Duration::from_secs(7));
    attackers
}

fn row(name: &str, server: &str, figures: &Value) {
    let shown = |value: &Value, digits: usize| value.as_f64().map_or("–".into(), |value| format!("{value:.digits$}"));
    let number = |key: &str, digits| shown(&figures[key], digits);
    println!(
        "| {name} | {server} | {} | {} | {} | {} | {} | {} | {} / {} | {} | {} | {}, {} | {} |",
        number("published_per_s", 0),
        number("refused", 0),
        number("delivered_per_s", 0),
        number("share_delivered", 3),
        number("server_us_per_delivery", 3),
        number("server_us_per_publish", 1),
        number("p50_ms", 1),
        number("p99_ms", 1),
        number("idle_kib_per_subscriber", 1),
        number("joined_in_ms", 0),
        shown(&figures["join_ms"]["median"], 1),
        shown(&figures["join_ms"]["worst"], 1),
        number("bytes_per_s_each", 0),
    );
}

/// Ten thousand clients, whose server is killed and started again at the same port.
fn outage() -> String {
    let server = goop(&[], "0");
    let port = server.url.rsplit(':').next().unwrap().to_owned();
    let mut clients = Command::new(GOOP).args(["bench", "outage", "--url", &server.url]).stdout(Stdio::piped()).spawn().unwrap();
    let mut says = BufReader::new(clients.stdout.take().unwrap()).lines();
    println!("{}", says.next().unwrap().unwrap());
    drop(server);
    let _again = goop(&[], &port);
    let told = says.next().unwrap().unwrap();
    assert!(clients.wait().unwrap().success());
    told
}

/// What one writes first: axum's own events over a broadcast channel, no checks and no table.
#[tokio::main]
async fn plain_serve() {
    let (tell, _) = channel::<String>(4096);
    let router = Router::new().route("/publish", post(plain_publish)).route("/events", get(plain_events)).with_state(tell);
    let listener = goop::http::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    println!("http://{}", listener.local_addr().unwrap());
    let listener = listener.tap_io(|socket| socket.set_nodelay(true).unwrap());
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
