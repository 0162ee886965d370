//! `goop files`: what was offered and sent, and a word about one of them, through the running node.

use std::collections::HashMap;
use std::io::Write;

use anyhow::{Context, Result, anyhow};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::local::{Answered, LocalNode};
use super::run::runtime;
use super::terminal::{escaped, write_json};
use super::{Cli, Exit, FileDecision, FilesArgs};

/// The list of the API, as far as the command line reads it.
#[derive(Debug, Deserialize)]
struct Listed {
    files: Vec<File>,
}

#[derive(Debug, Deserialize)]
struct File {
    number: i64,
    peer: String,
    direction: String,
    name: String,
    size: u64,
    state: String,
    why: Option<String>,
    /// Its name in the downloads.
    file: Option<String>,
}

/// Run `goop files`, writing to `out`.
pub fn run(cli: &Cli, args: &FilesArgs, out: &mut dyn Write) -> Result<Exit> {
    if let Some(decision) = args.decision {
        let file = runtime()?.block_on(decide(cli, decision))?;
        writeln!(out, "{}", escaped(&said(&file)))?;
        return Ok(Exit::Done);
    }
    let (json, names) = runtime()?.block_on(list(cli))?;
    if args.json {
        write_json(out, &json)?;
        return Ok(Exit::Done);
    }
    let listed: Listed = serde_json::from_str(&json).context("the list of files is not understood")?;
    if listed.files.is_empty() {
        writeln!(out, "Nothing was offered or sent yet.")?;
    }
    for file in &listed.files {
        writeln!(out, "{}", escaped(&line(file, &names)))?;
    }
    Ok(Exit::Done)
}

/// The list, and how peers are called.
async fn list(cli: &Cli) -> Result<(String, HashMap<String, String>)> {
    let node = LocalNode::find(cli)?;
    let json = node.send(node.request(Method::GET, "files")?).await?.text().await?;
    let names = node.list().await?.peers.into_iter().map(|peer| (peer.peer_id, peer.label)).collect();
    Ok((json, names))
}

async fn decide(cli: &Cli, decision: FileDecision) -> Result<File> {
    let (number, word) = match decision {
        FileDecision::Accept { number } => (number, "accept"),
        FileDecision::Decline { number } => (number, "decline"),
        FileDecision::Pause { number } => (number, "pause"),
        FileDecision::Resume { number } => (number, "resume"),
        FileDecision::Cancel { number } => (number, "cancel"),
    };
    let node = LocalNode::find(cli)?;
    let request = node.request(Method::POST, &format!("files/{number}/{word}"))?.json(&json!({}));
    let answer = node.send(request).await.map_err(|error| match error.downcast_ref::<Answered>() {
        Some(Answered { status: 404, .. }) => {
            anyhow!("no file has the number {number}; `goop files` prints those there are, with their numbers")
        }
        _ => error,
    })?;
    answer.json().await.context("the answer is not understood")
}

fn line(file: &File, names: &HashMap<String, String>) -> String {
    let whom = names.get(&file.peer).filter(|name| !name.is_empty()).unwrap_or(&file.peer);
    let (way, size) = (if file.direction == "in" { "from" } else { "to" }, file.size);
    format!("{:>5}  {}  ({size} bytes, {way} {whom})", file.number, said(file))
}

/// What it is called, or where it is now; and why it is as it is.
fn said(file: &File) -> String {
    let name = match (&file.file, file.state.as_str()) {
        (Some(place), "done") if file.direction == "in" => format!("{}, as {place} in the downloads", file.name),
        _ => file.name.clone(),
    };
    file.why.as_ref().map_or_else(|| format!("{name}: {}", file.state), |why| format!("{name}: {} ({why})", file.state))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_told_with_its_number_its_state_and_whom_it_is_from() {
        let file = File {
            number: 7,
            peer: "12D3".into(),
            direction: "in".into(),
            name: "cat.jpg".into(),
            size: 12,
            state: "done".into(),
            why: None,
            file: Some("cat (1).jpg".into()),
        };
        let names = HashMap::from([("12D3".to_owned(), "Ann".to_owned())]);
        let told = line(&file, &names);
        assert!(told.contains("    7  cat.jpg") && told.contains("cat (1).jpg") && told.ends_with("(12 bytes, from Ann)"), "{told}");
        let failed = File { state: "failed".into(), why: Some("no room".into()), ..file };
        assert_eq!(said(&failed), "cat.jpg: failed (no room)");
    }
}
