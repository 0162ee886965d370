//! `goop config`: the settings explained, checked, shown.

use std::io::Write;

use anyhow::Result;
use clap::Subcommand;

use super::{Cli, Exit};
use crate::config::{Config, Loaded, example};
use crate::http::auth::password;

/// What to do with the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum ConfigCommand {
    /// Print a file with every key, its meaning and its default
    Example,
    /// Read the configuration as goop run would, and say what is wrong with it
    Check,
    /// Print every key, its value and where that comes from; secrets are left out
    Show,
}

/// Run `goop config …`, writing to `out`.
pub fn run(cli: &Cli, command: ConfigCommand, out: &mut dyn Write) -> Result<Exit> {
    match command {
        ConfigCommand::Example => write!(out, "{}", example::text())?,
        ConfigCommand::Check => {
            let loaded = cli.load()?;
            password::check(&loaded)?;
            check(&loaded, out)?;
        }
        ConfigCommand::Show => show(&cli.load()?, out)?,
    }
    Ok(Exit::Done)
}

/// Warnings, and what others can reach (THREATS 55).
fn check(loaded: &Loaded, out: &mut dyn Write) -> Result<()> {
    for warning in &loaded.warnings {
        writeln!(out, "warning: {warning}")?;
    }
    for line in exposure(loaded) {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "The configuration is valid.")?;
    Ok(())
}

fn exposure(loaded: &Loaded) -> Vec<String> {
    let config = &loaded.config;
    let port = match config.p2p.listen_port {
        0 => "a free port".to_owned(),
        port => format!("port {port}"),
    };
    let reach = if config.p2p.loopback_only { "this machine alone" } else { "every network" };
    let mut lines = vec![format!("data     {}", loaded.data.root.display()), settings(loaded)];
    if !config.presence.rendezvous_only {
        lines.push(format!("peers    {port}, TCP and UDP, from {reach}"));
        lines.push(match config.viewer.http_addr.get() {
            Some(addr) => format!("viewer   http://{addr}/, from this machine alone"),
            None => "viewer   off".to_owned(),
        });
        lines.push(format!("site     {}, which everyone may read", loaded.data.site(config).display()));
        lines.push(format!("files    {}, where those go that you accept", loaded.data.downloads(config).display()));
    }
    if config.presence.hosts_rendezvous() || config.superhub.enabled {
        let presence = &config.presence;
        lines.push(format!("public   {}:{}", presence.rendezvous_bind, presence.rendezvous_port));
    }
    lines
}

fn settings(loaded: &Loaded) -> String {
    let file = loaded.config_file.display();
    if loaded.config_file.exists() {
        format!("settings {file}")
    } else {
        format!("settings {file}, which is not there: nothing but defaults")
    }
}

fn show(loaded: &Loaded, out: &mut dyn Write) -> Result<()> {
    let mut section = "";
    for key in Config::keys() {
        if key.section != section {
            let gap = if section.is_empty() { "" } else { "\n" };
            section = key.section;
            writeln!(out, "{gap}[{section}]")?;
        }
        if let Some(value) = loaded.config.show(&key) {
            let mark = if key.secret { "#" } else { "" };
            let line = format!("{mark}{} = {value}", key.name);
            writeln!(out, "{line:<48} # {}", loaded.origin(&key.path()))?;
        }
    }
    Ok(())
}
