//! `goop join`, `goop leave`, `goop communities`: the rendezvous servers in the configuration file, which a running node takes over at once.

use std::io::Write;
use std::time::Duration;

use anyhow::{Result, anyhow};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::local::{Answered, LocalNode, tell_running};
use super::terminal::escaped;
use super::{Cli, CommunitiesArgs, Exit, JoinArgs, LeaveArgs, run::runtime};
use crate::clients::rendezvous::Place;
use crate::clients::rendezvous::join::{Followed, JoinError, JoinLink};
use crate::clients::rendezvous::membership::{self, Joined, MembershipError};
use crate::clients::superhub::kept;
use crate::clients::superhub::names::names;
use crate::config::Loaded;
use crate::proto::chat::community_name;

/// How long a running node may take to connect before the command ends without waiting further.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(100);

/// Run `goop join`.
pub fn join(cli: &Cli, args: &JoinArgs, out: &mut dyn Write) -> Result<Exit> {
    let loaded = cli.load()?;
    membership::is_ours_to_change(&loaded)?;
    let link = JoinLink::parse(&args.link)?;
    let Followed { url, answers } = runtime()?.block_on(link.follow()).map_err(refused)?;
    let Joined { url, already } = membership::join(&loaded, url)?;
    if already {
        writeln!(out, "You have joined {url} already.")?;
        return Ok(Exit::Done);
    }
    let file = loaded.config_file.display();
    if answers {
        writeln!(out, "Joined {url}; written to {file}.")?;
    } else {
        writeln!(out, "{url} does not answer at the moment. It is written to {file}, and goop will go on trying.")?;
    }
    if !tell_running(&loaded) {
        writeln!(out, "goop does not run at the moment; it connects when it is started.")?;
        return Ok(Exit::Done);
    }
    let state = runtime()?.block_on(settled(cli, &Place::new(url).name(), |state| state == Some("connected")));
    writeln!(out, "{}", after_joining(state.as_deref()))?;
    Ok(Exit::Done)
}

/// Run `goop leave`.
pub fn leave(cli: &Cli, args: &LeaveArgs, out: &mut dyn Write) -> Result<Exit> {
    let loaded = cli.load()?;
    let left = membership::leave(&loaded, &args.url).map_err(|error| match error {
        MembershipError::Nowhere(name) => anyhow!("{} is none of your communities; `goop communities` lists them", escaped(&name)),
        other => other.into(),
    })?;
    writeln!(out, "Left {left}; written to {}.", loaded.config_file.display())?;
    if tell_running(&loaded) {
        let state = runtime()?.block_on(settled(cli, &Place::new(left).name(), |state| state.is_none()));
        if state.is_some() {
            writeln!(out, "The running goop keeps it: it was started with its own --rendezvous-wan or --set, or must be started again.")?;
        }
    }
    Ok(Exit::Done)
}

/// Run `goop communities`.
pub fn list(cli: &Cli, args: &CommunitiesArgs, out: &mut dyn Write) -> Result<Exit> {
    let loaded = cli.load()?;
    let running = runtime()?.block_on(servers(cli));
    let rows: Vec<Value> = running.unwrap_or_else(|| {
        let known = loaded.config.presence.rendezvous_wan.iter();
        known.map(|url| json!({ "name": Place::new(url.clone()).name(), "state": "not running" })).collect()
    });
    let rows = named(rows, &loaded);
    if args.json {
        writeln!(out, "{}", json!({ "communities": rows }))?;
        return Ok(Exit::Done);
    }
    if rows.is_empty() {
        writeln!(out, "None yet: look for one with `goop search`, or join one with `goop join URL`.")?;
    }
    for row in rows {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let moved = row["moved_to"].as_str().map(|to| format!("  moved to {to}"));
        let place = row["community"].as_str().map_or_else(|| text("name"), |called| format!("{called} ({})", text("name")));
        writeln!(out, "{}", escaped(&format!("{:<12}  {place}{}", text("state"), moved.unwrap_or_default())))?;
    }
    Ok(Exit::Done)
}

/// The same with what hubs call each `community`, as far as they agree.
fn named(mut rows: Vec<Value>, loaded: &Loaded) -> Vec<Value> {
    let address = |row: &Value| row["name"].as_str().map(|name| community_name(name).to_owned());
    let known = names(&kept::all(&loaded.data), &rows.iter().filter_map(address).collect());
    for row in &mut rows {
        if let Some(called) = address(row).and_then(|address| known.get(&address)) {
            row["community"] = json!(called);
        }
    }
    rows
}

/// The servers of the running node; `None` where it cannot be asked.
async fn servers(cli: &Cli) -> Option<Vec<Value>> {
    LocalNode::find(cli).ok()?.me().await.ok()?["rendezvous"].as_array().cloned()
}

/// The state in which the running node has the server `name`, once it is as wanted, or as it is after [`PATIENCE`].
async fn settled(cli: &Cli, name: &str, wanted: impl Fn(Option<&str>) -> bool) -> Option<String> {
    let mut state = None;
    for _ in 0..PATIENCE.as_millis() / LOOK.as_millis() {
        let row = servers(cli).await?.into_iter().find(|row| row["name"] == name);
        state = row.and_then(|row| row["state"].as_str().map(str::to_owned));
        if wanted(state.as_deref()) {
            break;
        }
        sleep(LOOK).await;
    }
    state
}

fn after_joining(state: Option<&str>) -> &'static str {
    match state {
        Some("connected") => "The running goop is connected.",
        Some(_) => "The running goop does not reach it yet, and goes on trying.",
        None => "The running goop has read the file; whether it is connected cannot be seen.",
    }
}

/// A server that says no is told like a node that does.
fn refused(error: JoinError) -> anyhow::Error {
    match error {
        JoinError::Refused { status, detail } => Answered { status, detail: format!("the server answers: {detail}") }.into(),
        other => other.into(),
    }
}
