//! `goop status`: is it ready, who is there, what is wrong. Scripts and health checks go by the exit code.

use std::io::Write;

use anyhow::Result;

use super::local::{self, LocalNode};
use super::run::runtime;
use super::terminal::write_json;
use super::{Cli, Exit, StatusArgs};
use crate::config::base_url::BaseUrl;

mod report;
mod server;

use report::Report;
pub(super) use report::servers_in_trouble;

/// Run `goop status`, writing to `out`.
pub fn run(cli: &Cli, args: &StatusArgs, out: &mut dyn Write) -> Result<Exit> {
    let report = match &args.url {
        Some(url) => runtime()?.block_on(of_server(url)),
        None => runtime()?.block_on(of_running(cli))?,
    };
    if args.json {
        write_json(out, &serde_json::to_string(&report)?)?;
    } else {
        report.write(out)?;
    }
    Ok(if report.ready { Exit::Done } else { Exit::NotRunning })
}

async fn of_server(url: &BaseUrl) -> Report {
    let mut report = Report { public: Some(url.to_string()), ..Report::up() };
    server::ask(url, &mut report).await;
    report
}

/// The node of the data folder: each of its roles must be ready.
async fn of_running(cli: &Cli) -> Result<Report> {
    let ready = match local::running(&cli.load()?.data) {
        Ok(ready) => ready,
        Err(not_running) => return Ok(Report::default().with_problem(not_running.to_string())),
    };
    let mut report = Report {
        version: Some(ready.version.clone()),
        peer_id: Some(ready.peer_id.clone()),
        roles: ready.roles.clone(),
        viewer: ready.viewer.clone(),
        public: ready.public.clone(),
        pid: Some(ready.pid),
        ..Report::up()
    };
    if let Some(local) = ready.local.as_deref().and_then(|url| BaseUrl::parse(url).ok()) {
        server::ask(&local, &mut report).await;
    }
    if ready.viewer.is_some() {
        ask_viewer(cli, &mut report).await;
    }
    Ok(report)
}

/// Whom the peer sees, and how it stands with its rendezvous servers.
async fn ask_viewer(cli: &Cli, report: &mut Report) {
    let asked = async {
        let node = LocalNode::find(cli)?;
        let (me, list) = tokio::try_join!(node.me(), node.list())?;
        anyhow::Ok((me, list.peers.iter().filter(|peer| peer.online).count()))
    };
    match tokio::time::timeout(server::PATIENCE, asked).await {
        Ok(Ok((me, sees))) => {
            report.sees = Some(sees);
            report.problems.extend(servers_in_trouble(&me));
        }
        Ok(Err(error)) => report.is_not_ready(format!("the peer: {error:#}")),
        Err(_) => report.is_not_ready("the peer does not answer".into()),
    }
}
