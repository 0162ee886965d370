//! `goop man [COMMAND]`: a manual page in roff, made from the definition of the command line.

use std::io::Write;

use anyhow::{Context, Result};

use super::{Cli, Exit};

/// Run `goop man`, writing to `out`.
pub fn run(command: Option<&str>, out: &mut dyn Write) -> Result<Exit> {
    let mut definition = Cli::definition();
    definition.build();
    let page = match command {
        Some(name) => definition.find_subcommand(name).cloned().with_context(|| format!("there is no command {name:?}"))?,
        None => definition,
    };
    clap_mangen::Man::new(page.disable_help_subcommand(true)).render(out)?;
    Ok(Exit::Done)
}
