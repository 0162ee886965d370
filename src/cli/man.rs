//! `goop man [COMMAND]…`: a manual page in roff, made from the definition of the command line.

use std::io::Write;

use anyhow::{Context, Result};

use super::{Cli, Exit};

/// Run `goop man`, writing to `out`.
pub fn run(command: &[String], out: &mut dyn Write) -> Result<Exit> {
    let mut definition = Cli::definition();
    definition.build();
    let mut page = &definition;
    for name in command {
        page = page.find_subcommand(name).with_context(|| format!("there is no command {:?}", command.join(" ")))?;
    }
    clap_mangen::Man::new(page.clone().disable_help_subcommand(true)).render(out)?;
    Ok(Exit::Done)
}
