//! `goop peers`: who is here, as the running node sees it.

use std::io::{IsTerminal, Write, stdout};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::local::LocalNode;
use super::terminal::escaped_json;
use super::{Cli, Exit, PeersArgs, run::runtime};
use crate::proto::presence::label::{MAX_SHOWN, clean};

#[derive(Deserialize)]
struct PeerList {
    peers: Vec<Shown>,
}

#[derive(Deserialize)]
struct Shown {
    peer_id: String,
    label: String,
    online: bool,
    path: String,
}

/// Run `goop peers`, writing to `out`.
pub fn run(cli: &Cli, args: &PeersArgs, out: &mut dyn Write) -> Result<Exit> {
    let json = runtime()?.block_on(async { LocalNode::find(cli)?.peers().await })?;
    if args.json {
        writeln!(out, "{}", if stdout().is_terminal() { escaped_json(&json) } else { json })?;
        return Ok(Exit::Done);
    }
    let list: PeerList = serde_json::from_str(&json).context("the peer list is not understood")?;
    if list.peers.is_empty() {
        writeln!(out, "Nobody else is here yet.")?;
    }
    for peer in list.peers {
        let state = if peer.online { peer.path.as_str() } else { "offline" };
        writeln!(out, "{}  {state:<12} {}", peer.peer_id, clean(&peer.label, MAX_SHOWN))?;
    }
    Ok(Exit::Done)
}
