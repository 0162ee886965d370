//! Asks the node that runs with the same data folder, through its viewer's API.

use anyhow::{Context, Result, anyhow};
use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};
use reqwest::{Client, Method, RequestBuilder, Response, Url};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use thiserror::Error;

use super::Cli;
use crate::config::{DataDir, Loaded};
use crate::identity::{DataLock, peer_id_from_text};
use crate::node::{Ready, RunFile};
use crate::viewer::TOKEN_HEADER;

mod whom;

use whom::Oneself;
pub use whom::{Listed, PeerList};

/// There is no node to ask.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct NotRunning(String);

/// The node answered with an error.
#[derive(Debug, Error)]
#[error("{detail}")]
pub struct Answered {
    /// The HTTP status.
    pub status: u16,
    /// What the node said.
    pub detail: String,
}

/// The running node.
pub struct LocalNode {
    api: Url,
    token: String,
    client: Client,
}

/// Somebody who was named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whom {
    /// Who.
    pub peer: PeerId,
    /// Whether that is the running node itself.
    pub is_me: bool,
}

impl LocalNode {
    /// The node that runs with this command line's data folder.
    ///
    /// # Errors
    /// [`NotRunning`] where there is none, or its viewer is off.
    pub fn find(cli: &Cli) -> Result<Self> {
        let ready = running(&cli.load()?.data)?;
        let viewer = ready.viewer.ok_or_else(|| NotRunning("the running goop has its viewer off, so it cannot be asked".into()))?;
        let api = Url::parse(&viewer).and_then(|url| url.join("api/v1/")).context("run.json holds no URL")?;
        let client = Client::builder().no_proxy().build().context("no HTTP client")?;
        Ok(Self { api, token: ready.token.unwrap_or_default(), client })
    }

    /// A request to `path` of the API.
    pub fn request(&self, method: Method, path: &str) -> Result<RequestBuilder> {
        let url = self.api.join(path).with_context(|| format!("`{path}` is no path"))?;
        Ok(self.client.request(method, url).header(TOKEN_HEADER, &self.token))
    }

    /// Sends a request; an error status becomes [`Answered`].
    pub async fn send(&self, request: RequestBuilder) -> Result<Response> {
        let response = request.send().await.map_err(not_running)?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status().as_u16();
        let body = response.bytes().await.unwrap_or_default();
        let problem: Option<Value> = serde_json::from_slice(&body).ok();
        let said = |key: &str| problem.as_ref().and_then(|problem| problem[key].as_str()).map(str::to_owned);
        let detail = said("detail").or_else(|| said("title")).unwrap_or_else(|| format!("the node answered {status}"));
        Err(Answered { status, detail }.into())
    }

    /// What the node says of itself.
    pub async fn me(&self) -> Result<Value> {
        Ok(self.send(self.request(Method::GET, "self")?).await?.json().await?)
    }

    /// The peer list as the API gives it.
    pub async fn peers(&self) -> Result<String> {
        Ok(self.send(self.request(Method::GET, "peers")?).await?.text().await?)
    }

    /// The peer list.
    pub async fn list(&self) -> Result<PeerList> {
        PeerList::read(&self.peers().await?)
    }

    /// Whom `text` means: a peer id, a multiaddr that ends in `/p2p/<id>` (which is dialled), or a name, see [`PeerList::called`].
    pub async fn whom(&self, text: &str) -> Result<Whom> {
        let me: Oneself = self.send(self.request(Method::GET, "self")?).await?.json().await?;
        let id = |text: &str| peer_id_from_text(text).map_err(|_| anyhow!("the node answered `{text}`"));
        let my_id = id(&me.peer_id)?;
        let peer = match peer_id_from_text(text) {
            Ok(peer) => peer,
            Err(_) if text.starts_with('/') => self.dial(text, my_id).await?,
            Err(_) => id(&self.list().await?.called(text, &me)?)?,
        };
        Ok(Whom { peer, is_me: peer == my_id })
    }

    async fn dial(&self, addr: &str, me: PeerId) -> Result<PeerId> {
        let addr: Multiaddr = addr.parse().with_context(|| format!("`{addr}` is no multiaddr"))?;
        if addr.iter().last() == Some(Protocol::P2p(me)) {
            return Ok(me);
        }
        let body = serde_json::json!({ "addr": addr.to_string() });
        let answer: Value = self.send(self.request(Method::POST, "peers")?.json(&body)).await?.json().await?;
        let peer = answer["peer_id"].as_str().unwrap_or_default();
        peer_id_from_text(peer).map_err(|_| anyhow!("the node answered `{peer}`"))
    }
}

/// What the node says of itself that runs with this data folder.
pub(super) fn running(data: &DataDir) -> Result<Ready, NotRunning> {
    let ready = RunFile::read(&data.run_json()).map_err(|error| NotRunning(error.to_string()))?;
    if DataLock::held_by(&data.lock_file()) != Some(ready.pid) {
        return Err(NotRunning("goop was killed, and whoever has its port now is somebody else; start it with `goop run`".into()));
    }
    Ok(ready)
}

/// Whether a node runs with this data folder; it reads its configuration again then.
pub(super) fn tell_running(loaded: &Loaded) -> bool {
    let holder = DataLock::held_by(&loaded.data.lock_file());
    let pid = holder.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    pid.is_some_and(|pid| kill_process(pid, Signal::HUP).is_ok())
}

/// A node that was killed leaves its `run.json` behind: nobody answers there.
fn not_running(error: reqwest::Error) -> anyhow::Error {
    if error.is_connect() {
        NotRunning("goop does not answer: it was killed, or is still starting; start it with `goop run`".into()).into()
    } else {
        error.into()
    }
}
