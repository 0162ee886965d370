//! `goop id`: the peer id, on one line.

use std::io::Write;

use anyhow::{Context, Result};

use super::{Cli, Exit};
use crate::identity::Identity;

/// Run `goop id`, writing to `out`; the identity is made if there is none. Warnings go to stderr.
pub fn run(cli: &Cli, out: &mut dyn Write) -> Result<Exit> {
    let loaded = cli.load()?;
    if loaded.given_key.is_none() {
        loaded.data.create().with_context(|| format!("{}: the data folder cannot be made", loaded.data.root.display()))?;
    }
    let (identity, warnings) = Identity::of(&loaded)?;
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
    writeln!(out, "{}", identity.peer_id())?;
    Ok(Exit::Done)
}
