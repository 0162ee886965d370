//! `goop search`: communities, from the configured super hubs; where none of them answers, from what is kept on this machine.

use std::io::Write;

use anyhow::Result;

use super::terminal::{escaped, write_json};
use super::{Cli, Exit, SearchArgs, run::runtime};
use crate::clients::superhub::kept::Found;
use crate::clients::superhub::{Told, ask};
use crate::config::base_url::BaseUrl;

/// Run `goop search`, writing to `out`.
pub fn run(cli: &Cli, args: &SearchArgs, out: &mut dyn Write) -> Result<Exit> {
    let loaded = cli.load()?;
    let named: Vec<BaseUrl> = args.hub.iter().map(|hub| BaseUrl::parse(hub)).collect::<Result<_, _>>().map_err(anyhow::Error::msg)?;
    let hubs = if named.is_empty() { &loaded.config.discovery.hubs } else { &named };
    let text = args.query.join(" ");
    let told = runtime()?.block_on(ask(&loaded.data, hubs, &text))?;
    if args.json {
        write_json(out, &serde_json::to_string(&told)?)?;
        return Ok(Exit::Done);
    }
    write!(out, "{}", escaped(&words(&told, hubs.is_empty())))?;
    Ok(Exit::Done)
}

fn words(told: &Told, no_hub: bool) -> String {
    let Told { local, answers } = told;
    let mut text: String = answers.communities.iter().map(|found| entry(found, *local)).collect();
    if answers.communities.is_empty() {
        text.push_str("Nothing was found.\n");
    }
    for failed in &answers.failed {
        text.push_str(&format!("{}: {}\n", failed.hub, failed.why));
    }
    if no_hub {
        text.push_str("No super hub is configured; this is what is kept on this machine. Name one by --hub, ");
        text.push_str("or in discovery.hubs.\n");
    } else if *local {
        text.push_str("No hub answers; this is what is kept on this machine.\n");
    }
    text
}

/// A community in three lines.
fn entry(found: &Found, local: bool) -> String {
    let listing = &found.listing;
    let health = if local { format!("{} when a hub was last asked", listing.health.word()) } else { listing.health.word().to_owned() };
    let mut marks = vec![listing.kind.word().to_owned(), health];
    marks.extend((listing.members > 0).then(|| format!("says it has {} members", listing.members)));
    marks.extend(listing.paid.then(|| "paid".to_owned()));
    marks.extend(listing.similar_to.map(|id| format!("looks like another one, {id}")));
    marks.extend(listing.tags.iter().map(|tag| format!("#{}", tag.as_str())));
    let summary = Some(listing.description.as_str()).filter(|text| !text.is_empty()).map(|text| format!("  {text}\n"));
    let name = listing.name.as_str();
    format!("{name}\n  {}\n{}  {}  (from {})\n", marks.join(" · "), summary.unwrap_or_default(), listing.rendezvous, found.hub)
}
