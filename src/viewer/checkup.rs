//! Asks the doctor about this node, not more often than is of use: reloading a page costs no server anything.

use std::time::Duration;

use libp2p::multiaddr::Protocol;
use reqwest::Url;
use tokio::sync::Mutex;

use super::App;
use crate::clock::Moment;
use crate::doctor::{Patient, Report, Running, examine};
use crate::http::Problem;

/// How long what was found counts.
const LASTS: Duration = Duration::from_secs(5);

/// What was found last, and when. Whoever asks meanwhile waits for the same answer.
#[derive(Default)]
pub(super) struct Doctor(Mutex<Option<(Moment, Report)>>);

impl App {
    /// What works here and what does not.
    ///
    /// # Errors
    /// 503 where the peer does not answer.
    pub(super) async fn examine(&self) -> Result<Report, Problem> {
        let mut last = self.doctor.0.lock().await;
        if let Some((at, report)) = last.as_ref()
            && Moment::now().since(*at) < LASTS
        {
            return Ok(report.clone());
        }
        let report = examine(self.patient().await?).await;
        *last = Some((Moment::now(), report.clone()));
        Ok(report)
    }

    async fn patient(&self) -> Result<Patient, Problem> {
        let me = self.peer.me().await?;
        let running = Running {
            pid: std::process::id(),
            has_peer: true,
            viewer: Url::parse(&self.hosts.viewer_origin()).ok().and_then(|url| url.port()),
            local: self.options.local.clone(),
            nat: Some(me.nat),
            relayed: me.external.iter().any(|addr| addr.iter().any(|part| part == Protocol::P2pCircuit)),
            listen: me.listen,
        };
        Ok(Patient { loaded: self.configuration.current().clone(), running: Some(running) })
    }
}
