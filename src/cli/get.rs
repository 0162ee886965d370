//! `goop get`: a file of a peer's site, through the running node.

use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use futures::StreamExt;
use reqwest::{Method, Response};

use super::local::LocalNode;
use super::{Cli, Exit, GetArgs, run::runtime};

mod target;

use target::Target;

/// Run `goop get`; without `-o` the bytes go to `out`.
pub fn run(cli: &Cli, args: &GetArgs, out: &mut dyn Write) -> Result<Exit> {
    runtime()?.block_on(fetch(cli, args, out))?;
    Ok(Exit::Done)
}

async fn fetch(cli: &Cli, args: &GetArgs, out: &mut dyn Write) -> Result<()> {
    let node = LocalNode::find(cli)?;
    let peer = node.whom(&args.peer).await?;
    let path = format!("peers/{peer}/site/{}", encode(args.path.trim_start_matches('/')));
    let response = node.send(node.request(Method::GET, &path)?).await?;
    match &args.output {
        None => copy(response, out).await,
        Some(file) => save(response, file).await,
    }
}

/// A file that is cut off on the way never takes the place of one that is there.
async fn save(response: Response, file: &Path) -> Result<()> {
    let failed = || format!("{} cannot be written", file.display());
    let mut target = Target::open(file).with_context(failed)?;
    copy(response, &mut target).await?;
    target.keep().with_context(failed)
}

async fn copy(response: Response, out: &mut (impl Write + ?Sized)) -> Result<()> {
    let mut body = response.bytes_stream();
    while let Some(piece) = body.next().await {
        out.write_all(&piece.context("the file was cut off on the way")?)?;
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
