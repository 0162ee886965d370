//! `goop chat`: a message to a peer, or to everyone on the LAN, through the running node.

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
            None => tell_all(&node, text).await,
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

async fn tell_all(node: &LocalNode, text: &str) -> Result<String> {
    let message = send(node, &json!({ "content": text })).await?;
    if message["delivered"] == 0 && !node.list().await?.peers.iter().any(|peer| peer.online) {
        return Ok("nobody is here".into());
    }
    Ok(format!("delivered to {}", message["delivered"]))
}

async fn send(node: &LocalNode, body: &Value) -> Result<Value> {
    Ok(node.send(node.request(Method::POST, "chat")?.json(body)).await?.json().await?)
}
