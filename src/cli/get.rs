//! `goop get`: a file of a peer's site, through the running node.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use futures::StreamExt;
use reqwest::{Method, Response};

use self::progress::Progress;
use self::target::Target;
use super::local::LocalNode;
use super::{Cli, Exit, GetArgs, run::runtime};

mod progress;
mod target;

/// Run `goop get`; without `-o` the bytes go to `out`.
pub fn run(cli: &Cli, args: &GetArgs, out: &mut dyn Write) -> Result<Exit> {
    runtime()?.block_on(fetch(cli, args, out))?;
    Ok(Exit::Done)
}

async fn fetch(cli: &Cli, args: &GetArgs, out: &mut dyn Write) -> Result<()> {
    let node = LocalNode::find(cli)?;
    let peer = node.whom(&args.peer).await?.peer;
    let path = format!("peers/{peer}/site/{}", encode(args.path.trim_start_matches('/')));
    let response = node.send(node.request(Method::GET, &path)?).await?;
    match &args.output {
        None => copy(response, out, |_| {}).await,
        Some(file) => save(response, file).await,
    }
}

/// A file that is cut off on the way, by Ctrl-C too, never takes the place of one that is there, and leaves nothing behind.
async fn save(response: Response, file: &Path) -> Result<()> {
    let failed = || format!("{} cannot be written", file.display());
    let mut target = Target::open(file).with_context(failed)?;
    let mut progress = Progress::new(response.content_length());
    let copied = tokio::select! {
        copied = copy(response, &mut target, |length| progress.more(length)) => copied,
        _ = tokio::signal::ctrl_c() => Err(anyhow!("interrupted")),
    };
    progress.end();
    copied?;
    target.keep().with_context(failed)
}

async fn copy(response: Response, out: &mut (impl Write + ?Sized), mut copied: impl FnMut(usize)) -> Result<()> {
    let mut body = response.bytes_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.context("the file was cut off on the way")?;
        out.write_all(&piece)?;
        copied(piece.len());
    }
    Ok(out.flush()?)
}

/// A path of a site is raw text; in a URL everything but plain characters and slashes is escaped.
fn encode(path: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(byte);
    path.bytes().map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_survives_the_way_through_a_url() {
        assert_eq!(encode("a b/ü?.html"), "a%20b/%C3%BC%3F.html");
        assert_eq!(encode("index.html"), "index.html");
    }
}
