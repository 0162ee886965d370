//! `goop send`: offers a file to a peer, through the running node.

use std::io::Write;

use anyhow::{Context, Result, bail};
use reqwest::{Body, Method};
use serde_json::Value;
use tokio::fs::File;
use tokio_util::io::ReaderStream;

use super::local::LocalNode;
use super::{Cli, Exit, SendArgs, run::runtime};
use crate::peer::site_root::encoded;

/// Run `goop send`, writing to `out`.
pub fn run(cli: &Cli, args: &SendArgs, out: &mut dyn Write) -> Result<Exit> {
    let sent = runtime()?.block_on(offer(cli, args))?;
    writeln!(out, "{}", said(sent["state"].as_str().unwrap_or_default()))?;
    Ok(Exit::Done)
}

async fn offer(cli: &Cli, args: &SendArgs) -> Result<Value> {
    let node = LocalNode::find(cli)?;
    let to = node.whom(&args.peer).await?;
    if to.is_me {
        bail!("that is you");
    }
    let failed = || format!("{} cannot be read", args.file.display());
    let file = File::open(&args.file).await.with_context(failed)?;
    if !file.metadata().await.with_context(failed)?.is_file() {
        bail!("{} is not a file", args.file.display());
    }
    let name = args.file.file_name().unwrap_or_default().to_string_lossy();
    let path = format!("files?to={}&name={}", to.peer, encoded(&name));
    let body = Body::wrap_stream(ReaderStream::with_capacity(file, 256 * 1024));
    Ok(node.send(node.request(Method::POST, &path)?.body(body)).await?.json().await?)
}

/// How an offer stands, in words.
fn said(state: &str) -> &str {
    match state {
        "waiting" => "waiting until they are back",
        "linked" => "their program takes no files, so they got a link to your site",
        "offered" => "offered; they have to accept it",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offer_is_told_in_words() {
        assert!(said("offered").contains("accept") && said("linked").contains("link") && said("waiting").contains("back"));
        assert_eq!(said("accepted"), "accepted");
    }
}
