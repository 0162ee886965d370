//! `goop hub`: the operator's and the owner's commands around super hubs.

use std::io::Write;

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueHint};
use toml_edit::{Array, Value};

use super::local::{Answered, tell_running};
use super::{Cli, Exit, run::runtime};
use crate::clients::superhub::{HubClient, HubError, Registered, draft};
use crate::config::base_url::BaseUrl;
use crate::config::listing::ListingConfig;
use crate::config::text::Line;
use crate::config::{Loaded, set_in_file};
use crate::identity::Identity;
use crate::node::RunFile;

/// What is to be done.
#[derive(Debug, Clone, Subcommand)]
pub enum HubCommand {
    /// List the rendezvous server of this data folder on a super hub, and keep it listed
    Register(RegisterArgs),
    /// Take it off the super hubs on which it is listed
    Unlist(UnlistArgs),
}

/// Options of `goop hub unlist`.
#[derive(Debug, Clone, Args)]
pub struct UnlistArgs {
    /// The super hub; may be given again [default: all of listing.hubs]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub hub: Vec<String>,
}

/// Options of `goop hub register`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  goop hub register --hub https://hub.example.org --name 'Chess Club' --tag chess --lang en")]
pub struct RegisterArgs {
    /// The super hub; may be given again
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url, required = true)]
    pub hub: Vec<String>,
    /// What the community is called
    #[arg(long, value_name = "TEXT")]
    pub name: String,
    /// What it says of itself
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub description: String,
    /// Under what it is filed; may be given again
    #[arg(long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// What is mostly spoken there, as in "en"
    #[arg(long, value_name = "LANG", default_value = "", hide_default_value = true)]
    pub lang: String,
    /// How somebody comes in: open, invite-only or application
    #[arg(long = "type", value_name = "TYPE", default_value = "open")]
    pub kind: String,
    /// The slug of a community of this server [default: the open board]
    #[arg(long, value_name = "SLUG", default_value = "", hide_default_value = true)]
    pub community: String,
    /// Where others reach the server [default: http.external_url, else what the running server says]
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub url: Option<String>,
    /// Register now, and write nothing into the configuration
    #[arg(long)]
    pub once: bool,
}

/// Run `goop hub`; what came of it goes to `out`.
pub fn run(cli: &Cli, command: &HubCommand, out: &mut dyn Write) -> Result<Exit> {
    let loaded = cli.load()?;
    let (identity, _) = Identity::of(&loaded)?;
    match command {
        HubCommand::Register(args) => register(args, &loaded, &identity, out),
        HubCommand::Unlist(args) => unlist(args, &loaded, &identity, out),
    }
}

fn register(args: &RegisterArgs, loaded: &Loaded, identity: &Identity, out: &mut dyn Write) -> Result<Exit> {
    let listing = listing(args).map_err(anyhow::Error::msg)?;
    let draft = draft(&listing, &board(args.url.as_ref(), loaded)?).context("--name is empty")?;
    for hub in &listing.hubs {
        let asked = runtime()?.block_on(async { HubClient::new(hub.clone(), identity.keypair.clone())?.register(&draft).await });
        match asked.map_err(refused)? {
            Registered::Listed { id, lease } => writeln!(out, "Listed on {hub} as {id}, for {} s at a time.", lease.as_secs())?,
            Registered::Waiting => writeln!(out, "{hub} has noted it; its operator decides.")?,
        }
    }
    if !args.once {
        remember(&listing, loaded, out)?;
    }
    Ok(Exit::Done)
}

/// The configuration comes first, or a server that runs would list itself again.
fn unlist(args: &UnlistArgs, loaded: &Loaded, identity: &Identity, out: &mut dyn Write) -> Result<Exit> {
    let listing = &loaded.config.listing;
    let named: Vec<BaseUrl> = args.hub.iter().map(|hub| BaseUrl::parse(hub)).collect::<Result<_, _>>().map_err(anyhow::Error::msg)?;
    let (off, on): (Vec<BaseUrl>, Vec<BaseUrl>) = listing.hubs.iter().cloned().partition(|hub| named.is_empty() || named.contains(hub));
    if let Some(unknown) = named.iter().find(|hub| !off.contains(hub)) {
        anyhow::bail!("{unknown} is none of listing.hubs");
    }
    let draft = draft(listing, &board(None, loaded)?).context("this server is on no super hub: listing.hubs or listing.name is empty")?;
    let left = on.iter().map(|hub| hub.url().as_str()).collect::<Array>();
    set_in_file(&loaded.config_file, "listing.hubs", Some(Value::Array(left)).filter(|_| !on.is_empty()))?;
    tell_running(loaded);
    for hub in off {
        let asked = runtime()?.block_on(async { HubClient::new(hub.clone(), identity.keypair.clone())?.withdraw(&draft).await });
        match asked {
            Ok(true) => writeln!(out, "No longer listed on {hub}.")?,
            Ok(false) => writeln!(out, "{hub} had not decided yet; a request that nobody repeats is forgotten within a week.")?,
            Err(error) => writeln!(out, "{hub} could not be told: {error}. What is listed there ends with its lease, within a day.")?,
        }
    }
    Ok(Exit::Done)
}

fn listing(args: &RegisterArgs) -> Result<ListingConfig, String> {
    Ok(ListingConfig {
        hubs: args.hub.iter().map(|hub| BaseUrl::parse(hub)).collect::<Result<_, _>>()?,
        name: Line::parse(&args.name)?,
        description: Line::parse(&args.description)?,
        tags: args.tag.iter().map(|tag| Line::parse(tag)).collect::<Result<_, _>>()?,
        lang: Line::parse(&args.lang)?,
        kind: Line::parse(&args.kind)?,
        community: Line::parse(&args.community)?,
    })
}

/// Where others reach the open board.
fn board(named: Option<&String>, loaded: &Loaded) -> Result<String> {
    let configured = loaded.config.http.external_url.as_ref().map(|url| url.url().to_string());
    let running = || RunFile::read(&loaded.data.run_json()).ok().and_then(|ready| ready.public);
    let url = named.cloned().or(configured).or_else(running);
    let url = url.context("nobody knows where others reach this server: set http.external_url, or name it with --url")?;
    Ok(BaseUrl::parse(&url).map_err(anyhow::Error::msg)?.bare().to_owned())
}

/// Writes `[listing]`, and lets a server that runs read it.
fn remember(listing: &ListingConfig, loaded: &Loaded, out: &mut dyn Write) -> Result<()> {
    let list = |texts: Vec<String>| Value::Array(texts.iter().map(String::as_str).collect::<Array>());
    let text = |line: &Line| Some(Value::from(line.as_str())).filter(|_| !line.is_empty());
    let keys = [
        ("listing.hubs", Some(list(listing.hubs.iter().map(|hub| hub.url().to_string()).collect()))),
        ("listing.name", text(&listing.name)),
        ("listing.description", text(&listing.description)),
        ("listing.tags", Some(list(listing.tags.iter().map(|tag| tag.as_str().to_owned()).collect())).filter(|_| !listing.tags.is_empty())),
        ("listing.lang", text(&listing.lang)),
        ("listing.kind", text(&listing.kind)),
        ("listing.community", text(&listing.community)),
    ];
    let file = &loaded.config_file;
    for (key, value) in keys {
        set_in_file(file, key, value)?;
    }
    writeln!(out, "Written to {}, so that the server keeps itself listed.", file.display())?;
    if !tell_running(loaded) {
        writeln!(out, "It does not run at the moment; start it before the lease ends.")?;
    }
    Ok(())
}

/// A hub that says no is told like a node that does.
fn refused(error: HubError) -> anyhow::Error {
    match error {
        HubError::Refused { status, detail, .. } => Answered { status, detail: format!("the hub refuses: {detail}") }.into(),
        other => other.into(),
    }
}
