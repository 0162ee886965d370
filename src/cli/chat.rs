//! `goop chat`: a message to a peer, to everyone on the LAN, or to a community, through the running node.

use std::io::Write;

use anyhow::{Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

use super::local::LocalNode;
use super::{ChatArgs, Cli, Exit, run::runtime};

/// Run `goop chat`, writing to `out`.
pub fn run(cli: &Cli, args: &ChatArgs, out: &mut dyn Write) -> Result<Exit> {
    let (to, text) = args.message();
    let said = runtime()?.block_on(async {
        let node = LocalNode::find(cli)?;
        match to {
            Some(peer) => tell(&node, peer, text).await,
            None => tell_all(&node, args.community.as_deref(), text).await,
        }
    })?;
    writeln!(out, "{said}")?;
    Ok(Exit::Done)
}

async fn tell(node: &LocalNode, peer: &str, text: &str) -> Result<String> {
    let to = node.whom(peer).await?;
    if to.is_me {
        bail!("that is you");
    }
    let message = send(node, &json!({ "to": to.peer.to_string(), "content": text })).await?;
    let waits = message["state"] == "waiting";
    Ok(if waits { "waiting until they are back" } else { "delivered" }.into())
}

async fn tell_all(node: &LocalNode, community: Option<&str>, text: &str) -> Result<String> {
    let message = send(node, &community.map_or(json!({ "content": text }), |name| json!({ "community": name, "content": text }))).await?;
    let reasons: Vec<(u64, &str)> = message["missed"].as_array().into_iter().flatten().filter_map(missed).collect();
    if message["delivered"] == 0 && reasons.is_empty() {
        return Ok(match community {
            None => "nobody is on this network; --community URL says it to a community".into(),
            Some(_) => "nobody else is there".into(),
        });
    }
    let not_reached: u64 = reasons.iter().map(|(peers, _)| peers).sum();
    let why: Vec<String> = reasons.iter().map(|(peers, why)| format!("{why} ({peers})")).collect();
    let others = if why.is_empty() { String::new() } else { format!(", not to {not_reached}: {}", why.join(", ")) };
    Ok(format!("delivered to {}{others}", message["delivered"]))
}

fn missed(reason: &Value) -> Option<(u64, &str)> {
    Some((reason["peers"].as_u64()?, reason["why"].as_str()?))
}

async fn send(node: &LocalNode, body: &Value) -> Result<Value> {
    Ok(node.send(node.request(Method::POST, "chat")?.json(body)).await?.json().await?)
}
