//! `goop demo`: three peers with small sites of their own, a rendezvous server and a super hub that lists it, on this machine alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio_util::sync::CancellationToken;

use super::run::runtime;
use super::{DemoArgs, Exit};
use crate::clients::superhub::find;
use crate::config::base_url::BaseUrl;
use crate::config::{Config, Loaded, Sources};
use crate::node::Node;
use crate::{identity, shutdown, telemetry};

/// Who takes part, and what their sites say.
const CAST: [(&str, &str); 3] = [
    ("Ada", "I keep bees on the roof. This page comes straight from my computer to yours."),
    ("Ben", "Chess on Thursdays, pancakes on Sundays. Write to me."),
    ("Cleo", "Photographs of doors, one a day. No server has ever seen them."),
];

/// What the community is called that the demo's hub lists.
const COMMUNITY: &str = "The demo square";

/// How long the three may take to find each other, and how long the hub may take to list the community.
const MEETING: Duration = Duration::from_secs(20);

/// Between two looks at what the hub lists.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Run `goop demo`; what it says on stdout goes to `out`.
pub fn run(args: &DemoArgs, out: &mut dyn Write) -> Result<Exit> {
    telemetry::start(telemetry::QUIET);
    let folder = Folder::create()?;
    if !args.json {
        writeln!(out, "Starting a super hub, a rendezvous server and three peers on this machine …\n")?;
    }
    runtime()?.block_on(play(&folder.0, args.json, out))
}

async fn play(folder: &Path, json: bool, out: &mut dyn Write) -> Result<Exit> {
    let stop = CancellationToken::new();
    tokio::spawn(shutdown::on_signals(stop.clone())?);
    let tag = format!("demo-{:08x}", rand::random::<u32>());
    let hub = Node::start(&Part::hub(folder).load()?).await?;
    let hub_url = public(&hub)?;
    let square = Node::start(&Part::square(folder, &hub_url).load()?).await?;
    let square_url = public(&square)?;
    let mut peers = Vec::new();
    for (name, text) in CAST {
        let peer = Node::start(&Part::peer(folder, name, text, &tag, &hub_url, &square_url)?.load()?).await?;
        peers.push(peer);
    }
    for peer in &peers {
        meet(peer).await?;
    }
    listed(&hub_url).await?;
    if json {
        tell_json(peers.iter().chain([&hub, &square]), out)?;
    } else {
        tell(&peers, &hub_url, out)?;
    }
    let running = peers.into_iter().chain([square, hub]).map(|node| node.run_until(stop.clone()));
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

/// Waits until the hub has asked the rendezvous server who it is, and lists it.
async fn listed(hub: &str) -> Result<()> {
    let hubs = [BaseUrl::parse(hub).map_err(anyhow::Error::msg)?];
    let is_there = async {
        while find(&hubs, COMMUNITY).await.communities.is_empty() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let listed = tokio::time::timeout(MEETING, is_there).await;
    listed.with_context(|| format!("the hub did not list the rendezvous server within {} s", MEETING.as_secs()))
}

/// Where a server of the demo is.
fn public(node: &Node) -> Result<String> {
    let url = node.ready().public.as_deref().context("a server has an address")?;
    Ok(url.trim_end_matches('/').to_owned())
}

/// One node of the demo, in a folder of its own; it neither hears nor says anything outside this machine.
struct Part {
    data: PathBuf,
    set: Vec<String>,
}

impl Part {
    fn of<const N: usize>(folder: &Path, name: &str, set: [String; N]) -> Self {
        Self { data: folder.join(name.to_lowercase()), set: set.into() }
    }

    fn server<const N: usize>(folder: &Path, name: &str, set: [String; N]) -> Self {
        let mut part = Self::of(folder, name, set);
        part.set.extend(["presence.rendezvous_only=true", "presence.rendezvous_port=0"].map(str::to_owned));
        part
    }

    fn hub(folder: &Path) -> Self {
        let keys = ["superhub.enabled=true", "superhub.name='Demo hub'", "superhub.registration='open'", "superhub.private_addresses=true"];
        Self::server(folder, "Hub", keys.map(str::to_owned))
    }

    fn square(folder: &Path, hub: &str) -> Self {
        let keys = [format!("listing.hubs=['{hub}']"), format!("listing.name='{COMMUNITY}'"), "listing.tags=['demo']".to_owned()];
        Self::server(folder, "Square", keys)
    }

    fn peer(folder: &Path, name: &str, text: &str, tag: &str, hub: &str, square: &str) -> Result<Self> {
        let keys = [
            "p2p.loopback_only=true".to_owned(),
            "viewer.http_addr='127.0.0.1:0'".to_owned(),
            format!("profile.label='{name}'"),
            format!("p2p.mdns_tag='{tag}'"),
            format!("discovery.hubs=['{hub}']"),
            format!("presence.rendezvous_wan=['{square}']"),
        ];
        let part = Self::of(folder, name, keys);
        fs::create_dir_all(part.data.join("site"))?;
        fs::write(part.data.join("site/index.html"), page(name, text))?;
        Ok(part)
    }

    fn load(self) -> Result<Loaded> {
        let (data, set) = (Some(self.data), self.set);
        let sources = Sources { data, config: None, set, flags: Vec::new(), env: BTreeMap::new(), default_data: PathBuf::new() };
        Ok(Config::load(&sources)?)
    }
}

fn page(name: &str, text: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{name}</title>\n<h1>{name}</h1>\n<p>{text}</p>\n</html>\n"
    )
}

fn tell_json<'a>(nodes: impl Iterator<Item = &'a Node>, out: &mut dyn Write) -> Result<()> {
    for node in nodes {
        writeln!(out, "{}", serde_json::to_string(node.ready())?)?;
    }
    Ok(out.flush()?)
}

fn tell(peers: &[Node], hub: &str, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "Three peers are running on this machine and have found each other. Open:\n")?;
    for ((name, _), node) in CAST.iter().zip(peers) {
        let viewer = node.ready().viewer.as_deref().unwrap_or_default();
        writeln!(out, "  what {name:<5} sees   {viewer}")?;
    }
    let ada = peers.first().and_then(|node| node.ready().viewer.as_deref()).unwrap_or_default();
    let port = ada.rsplit(':').next().unwrap_or_default();
    if let Some(ben) = peers.get(1).and_then(Node::peer) {
        let origin = identity::to_base36(&ben.peer_id());
        writeln!(out, "\nBen's site, as Ada's browser gets it from Ben:\n\n  http://{origin}.localhost:{port}")?;
    }
    writeln!(out, "\nA super hub, on which “{COMMUNITY}” is listed, a rendezvous server that all three have joined:\n\n  {hub}/directory")?;
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
