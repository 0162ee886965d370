//! `goop chat`: a message to a peer, or to everyone on the LAN, through the running node.

use std::io::Write;

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::local::LocalNode;
use super::{ChatArgs, Cli, Exit, run::runtime};

/// Run `goop chat`, writing to `out`.
pub fn run(cli: &Cli, args: &ChatArgs, out: &mut dyn Write) -> Result<Exit> {
    let (to, text) = args.message();
    let message = runtime()?.block_on(send(cli, to, text))?;
    if to.is_none() {
        writeln!(out, "delivered to {}", message["delivered"])?;
    }
    Ok(Exit::Done)
}

async fn send(cli: &Cli, to: Option<&str>, text: &str) -> Result<Value> {
    let node = LocalNode::find(cli)?;
    let body = match to {
        Some(peer) => json!({ "to": node.whom(peer).await?.to_string(), "content": text }),
        None => json!({ "content": text }),
    };
    Ok(node.send(node.request(Method::POST, "chat")?.json(&body)).await?.json().await?)
}
