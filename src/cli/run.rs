//! `goop run`: a node, until SIGINT or SIGTERM.

use std::io::Write;

use anyhow::{Context, Result, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{Cli, Exit, RunArgs};
use crate::config::Loaded;
use crate::config::reload::ReloadHandle;
use crate::node::{Node, Ready};
use crate::systemd::{self, Sockets};
use crate::{shutdown, telemetry};

/// Run `goop run`; what it says on stdout goes to `out`.
pub fn run(cli: &Cli, args: &RunArgs, out: &mut dyn Write) -> Result<Exit> {
    let loaded = cli.load()?;
    telemetry::start(telemetry::USUAL);
    let sockets = Sockets::inherited()?;
    runtime()?.block_on(serve(loaded, sockets, args.json, out))
}

/// The runtime of a command that talks to the network.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("the system gives no threads")
}

async fn serve(loaded: Loaded, sockets: Sockets, json: bool, out: &mut dyn Write) -> Result<Exit> {
    let stop = CancellationToken::new();
    tokio::spawn(shutdown::on_signals(stop.clone())?);
    let hangup = signal(SignalKind::hangup())?;
    let node = Node::start_on(&loaded, sockets).await?;
    let told = if json { tell_json(node.ready(), out) } else { tell(node.ready(), &loaded, out) };
    told.context("stdout cannot be written")?;
    let vital = node.vital();
    systemd::ready(&vital.line().await.unwrap_or_default());
    tokio::spawn(stop.clone().run_until_cancelled_owned(reload(hangup, node.reload())));
    tokio::spawn(stop.clone().run_until_cancelled_owned(systemd::watchdog(async move || vital.line().await)));
    if let Err(ended) = node.run_until(stop).await {
        bail!("{} ended although nobody stopped it", ended.name);
    }
    Ok(Exit::Done)
}

/// Has the configuration read anew at each SIGHUP.
async fn reload(mut hangup: Signal, reload: ReloadHandle) {
    while hangup.recv().await.is_some() {
        reload.ask().await;
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
        writeln!(out, "  files    {}, where those go that you accept", loaded.data.downloads(&loaded.config).display())?;
    }
    writeln!(out, "Press Ctrl-C to stop.")?;
    Ok(out.flush()?)
}
