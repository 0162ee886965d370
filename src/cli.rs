//! The command line: what can be typed, and what it means for the configuration. One file per command below this one.

mod args;
pub mod bench;
pub mod chat;
pub mod communities;
pub mod completions;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod files;
pub mod get;
pub mod hash_password;
pub mod hub;
pub mod id;
mod local;
pub mod man;
pub mod peers;
pub mod run;
pub mod search;
pub mod send;
pub mod status;
mod terminal;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Termination};

use anyhow::Context;
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

pub use args::{
    ChatArgs, CommunitiesArgs, DemoArgs, DoctorArgs, FileDecision, FilesArgs, GetArgs, GlobalArgs, JoinArgs, LeaveArgs, PeersArgs, RunArgs,
    SearchArgs, SendArgs, StatusArgs,
};

use self::local::{Answered, NotRunning};
use crate::config::{Config, ConfigErrors, DataDir, Loaded, Sources};

/// What the exit code says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Failed, for a reason that was told.
    Failed = 1,
    /// The command line was used wrongly.
    Usage = 2,
    /// No node runs, or it is not ready.
    NotRunning = 3,
    /// The configuration is invalid.
    ConfigInvalid = 4,
    /// Refused by the other side.
    Refused = 5,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// Tell on stderr what went wrong. Invalid configurations have exit codes of their own, and a reader of stdout that has seen enough is
/// no failure; everything else is one.
pub fn report(error: &anyhow::Error) -> Exit {
    if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return Exit::Done;
    }
    let words = format!("{error:#}");
    let words = if io::stderr().is_terminal() { terminal::escaped(&words) } else { words };
    let _ = writeln!(io::stderr(), "goop: {words}");
    match error.downcast_ref::<ConfigErrors>() {
        Some(errors) if errors.is_usage() => Exit::Usage,
        Some(_) => Exit::ConfigInvalid,
        None if error.is::<NotRunning>() => Exit::NotRunning,
        None if error.downcast_ref::<Answered>().is_some_and(|answered| matches!(answered.status, 401 | 403)) => Exit::Refused,
        None => Exit::Failed,
    }
}

const EXAMPLES: &str = "\
Without a command, goop runs a peer.

Examples:
  goop                              start a peer; it says where to look
  goop demo                         three peers, a server and a hub on this machine, to try it out
  goop run --label Alice --data ~/alice
  goop peers                        who is here
  goop get 12D3KooW… index.html     a file of somebody's site
  goop chat --all 'Hello, everyone'
  goop config example > goop.toml   every setting, explained";

/// Find each other and talk directly, with nobody in between
#[derive(Debug, Clone, Parser)]
#[command(name = "goop", version, after_help = EXAMPLES, max_term_width = 120, subcommand_help_heading = "Commands")]
struct Typed {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(flatten)]
    run: RunArgs,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What goop is asked to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Start a peer, and run until SIGINT or SIGTERM
    Run(RunArgs),
    /// Start three peers with small sites of their own on this machine, and say what to open
    Demo(DemoArgs),
    /// Print the peer id; makes the identity if there is none
    Id,
    /// Print who is here, as the running node sees it
    Peers(PeersArgs),
    /// Print whether the running node, or the server at a URL, is ready, and what is wrong
    Status(StatusArgs),
    /// Look at what does not work here, and say what to do about it
    Doctor(DoctorArgs),
    /// Print communities, from the super hubs of discovery.hubs; where none answers, from what is kept on this machine
    Search(SearchArgs),
    /// Join a community: it is written into the configuration, and a running node connects at once
    Join(JoinArgs),
    /// Leave a community
    Leave(LeaveArgs),
    /// Print the communities you have joined, and how it goes with them
    Communities(CommunitiesArgs),
    /// Fetch a file of a peer's site, through the running node
    Get(GetArgs),
    /// Send a message to a peer, or to everyone on the LAN, through the running node
    Chat(ChatArgs),
    /// Offer a file to a peer, through the running node
    Send(SendArgs),
    /// Print the files that were offered and sent, or decide about one
    Files(FilesArgs),
    /// Read a password and print its argon2 string, for presence.admin_password
    HashPassword,
    /// Explain, check or show the configuration
    Config {
        /// What to do with it.
        #[command(subcommand)]
        command: config::ConfigCommand,
    },
    /// List this data folder's rendezvous server on a super hub
    Hub {
        /// What to do.
        #[command(subcommand)]
        command: hub::HubCommand,
    },
    /// Measure a server of yours under load
    #[command(hide = true)]
    Bench {
        /// What to measure.
        #[command(subcommand)]
        command: bench::BenchCommand,
    },
    /// Print a completion script for a shell
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, in roff
    Man {
        /// Of which command, such as "run" or "config show"; without this, of goop itself
        command: Vec<String>,
    },
    /// goop2's name for `run --data DIR`.
    #[command(hide = true)]
    Peer {
        /// The goop2 peer folder.
        dir: PathBuf,
    },
    /// goop2's name for `run --rendezvous-only --data DIR`.
    #[command(hide = true)]
    Rendezvous {
        /// The folder.
        dir: PathBuf,
    },
}

/// The command line, read: goop2's commands and the missing command have become [`Command::Run`].
#[derive(Debug, Clone)]
pub struct Cli {
    /// Options of every command.
    pub global: GlobalArgs,
    /// What to do.
    pub command: Command,
}

impl Cli {
    /// Read a command line. The error is also the answer to `--help` and `--version`; its `exit()` does the right thing.
    pub fn read(args: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Self, clap::Error> {
        let Typed { mut global, run, command } = Typed::try_parse_from(args)?;
        if command.is_some() && run != RunArgs::default() {
            let hint = "options of goop run stand after the word run, and belong to no other command";
            return Err(Self::definition().error(ErrorKind::ArgumentConflict, hint));
        }
        let command = match command.unwrap_or(Command::Run(run)) {
            Command::Peer { dir } if !dir.is_dir() => {
                let missing = format!("there is no folder {}", dir.display());
                return Err(Self::definition().error(ErrorKind::ValueValidation, missing));
            }
            Command::Peer { dir } => {
                global.data = Some(dir);
                Command::Run(RunArgs::default())
            }
            Command::Rendezvous { dir } => {
                global.data = Some(dir);
                Command::Run(RunArgs { rendezvous_only: true, ..RunArgs::default() })
            }
            other => other,
        };
        Ok(Self { global, command })
    }

    /// The definition that help, completions and the manual page are made from.
    pub fn definition() -> clap::Command {
        Typed::command()
    }

    /// The definition without what nobody is to be led to: goop2's names, and the bench.
    pub fn visible_definition() -> clap::Command {
        let whole = Self::definition();
        let visible = whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned();
        clap::Command::new("goop").args(whole.get_arguments().cloned()).subcommands(visible)
    }

    /// What the configuration is made of: this command line, and the environment of the process.
    pub fn sources(&self) -> anyhow::Result<Sources> {
        let text = |value: OsString| value.to_string_lossy().into_owned();
        let env: BTreeMap<String, String> = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        let flags = if let Command::Run(run) = &self.command { run.flags() } else { Vec::new() };
        let (data, config, set) = (self.global.data.clone(), self.global.config.clone(), self.global.set.clone());
        let mut sources = Sources { data, config, set, flags, env, default_data: PathBuf::new() };
        if sources.data_root().as_os_str().is_empty() {
            sources.default_data = DataDir::default_root().context("there is no home folder: name a data folder with --data DIR")?;
        }
        Ok(sources)
    }

    /// The configuration of this command line. Its warnings are not told yet.
    pub fn load(&self) -> anyhow::Result<Loaded> {
        Ok(Config::load(&self.sources()?)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::definition().debug_assert();
    }
}
