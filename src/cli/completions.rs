//! `goop completions SHELL`: a completion script, made from the definition of the command line.

use std::io::Write;

use anyhow::Result;
use clap_complete::Shell;

use super::{Cli, Exit};

/// Run `goop completions`, writing to `out`.
pub fn run(shell: Shell, out: &mut dyn Write) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::visible_definition(), "goop", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Done)
}
