//! `goop demo`: three peers with small sites of their own, on this machine alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio_util::sync::CancellationToken;

use super::run::runtime;
use super::{DemoArgs, Exit};
use crate::config::{Config, Loaded, Sources};
use crate::node::Node;
use crate::{identity, shutdown, telemetry};

/// Who takes part, and what their sites say.
const CAST: [(&str, &str); 3] = [
    ("Ada", "I keep bees on the roof. This page comes straight from my computer to yours."),
    ("Ben", "Chess on Thursdays, pancakes on Sundays. Write to me."),
    ("Cleo", "Photographs of doors, one a day. No server has ever seen them."),
];

/// How long the three may take to find each other.
const MEETING: Duration = Duration::from_secs(20);

/// Run `goop demo`; what it says on stdout goes to `out`.
pub fn run(args: &DemoArgs, out: &mut dyn Write) -> Result<Exit> {
    telemetry::start();
    let folder = Folder::create()?;
    runtime()?.block_on(play(&folder.0, args.json, out))
}

async fn play(folder: &Path, json: bool, out: &mut dyn Write) -> Result<Exit> {
    let stop = CancellationToken::new();
    tokio::spawn(shutdown::on_signals(stop.clone())?);
    let tag = format!("demo-{:08x}", rand::random::<u32>());
    let mut nodes = Vec::new();
    for (name, text) in CAST {
        let mut node = Node::start(&settings(folder, name, text, &tag)?).await?;
        // Nobody reads the configuration anew here, and whoever changes it is told so.
        drop(node.reloader());
        nodes.push(node);
    }
    for node in &nodes {
        meet(node).await?;
    }
    if json {
        tell_json(&nodes, out)?;
    } else {
        tell(&nodes, out)?;
    }
    let running = nodes.into_iter().map(|node| node.run_until(stop.clone()));
    if let Some(ended) = futures::future::join_all(running).await.into_iter().find_map(Result::err) {
        bail!("{} ended although nobody stopped it", ended.name);
    }
    Ok(Exit::Done)
}

/// Waits until a peer sees all the others.
async fn meet(node: &Node) -> Result<()> {
    let peer = node.peer().context("a demo node is a peer")?;
    let mut events = peer.events();
    let all_here = async {
        while peer.peers().await.iter().filter(|peer| peer.online).count() < CAST.len() - 1 {
            let _ = events.recv().await;
        }
    };
    let met = tokio::time::timeout(MEETING, all_here).await;
    met.with_context(|| format!("the peers did not find each other within {} s: is multicast on loopback blocked?", MEETING.as_secs()))
}

/// A peer in a folder of its own that neither hears nor says anything outside this machine.
fn settings(folder: &Path, name: &str, text: &str, tag: &str) -> Result<Loaded> {
    let data = folder.join(name.to_lowercase());
    fs::create_dir_all(data.join("site"))?;
    fs::write(data.join("site/index.html"), page(name, text))?;
    let keys = ["p2p.loopback_only=true", "viewer.http_addr='127.0.0.1:0'"].map(str::to_owned);
    let named = [format!("profile.label='{name}'"), format!("p2p.mdns_tag='{tag}'")];
    let set = keys.into_iter().chain(named).collect();
    let sources = Sources { data: Some(data), config: None, set, flags: Vec::new(), env: BTreeMap::new(), default_data: PathBuf::new() };
    Ok(Config::load(&sources)?)
}

fn page(name: &str, text: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{name}</title>\n<h1>{name}</h1>\n<p>{text}</p>\n</html>\n"
    )
}

fn tell_json(nodes: &[Node], out: &mut dyn Write) -> Result<()> {
    for node in nodes {
        writeln!(out, "{}", serde_json::to_string(node.ready())?)?;
    }
    Ok(out.flush()?)
}

fn tell(nodes: &[Node], out: &mut dyn Write) -> Result<()> {
    writeln!(out, "Three peers are running on this machine and have found each other. Open:\n")?;
    for ((name, _), node) in CAST.iter().zip(nodes) {
        let viewer = node.ready().viewer.as_deref().unwrap_or_default();
        writeln!(out, "  what {name:<5} sees   {viewer}")?;
    }
    let ada = nodes.first().and_then(|node| node.ready().viewer.as_deref()).unwrap_or_default();
    let port = ada.rsplit(':').next().unwrap_or_default();
    if let Some(ben) = nodes.get(1).and_then(Node::peer) {
        let origin = identity::to_base36(&ben.peer_id());
        writeln!(out, "\nBen's site, as Ada's browser gets it from Ben:\n\n  http://{origin}.localhost:{port}")?;
    }
    writeln!(out, "\nPress Ctrl-C to stop; nothing is kept.")?;
    Ok(out.flush()?)
}

/// A temporary folder, gone with the demo.
struct Folder(PathBuf);

impl Folder {
    fn create() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("goop-demo-{}-{:08x}", std::process::id(), rand::random::<u32>()));
        crate::config::files::create_private_dir(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
