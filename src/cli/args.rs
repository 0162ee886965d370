//! The options and operands of each command.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use toml_edit::{Array, Value};

use crate::config::FlagValue;
use crate::config::base_url::BaseUrl;

/// Options that may stand before or after any command and its operands.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalArgs {
    /// The data folder [env: GOOP_DATA] [default: goop in the data folder of your system]
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// The configuration file [default: goop.toml in the data folder]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Set a key of the configuration, as in --set presence.ttl_seconds=30
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Options of `goop run`.
#[derive(Debug, Clone, Default, PartialEq, Args)]
#[command(next_help_heading = "Options of goop run")]
pub struct RunArgs {
    /// When ready, print one line of JSON on stdout and nothing after it
    #[arg(long)]
    pub json: bool,
    /// The name that others see
    #[arg(long, value_name = "TEXT")]
    pub label: Option<String>,
    /// The port for other peers, TCP and UDP alike [default: a free one]
    #[arg(long, value_name = "N")]
    pub listen_port: Option<u16>,
    /// See only peers with the same tag
    #[arg(long, value_name = "TAG")]
    pub mdns_tag: Option<String>,
    /// Where the pages for you are, or "off" [default: 127.0.0.1:8788]
    #[arg(long, value_name = "ADDR")]
    pub viewer: Option<String>,
    /// Run a rendezvous server beside the peer
    #[arg(long)]
    pub rendezvous_host: bool,
    /// Run a rendezvous server and no peer
    #[arg(long)]
    pub rendezvous_only: bool,
    /// Run a super hub
    #[arg(long)]
    pub superhub: bool,
    /// The address of the public roles [default: 127.0.0.1]
    #[arg(long, value_name = "ADDR")]
    pub bind: Option<String>,
    /// The port of the public roles [default: 8787]
    #[arg(long, value_name = "N")]
    pub port: Option<u16>,
    /// A rendezvous server to join; may be given again
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub rendezvous_wan: Vec<String>,
    /// A super hub to ask for communities; may be given again
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub hub: Vec<String>,
}

impl RunArgs {
    /// The keys that these options stand for.
    pub fn flags(&self) -> Vec<FlagValue> {
        let text = |value: &Option<String>| value.as_deref().map(Value::from);
        let port = |value: Option<u16>| value.map(|port| Value::from(i64::from(port)));
        let truth = |given: bool| given.then(|| Value::from(true));
        let list = |urls: &[String]| (!urls.is_empty()).then(|| Value::Array(urls.iter().map(String::as_str).collect::<Array>()));
        let table = [
            ("--label", "profile.label", text(&self.label)),
            ("--listen-port", "p2p.listen_port", port(self.listen_port)),
            ("--mdns-tag", "p2p.mdns_tag", text(&self.mdns_tag)),
            ("--viewer", "viewer.http_addr", text(&self.viewer)),
            ("--rendezvous-host", "presence.rendezvous_host", truth(self.rendezvous_host)),
            ("--rendezvous-only", "presence.rendezvous_only", truth(self.rendezvous_only)),
            ("--superhub", "superhub.enabled", truth(self.superhub)),
            ("--bind", "presence.rendezvous_bind", text(&self.bind)),
            ("--port", "presence.rendezvous_port", port(self.port)),
            ("--rendezvous-wan", "presence.rendezvous_wan", list(&self.rendezvous_wan)),
            ("--hub", "discovery.hubs", list(&self.hub)),
        ];
        table.into_iter().filter_map(|(flag, key, value)| value.map(|value| FlagValue { flag, key, value })).collect()
    }
}

/// Options of `goop demo`.
#[derive(Debug, Clone, Default, Args)]
pub struct DemoArgs {
    /// When ready, print one line of JSON per node on stdout: the three peers, then the hub and the rendezvous server
    #[arg(long)]
    pub json: bool,
}

/// Options of `goop doctor`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "Exit code 0: nothing is wrong; 1: something is.")]
pub struct DoctorArgs {
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Options of `goop peers`.
#[derive(Debug, Clone, Default, Args)]
pub struct PeersArgs {
    /// Print JSON, as the viewer's API gives it
    #[arg(long)]
    pub json: bool,
}

/// Operands of `goop search`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  goop search chess\n  goop search chess --hub https://hub.example.org --json")]
pub struct SearchArgs {
    /// Words, or beginnings of words
    #[arg(required = true)]
    pub query: Vec<String>,
    /// A super hub to ask; may be given again [default: discovery.hubs]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub hub: Vec<String>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Operands of `goop join`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  goop join https://rv.example.org/c/chess\n  goop join 'https://rv.example.org/c/club/join#INVITATION'"
)]
pub struct JoinArgs {
    /// A community's URL, an invitation, or a hub's link
    #[arg(value_name = "URL|LINK", value_hint = ValueHint::Url)]
    pub link: String,
}

/// Operands of `goop leave`.
#[derive(Debug, Clone, Args)]
pub struct LeaveArgs {
    /// The community's URL, or the name that `goop communities` shows
    #[arg(value_name = "URL", value_hint = ValueHint::Url)]
    pub url: String,
}

/// Options of `goop communities`.
#[derive(Debug, Clone, Args)]
pub struct CommunitiesArgs {
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Operands of `goop get`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  goop get 12D3KooW…\n  goop get 12D3KooW… photos/cat.jpg -o cat.jpg")]
pub struct GetArgs {
    /// Whose site
    pub peer: String,
    /// Which file
    #[arg(default_value = "/")]
    pub path: String,
    /// Where to put it; without this the bytes go to stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub output: Option<PathBuf>,
}

/// Operands of `goop send`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  goop send 12D3KooW… holiday.jpg")]
pub struct SendArgs {
    /// To whom
    pub peer: String,
    /// Which file
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Options of `goop files`.
#[derive(Debug, Clone, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  goop files                what was offered and sent, with its numbers\n  goop files accept 7       fetch it into the downloads folder\n  goop files decline 8\n\nThe downloads folder is the one of paths.downloads; `goop config check` prints where it is."
)]
pub struct FilesArgs {
    /// Print JSON, as the viewer's API gives it
    #[arg(long)]
    pub json: bool,
    /// What to do with one
    #[command(subcommand)]
    pub decision: Option<FileDecision>,
}

/// What becomes of a file; its number is the one that `goop files` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum FileDecision {
    /// Fetch a file that was offered, into the downloads folder (paths.downloads)
    Accept {
        /// Its number
        number: i64,
    },
    /// Refuse a file that was offered
    Decline {
        /// Its number
        number: i64,
    },
    /// Stop fetching for a while
    Pause {
        /// Its number
        number: i64,
    },
    /// Go on fetching
    Resume {
        /// Its number
        number: i64,
    },
    /// Take back an offer of yours, or break off
    Cancel {
        /// Its number
        number: i64,
    },
}

/// Operands of `goop chat`.
#[derive(Debug, Clone, Args)]
#[command(
    override_usage = "goop chat <PEER> <TEXT>\n       goop chat --all <TEXT> [--community <URL>]",
    after_help = "Examples:\n  goop chat 12D3KooW… 'Are you there?'\n  goop chat --all 'Lunch!'\n  goop chat --all 'Who plays?' --community https://rv.example.org/c/chess"
)]
pub struct ChatArgs {
    /// To whom
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub peer: Option<String>,
    /// What to say
    #[arg(required_unless_present = "all", conflicts_with = "all")]
    pub text: Option<String>,
    /// Say it to everyone on the LAN
    #[arg(long, value_name = "TEXT")]
    pub all: Option<String>,
    /// With --all: to the members of this community instead, by its URL or the name that `goop peers` shows
    #[arg(long, value_name = "URL", requires = "all", conflicts_with_all = ["peer", "text"], value_hint = ValueHint::Url)]
    pub community: Option<String>,
}

impl ChatArgs {
    /// To whom (`None`: everyone) and what.
    pub fn message(&self) -> (Option<&str>, &str) {
        match &self.all {
            Some(text) => (None, text),
            None => (self.peer.as_deref(), self.text.as_deref().unwrap_or_default()),
        }
    }
}

/// Operands of `goop status`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit code 0: it is ready; 3: it is not running, or not ready.\n\nExamples:\n  goop status\n  goop status https://rv.example.org\n  goop status https://rv.example.org/c/chess --json"
)]
pub struct StatusArgs {
    /// A rendezvous server, or a community of one; without this, the node that runs with the data folder
    #[arg(value_hint = ValueHint::Url, value_parser = BaseUrl::parse)]
    pub url: Option<BaseUrl>,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}
