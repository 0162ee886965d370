//! `goop doctor`: what does not work here, and what to do about it. Asks the running node where there is one, since only it knows what
//! others told it; else it looks for itself.

use std::io::Write;
use std::time::Duration;

use anyhow::Result;
use reqwest::{Method, Url};
use tokio::time::timeout;

use super::local::{self, LocalNode};
use super::run::runtime;
use super::terminal::{escaped, write_json};
use super::{Cli, DoctorArgs, Exit};
use crate::config::Loaded;
use crate::doctor::{Finding, Look, PATIENCE, Patient, Report, Running, examine};
use crate::node::Ready;

/// How long the node may take to answer beside the examination itself.
const MARGIN: Duration = Duration::from_secs(4);

/// Run `goop doctor`, writing to `out`.
pub fn run(cli: &Cli, args: &DoctorArgs, out: &mut dyn Write) -> Result<Exit> {
    let loaded = cli.load()?;
    let report = runtime()?.block_on(report(cli, loaded));
    if args.json {
        write_json(out, &serde_json::to_string(&report)?)?;
    } else {
        write!(out, "{}", escaped(&words(&report)))?;
    }
    Ok(if report.well { Exit::Done } else { Exit::Failed })
}

async fn report(cli: &Cli, loaded: Loaded) -> Report {
    let Ok(ready) = local::running(&loaded.data) else {
        let mut found = examine(Patient { loaded, running: None }).await.findings;
        let not_running = Finding::of("node", "goop", Look::Plain, "does not run");
        found.push(not_running.said("What only a running one knows is not told, such as whether others get in.").copy("goop run"));
        return Report::of(found);
    };
    if ready.viewer.is_none() {
        return examine(Patient { loaded, running: Some(running(&ready)) }).await;
    }
    let asked = timeout(PATIENCE + MARGIN, ask(cli)).await;
    let why = match asked {
        Ok(Ok(report)) => return report,
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "it takes too long".to_owned(),
    };
    let mut found = examine(Patient { loaded, running: Some(running(&ready)) }).await.findings;
    let mute = Finding::of("node", "The running goop", Look::Bad, "does not answer").said(format!("{why}."));
    found.push(mute.todo("Look at its log, and start it again."));
    Report::of(found)
}

async fn ask(cli: &Cli) -> Result<Report> {
    let node = LocalNode::find(cli)?;
    Ok(node.send(node.request(Method::GET, "doctor")?).await?.json().await?)
}

/// A node as its run file tells of it.
fn running(ready: &Ready) -> Running {
    let has_peer = ready.roles.iter().any(|role| role == "peer");
    let listen = ready.listen.iter().filter(|_| has_peer).filter_map(|addr| addr.parse().ok()).collect();
    let viewer = ready.viewer.as_deref().and_then(|url| Url::parse(url).ok()?.port());
    Running { pid: ready.pid, has_peer, listen, viewer, local: ready.local.clone(), nat: None, relayed: false }
}

fn words(report: &Report) -> String {
    let wrong = report.findings.iter().filter(|found| found.look == Look::Bad).count();
    let head = match wrong {
        0 => "Nothing is wrong.".to_owned(),
        1 => "One thing does not work.".to_owned(),
        many => format!("{many} things do not work."),
    };
    report.findings.iter().fold(format!("{head}\n"), |text, finding| text + &entry(finding))
}

fn entry(finding: &Finding) -> String {
    let mark = match finding.look {
        Look::Good => "ok",
        Look::Warn => "hm",
        Look::Bad => "BAD",
        Look::Plain => "-",
    };
    let mut text = format!("\n{mark:<4} {}: {}\n", finding.what, finding.word);
    let said = [&finding.said, &finding.todo].into_iter().filter(|said| !said.is_empty());
    said.for_each(|said| text.push_str(&format!("     {said}\n")));
    finding.copy.iter().for_each(|line| text.push_str(&format!("       {line}\n")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_counted_and_ends_in_something_to_type() {
        let bad = Finding::of("disk", "The disk", Look::Bad, "full").said("0 MB are free.").copy("df -h");
        let said = words(&Report::of(vec![Finding::of("x", "Ports", Look::Good, "free"), bad]));
        assert_eq!(said, "One thing does not work.\n\nBAD  The disk: full\n     0 MB are free.\n       df -h\n\nok   Ports: free\n");
    }
}
