//! `goop bench`: loads a rendezvous server that speaks `/publish` and `/events`, and measures it. It loads the server named and nothing
//! else; run it against your own.
//!
//! - `target`: where requests go, and from which address. `peers`: who publishes, and the bytes of their requests.
//! - `publishers`, `readers`: the load. `crew`: further processes that read, where one may not open files enough.
//! - `attackers`: slow readers and half-open connections beside it. `join`: how long a newcomer waits.
//! - `outage`: what clients see of a server that is killed and started again.
//! - `usage`: what the server's process costs.
//!
//! Everybody is somebody else: on loopback every client has an address of its own in 127.0.0.0/8, and elsewhere requests carry an
//! `X-Forwarded-For` of their own, which counts where the target trusts this machine as a proxy.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::time::sleep;

use self::attackers::Attackers;
use self::crew::Crew;
use self::peers::Peers;
use self::readers::{Counts, Readers};
use self::target::Target;
use self::usage::Usage;
use super::{Exit, run::runtime};
use crate::clock::Moment;

mod attackers;
mod crew;
mod join;
mod outage;
mod peers;
mod publishers;
mod readers;
mod target;
mod usage;

/// What is measured.
#[derive(Debug, Clone, Subcommand)]
pub enum BenchCommand {
    /// How fast a rendezvous server tells its readers what is published
    Board(BoardArgs),
    /// What clients see of a rendezvous server that is killed and started again meanwhile
    Outage(outage::OutageArgs),
    /// Reads for another process of the bench
    #[command(hide = true)]
    Crew(crew::CrewArgs),
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
    /// Processes that they are spread over
    #[arg(long, default_value_t = 1)]
    pub processes: usize,
    /// Publications per second; 0: as many as it takes
    #[arg(long, default_value_t = 4000.0)]
    pub publishes: f64,
    /// Peers that publish
    #[arg(long, default_value_t = 2500)]
    pub peers: usize,
    /// Connections that they share
    #[arg(long, default_value_t = 16)]
    pub connections: usize,
    /// Publications that may wait for their answer on each
    #[arg(long, default_value_t = 16)]
    pub pipeline: usize,
    /// Sign what is published
    #[arg(long)]
    pub signed: bool,
    /// Publish nothing new: everybody is there from the beginning and says the same again and again
    #[arg(long)]
    pub heartbeats: bool,
    /// Let everybody come from one address, as behind one proxy
    #[arg(long)]
    pub one_address: bool,
    /// For how many seconds
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// The same load for so many seconds before anything is measured
    #[arg(long, default_value_t = 0)]
    pub warm_up: u64,
    /// The stream that is read: /events or /api/v1/events
    #[arg(long, default_value = "/events")]
    pub stream: String,
    /// Newcomers that come one after another and read until they know all peers
    #[arg(long, default_value_t = 0)]
    pub joins: usize,
    /// Readers beside the load that take one byte per second
    #[arg(long, default_value_t = 0)]
    pub slow_readers: usize,
    /// Connections beside the load that never send a whole request; each is opened again when it is closed
    #[arg(long, default_value_t = 0)]
    pub half_open: usize,
    /// The server's process on this machine, whose processor time and memory are told too
    #[arg(long, value_name = "PID")]
    pub pid: Option<u32>,
}

/// Run `goop bench`; what was measured goes to `out` as one line of JSON.
pub fn run(command: &BenchCommand, out: &mut dyn Write) -> Result<Exit> {
    let figures = match command {
        BenchCommand::Board(args) => runtime()?.block_on(board(args))?,
        BenchCommand::Outage(args) => runtime()?.block_on(outage::watch(args, out))?,
        BenchCommand::Crew(args) => runtime()?.block_on(crew::read_for_another(args, out))?,
    };
    writeln!(out, "{figures}")?;
    Ok(Exit::Done)
}

async fn board(args: &BoardArgs) -> Result<Value> {
    let target = Target::parse(&args.url, args.one_address).await?;
    let peers = Arc::new(Peers::new(&target, args).await?);
    let before = Usage::of(args.pid);
    if args.heartbeats || args.joins > 0 {
        publishers::everybody_once(&target, args, &peers).await?;
    }
    let joins = join::newcomers(&target, args).await?;
    let (counts, joining) = (Arc::new(Counts::default()), Moment::now());
    let mut crew = Crew::hire(args)?;
    let readers = Readers::join(&target, &args.stream, 0..args.subscribers / args.processes.max(1), &counts).await?;
    crew.joined().await?;
    let joined = Moment::now().since(joining);
    sleep(Duration::from_secs(1)).await;
    let idle = Usage::of(args.pid);
    let attackers = Attackers::begin(&target, args).await?;
    if args.warm_up > 0 {
        publishers::publish(&target, &BoardArgs { seconds: args.warm_up, ..args.clone() }, &peers).await?;
    }
    let warm = Usage::of(args.pid);
    counts.begin();
    crew.begin()?;
    let began = Moment::now();
    let published = publishers::publish(&target, args, &peers).await?;
    let lasted = Moment::now().since(began).as_secs_f64();
    sleep(Duration::from_secs(1)).await;
    let busy = Usage::of(args.pid);
    let read = counts.read() + crew.finish().await?;
    drop((readers, attackers));
    let owed = published.taken.saturating_mul(args.subscribers as u64);
    let cpu_of = |acts: u64| (busy.cpu - warm.cpu) * 1e6 / acts.max(1) as f64;
    let (p50, p99) = counts.waits();
    Ok(json!({
        "subscribers": args.subscribers, "joined_in_ms": joined.as_millis(), "join_ms": joins,
        "published_per_s": published.taken as f64 / lasted, "refused": published.refused,
        "delivered_per_s": read.messages as f64 / lasted,
        "share_delivered": if owed == 0 { 1.0 } else { read.messages as f64 / owed as f64 },
        "bytes_per_s_each": read.bytes as f64 / (lasted + 1.0) / args.subscribers.max(1) as f64,
        "streams_ended": read.ended, "p50_ms": p50, "p99_ms": p99,
        "server_cpu_s": busy.cpu - warm.cpu, "server_us_per_delivery": cpu_of(read.messages),
        "server_us_per_publish": cpu_of(published.taken),
        "idle_kib_per_subscriber": (idle.kib - before.kib) / args.subscribers.max(1) as f64,
    }))
}
