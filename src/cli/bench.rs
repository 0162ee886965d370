//! `goop bench board --url URL`: how fast a server that speaks `/publish` and `/events` tells its readers what is published. It loads
//! the server named and nothing else; run it against your own.
//!
//! Every peer publishes in turn a text that differs each time, so each publication is owed to every reader. Requests carry an
//! `X-Forwarded-For` of their own for each peer and reader, so that a target which trusts this address counts them as different clients.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use libp2p::identity::Keypair;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::{Exit, run::runtime};
use crate::clock::Moment;

/// Connections that publish.
const PUBLISHERS: usize = 16;
/// How often each of them sends what is due.
const TICK: Duration = Duration::from_millis(10);
/// How long the server may take to answer anything before the run fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// Connections that are opened at the same time.
const AT_ONCE: usize = 256;
/// Publications that wait for their answer on one connection.
const PIPELINE: usize = 256;
/// Arrivals whose time is noted.
const MAX_WAITS: usize = 1_000_000;

/// What is measured.
#[derive(Debug, Clone, Subcommand)]
pub enum BenchCommand {
    /// A rendezvous server
    Board(BoardArgs),
}

/// Options of `goop bench board`.
#[derive(Debug, Clone, Args)]
pub struct BoardArgs {
    /// Where the server is, as in http://127.0.0.1:8787
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// How many read
    #[arg(long, default_value_t = 1000)]
    pub subscribers: usize,
    /// Publications per second; 0: as many as it takes
    #[arg(long, default_value_t = 4000)]
    pub publishes: usize,
    /// Peers that publish
    #[arg(long, default_value_t = 2500)]
    pub peers: usize,
    /// For how many seconds
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// The stream that is read: /events or /api/v1/events
    #[arg(long, default_value = "/events")]
    pub stream: String,
    /// The server's process on this machine, whose processor time and memory are told too
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
}

/// What is counted while it runs.
#[derive(Default)]
struct Counts {
    delivered: AtomicU64,
    published: AtomicU64,
    refused: AtomicU64,
    ended: AtomicU64,
    /// Microseconds from the sending of a publication to its arrival at one reader; at most [`MAX_WAITS`].
    waits: Mutex<Vec<u64>>,
}

/// Run `goop bench`; what was measured goes to `out` as one line of JSON.
pub fn run(command: &BenchCommand, out: &mut dyn Write) -> Result<Exit> {
    let BenchCommand::Board(args) = command;
    let figures = runtime()?.block_on(board(args))?;
    writeln!(out, "{figures}")?;
    Ok(Exit::Done)
}

async fn board(args: &BoardArgs) -> Result<serde_json::Value> {
    let target = Target::parse(&args.url)?;
    let counts = Arc::new(Counts::default());
    let empty = Usage::of(args.pid);
    let mut tasks = JoinSet::new();
    let joining = Moment::now();
    for first in (0..args.subscribers).step_by(AT_ONCE) {
        let opening = (first..args.subscribers.min(first + AT_ONCE)).map(|number| target.subscribe(&args.stream, number));
        for stream in futures::future::try_join_all(opening).await? {
            tasks.spawn(count_deliveries(stream, counts.clone()));
        }
    }
    let joined = Moment::now().since(joining);
    sleep(Duration::from_secs(1)).await;
    let idle = Usage::of(args.pid);
    let probe = tokio::spawn(latencies(target.subscribe(&args.stream, args.subscribers).await?, counts.clone()));
    counts.delivered.store(0, Ordering::Relaxed);
    let peers = Arc::new(peers(args.peers));
    let began = Moment::now();
    let mut publishers = JoinSet::new();
    for number in 0..PUBLISHERS {
        publishers.spawn(publish(target.clone(), args.clone(), number, peers.clone(), counts.clone()));
    }
    while let Some(ended) = publishers.join_next().await {
        ended??;
    }
    let lasted = Moment::now().since(began).as_secs_f64();
    sleep(Duration::from_secs(1)).await;
    let busy = Usage::of(args.pid);
    probe.abort();
    let mut waits = std::mem::take(&mut *counts.waits.lock().unwrap_or_else(PoisonError::into_inner));
    waits.sort_unstable();
    let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (delivered, published) = (of(&counts.delivered), of(&counts.published));
    let owed = published.saturating_mul(args.subscribers as u64);
    let percentile = |per_mille: usize| waits.get(waits.len() * per_mille / 1000).map(|micros| *micros as f64 / 1000.0);
    Ok(serde_json::json!({
        "subscribers": args.subscribers, "joined_in_ms": joined.as_millis(),
        "published_per_s": published as f64 / lasted, "refused": of(&counts.refused),
        "delivered_per_s": delivered as f64 / lasted, "share_delivered": if owed == 0 { 1.0 } else { delivered as f64 / owed as f64 },
        "streams_ended": of(&counts.ended), "p50_ms": percentile(500), "p99_ms": percentile(990),
        "server_cpu_s": busy.cpu - idle.cpu, "server_us_per_delivery": (busy.cpu - idle.cpu) * 1e6 / delivered.max(1) as f64,
        "server_us_per_publish": (busy.cpu - idle.cpu) * 1e6 / published.max(1) as f64,
        "idle_kib_per_subscriber": (idle.kib - empty.kib) / args.subscribers.max(1) as f64,
    }))
}

/// Where requests go.
#[derive(Debug, Clone)]
struct Target {
    host: String,
    path: String,
}

impl Target {
    fn parse(url: &str) -> Result<Self> {
        let rest = url.strip_prefix("http://").context("--url begins with http://: TLS would measure something else")?;
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Ok(Self { host: host.to_owned(), path: path.trim_end_matches('/').to_owned() })
    }

    async fn connect(&self) -> Result<TcpStream> {
        let socket = timeout(PATIENCE, TcpStream::connect(&self.host)).await??;
        socket.set_nodelay(true)?;
        Ok(socket)
    }

    /// Opens an event stream and reads the head of its answer.
    async fn subscribe(&self, stream: &str, number: usize) -> Result<TcpStream> {
        let mut socket = self.connect().await?;
        let from = address(number, 20);
        let head = format!("GET {}{stream} HTTP/1.1\r\nHost: {}\r\nX-Forwarded-For: {from}\r\n\r\n", self.path, self.host);
        socket.write_all(head.as_bytes()).await?;
        let mut answer = [0; 12];
        timeout(PATIENCE, socket.read_exact(&mut answer)).await??;
        ensure!(&answer == b"HTTP/1.1 200", "a stream was refused: {}", String::from_utf8_lossy(&answer));
        Ok(socket)
    }
}

/// An address of a private network for each number.
fn address(number: usize, network: u8) -> String {
    format!("10.{network}.{}.{}", number / 250 % 250, number % 250 + 1)
}

fn peers(count: usize) -> Vec<String> {
    (0..count)
        .filter_map(|number| {
            let mut seed = [9; 32];
            seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
            Keypair::ed25519_from_bytes(seed).ok().map(|key| key.public().to_peer_id().to_base58())
        })
        .collect()
}

/// Counts messages: each is one JSON object without another inside.
async fn count_deliveries(mut stream: TcpStream, counts: Arc<Counts>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let found = buffer[..read].iter().filter(|byte| **byte == b'{').count();
        counts.delivered.fetch_add(found as u64, Ordering::Relaxed);
    }
    counts.ended.fetch_add(1, Ordering::Relaxed);
}

/// Reads when each message was sent, from the text in it.
async fn latencies(mut stream: TcpStream, counts: Arc<Counts>) {
    let mut text = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let now = Moment::now().since(Moment::START).as_micros() as u64;
        text.extend_from_slice(&buffer[..read]);
        let whole = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        let arrived = String::from_utf8_lossy(&text[..whole]).into_owned();
        let sent = arrived.split("\"at-").skip(1).filter_map(|rest| rest.split('"').next()?.parse::<u64>().ok());
        let mut waits = counts.waits.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_WAITS.saturating_sub(waits.len());
        waits.extend(sent.map(|sent| now.saturating_sub(sent)).take(room));
        text.drain(..whole);
    }
}

/// Publishes on one connection what is due, or as fast as answers come.
async fn publish(target: Target, args: BoardArgs, number: usize, peers: Arc<Vec<String>>, counts: Arc<Counts>) -> Result<()> {
    let (mut reading, mut writing) = target.connect().await?.into_split();
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (began, mut sent, mut next) = (Moment::now(), 0_usize, number);
    while Moment::now().since(began).as_secs() < args.seconds {
        let due = if args.publishes == 0 {
            1
        } else {
            ticks.tick().await;
            let wanted = Moment::now().since(began).as_secs_f64() * args.publishes as f64 / PUBLISHERS as f64;
            (wanted as usize).saturating_sub(sent).min(PIPELINE)
        };
        let mut requests = String::new();
        for _ in 0..due {
            requests.push_str(&request(&target, &peers[next % peers.len()], next % peers.len()));
            next += PUBLISHERS;
        }
        writing.write_all(requests.as_bytes()).await?;
        timeout(PATIENCE, answers(&mut reading, due, &counts)).await??;
        sent += due;
    }
    Ok(())
}

fn request(target: &Target, peer: &str, number: usize) -> String {
    let at = Moment::now().since(Moment::START).as_micros();
    let body = format!("{{\"type\":\"update\",\"peerId\":\"{peer}\",\"content\":\"at-{at}\",\"ts\":1760000000000}}");
    let (from, length) = (address(number, 30), body.len());
    format!(
        "POST {}/publish HTTP/1.1\r\nHost: {}\r\nX-Forwarded-For: {from}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}",
        target.path, target.host
    )
}

/// Reads `due` answers; refusals have a body, which is passed over.
async fn answers(reading: &mut (impl AsyncReadExt + Unpin), due: usize, counts: &Counts) -> Result<()> {
    let mut seen = 0;
    let mut rest = Vec::new();
    let mut buffer = vec![0; 16 * 1024];
    while seen < due {
        let read = reading.read(&mut buffer).await?;
        ensure!(read > 0, "the server closed a connection that publishes");
        rest.extend_from_slice(&buffer[..read]);
        while let Some(at) = rest.windows(13).position(|piece| piece.starts_with(b"HTTP/1.1 ")) {
            let counter = if rest[at..].starts_with(b"HTTP/1.1 204") { &counts.published } else { &counts.refused };
            counter.fetch_add(1, Ordering::Relaxed);
            seen += 1;
            rest.drain(..at + 13);
        }
        let keep = rest.len().saturating_sub(12);
        rest.drain(..keep);
    }
    Ok(())
}

/// Processor seconds and resident memory of a process.
#[derive(Debug, Clone, Copy, Default)]
struct Usage {
    cpu: f64,
    kib: f64,
}

impl Usage {
    fn of(pid: Option<u32>) -> Self {
        let read = |file: &str| pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok()).unwrap_or_default();
        let (stat, status) = (read("stat"), read("status"));
        let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let ticks: f64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
        Self { cpu: ticks / 100.0, kib: resident.unwrap_or_default() }
    }
}
