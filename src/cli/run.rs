//! `goop run`: a node, until SIGINT or SIGTERM.

use std::io::Write;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Cli, Exit, RunArgs};
use crate::config::Loaded;
use crate::config::listing::ListingConfig;
use crate::node::{Node, Ready, reload};
use crate::peer::PeerHandle;
use crate::{shutdown, telemetry};

/// Run `goop run`; what it says on stdout goes to `out`.
pub fn run(cli: &Cli, args: &RunArgs, out: &mut dyn Write) -> Result<Exit> {
    let loaded = cli.load()?;
    telemetry::start();
    runtime()?.block_on(serve(cli, loaded, args.json, out))
}

/// The runtime of a command that talks to the network.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the system gives no threads")
}

async fn serve(cli: &Cli, loaded: Loaded, json: bool, out: &mut dyn Write) -> Result<Exit> {
    let stop = CancellationToken::new();
    tokio::spawn(shutdown::on_signals(stop.clone())?);
    let node = Node::start(&loaded).await?;
    let told = if json { tell_json(node.ready(), out) } else { tell(node.ready(), &loaded, out) };
    told.context("stdout cannot be written")?;
    tokio::spawn(reload_on_hangup(signal(SignalKind::hangup())?, cli.clone(), loaded, node.peer().cloned(), node.listing()));
    if let Err(ended) = node.run_until(stop).await {
        bail!("{} ended although nobody stopped it", ended.name);
    }
    Ok(Exit::Done)
}

/// A bad file changes nothing and says so.
async fn reload_on_hangup(
    mut hangup: Signal,
    cli: Cli,
    mut current: Loaded,
    peer: Option<PeerHandle>,
    listing: watch::Sender<ListingConfig>,
) {
    while hangup.recv().await.is_some() {
        match cli.load() {
            Ok(fresh) => {
                reload(&current, &fresh, peer.as_ref(), &listing).await;
                current = fresh;
            }
            Err(error) => warn!(error = format!("{error:#}"), "the configuration was not read again; nothing changed"),
        }
    }
}

fn tell_json(ready: &Ready, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}", serde_json::to_string(ready)?)?;
    Ok(out.flush()?)
}

fn tell(ready: &Ready, loaded: &Loaded, out: &mut dyn Write) -> Result<()> {
    let me = ready.peer_id.parse().context("our own id is one")?;
    writeln!(out, "goop {} is running as {}", ready.version, loaded.config.profile.label_or_id(&me))?;
    writeln!(out, "  peer id  {}", ready.peer_id)?;
    if let Some(public) = &ready.public {
        writeln!(out, "  public   {public}/")?;
    }
    if ready.roles.iter().any(|role| role == "peer") {
        writeln!(out, "  viewer   {}", ready.viewer.as_deref().unwrap_or("off"))?;
        writeln!(out, "  site     {}", loaded.data.site(&loaded.config).display())?;
    }
    writeln!(out, "Press Ctrl-C to stop.")?;
    Ok(out.flush()?)
}
