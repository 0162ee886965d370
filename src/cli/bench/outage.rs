//! `goop bench outage`: many clients that live at a server, and what they see when it is killed and started again meanwhile. Each keeps
//! a bit for every row, so that it is known of everybody whether a neighbour ever vanished (THREATS 72).

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::Args;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use self::watch::Watch;
use super::target::Target;
use crate::clock::Moment;

mod client;
mod rows;
mod voices;
mod watch;

/// How often it is looked whether all is well.
const LOOK: Duration = Duration::from_millis(50);

/// Options of `goop bench outage`.
#[derive(Debug, Clone, Args)]
pub struct OutageArgs {
    /// Where the server is, as in http://127.0.0.1:8787
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// How many clients; each is a peer that publishes, and reads all others
    #[arg(long, default_value_t = 10_000)]
    pub clients: usize,
    /// For how many seconds an outage is waited for, and then watched
    #[arg(long, default_value_t = 120)]
    pub seconds: u64,
    /// How often each publishes, in seconds
    #[arg(long, default_value_t = 5)]
    pub heartbeat: u64,
    /// How long each remembers whom it does not hear of any more, in seconds
    #[arg(long, default_value_t = 20)]
    pub ttl: u64,
}

/// Says on `out` when everybody knows everybody; then the server may be killed. Answers what happened, in milliseconds from the moment
/// at which the first stream ended.
pub(super) async fn watch(args: &OutageArgs, out: &mut dyn Write) -> Result<Value> {
    let (target, began) = (Target::parse(&args.url, false).await?, Moment::now());
    let watch = Arc::new(Watch::new(args.clients));
    let mut tasks = JoinSet::new();
    for number in 0..args.clients {
        tasks.spawn(client::live(target.clone(), number, args.clone(), watch.clone()));
    }
    voices::speak(&target, args, &watch, &mut tasks)?;
    let patience = Duration::from_secs(args.seconds);
    let known = until(&watch, patience, |watch| watch.all_complete()).await?;
    writeln!(out, "{}", json!({ "clients": args.clients, "all_know_all_ms": known.since(began).as_millis() }))?;
    out.flush()?;
    watch.forget();
    let outage = until(&watch, patience, |watch| watch.has_ended()).await?;
    watch.outage();
    let since = |moment: Moment| moment.since(outage).as_millis();
    let (mut open, mut accepted, mut complete) = (None, None, None);
    while Moment::now().since(outage) < patience && (open.is_none() || accepted.is_none() || complete.is_none()) {
        sleep(LOOK).await;
        let now = Moment::now();
        open = open.or_else(|| watch.all_open_again().then_some(now));
        accepted = accepted.or_else(|| watch.all_accepted().then_some(now));
        complete = complete.or_else(|| (open.is_some() && watch.all_complete()).then_some(now));
    }
    // Whoever vanishes for want of a heartbeat does so within the TTL, and is then found by a sweep.
    sleep(Duration::from_secs(args.ttl + args.heartbeat)).await;
    Ok(json!({
        "clients": args.clients, "all_open_ms": open.map(since), "all_accepted_ms": accepted.map(since),
        "all_complete_ms": complete.map(since), "vanished": watch.vanished(), "refused": watch.refused(),
    }))
}

async fn until(watch: &Watch, patience: Duration, is_so: impl Fn(&Watch) -> bool) -> Result<Moment> {
    let began = Moment::now();
    while !is_so(watch) {
        ensure!(Moment::now().since(began) < patience, "nothing happened for {patience:?}");
        sleep(LOOK).await;
    }
    Ok(Moment::now())
}
