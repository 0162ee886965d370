//! The other side of a super hub.
//!
//! A rendezvous server has itself listed: Peer ID auth with its own key, and the registration again before it lapses. [`HubClient`] is one
//! question; [`keep_listed`] asks it for as long as the node runs.
//!
//! A peer looks for communities: [`ask()`] is one search, [`find()`] asks several hubs at once, and [`keep_known`] keeps what they list for the day on which none of
//! them answers ([`kept`]); [`names`] says what they call one's own communities, and [`pass_on`] tells a hub that a community it lists is elsewhere now.
//! Hubs are strangers: every answer is bounded, no redirect is followed, and a listing that breaks the rules of
//! names and addresses is as good as none ([`listing`]).

use std::time::Duration;

use libp2p::PeerId;
use libp2p::identity::Keypair;
use reqwest::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};
use serde_json::Value;
use thiserror::Error;

use crate::clients::USER_AGENT;
use crate::clients::answer::{self, ReadError, innermost};
use crate::config::base_url::BaseUrl;
use crate::config::listing::ListingConfig;
use crate::http::auth::peer_id::{ClientError, PeerIdClient, is_ours};
use crate::identity::peer_id_from_text;
use crate::proto::presence::label;

mod ask;
mod find;
pub mod kept;
mod known;
mod lease;
pub mod listing;
mod merge;
mod moved;
pub mod names;

pub use ask::{Told, ask};
pub use find::{Answers, find};
pub use known::keep_known;
pub use lease::keep_listed;
pub use moved::pass_on;

/// How long one answer may take; the hub asks this node something meanwhile.
const PATIENCE: Duration = Duration::from_secs(20);
/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;
/// Characters of a hub's own words that are shown.
const MAX_WORDS: usize = 300;
/// The lease where a hub does not say another.
const USUAL_LEASE: Duration = Duration::from_secs(86_400);

/// What a hub answers to a registration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Registered {
    /// It is listed.
    Listed {
        /// Under this id.
        id: String,
        /// For so long.
        lease: Duration,
    },
    /// It waits for the hub's operator.
    Waiting,
}

/// Why a registration came to nothing.
#[derive(Debug, Error)]
pub enum HubError {
    /// No connection, or no answer.
    #[error("the hub does not answer: {0}")]
    Unreachable(String),
    /// What answers is something else.
    #[error("this is no super hub")]
    NoHub,
    /// It does not prove to be the one that it says it is.
    #[error(transparent)]
    Handshake(#[from] ClientError),
    /// It does not want to; why.
    #[error("the hub refuses: {detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Its words.
        detail: String,
        /// When it is worth asking again.
        retry_after: Option<Duration>,
    },
}

/// Asks one hub.
pub struct HubClient {
    hub: BaseUrl,
    key: Keypair,
    client: Client,
}

impl HubClient {
    /// A client of `hub` for the server with this key.
    ///
    /// # Errors
    /// [`HubError::Unreachable`] where the system has no TLS.
    pub fn new(hub: BaseUrl, key: Keypair) -> Result<Self, HubError> {
        Ok(Self { hub, key, client: client(PATIENCE)? })
    }

    /// Lists, renews or changes what is listed: `draft` is the JSON of the listing.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn register(&self, draft: &Value) -> Result<Registered, HubError> {
        let answer = self.proven(Method::POST, self.hub.below("api/v1/communities"), Some(draft)).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::CREATED => {
                let lease = answer.headers().get("goop-lease-seconds").and_then(|seconds| seconds.to_str().ok()?.parse().ok());
                let lease = lease.map_or(USUAL_LEASE, Duration::from_secs);
                let listing: Value = read(answer).await?;
                let id = label::clean(listing["id"].as_str().unwrap_or_default(), MAX_WORDS);
                Ok(Registered::Listed { id, lease })
            }
            StatusCode::ACCEPTED => Ok(Registered::Waiting),
            _ => Err(refusal(answer).await),
        }
    }

    /// Takes back what is listed as `draft` says, or waits to be; answers whether it was listed.
    ///
    /// # Errors
    /// See [`HubError`].
    pub async fn withdraw(&self, draft: &Value) -> Result<bool, HubError> {
        // Only the hub knows under which id that is.
        let Registered::Listed { id, .. } = self.register(draft).await? else { return Ok(false) };
        let answer = self.proven(Method::DELETE, self.hub.below(&format!("api/v1/communities/{id}")), None).await?;
        if answer.status().is_success() { Ok(true) } else { Err(refusal(answer).await) }
    }

    /// A request of this server, once hub and server have proven to each other who they are; a refusal before that is an error.
    async fn proven(&self, method: Method, url: Url, body: Option<&Value>) -> Result<Response, HubError> {
        let hostname = self.hub.url().host_str().unwrap_or_default().to_owned();
        let mut proof = PeerIdClient::new(self.key.clone(), self.who().await?, hostname, rand::random());
        let asked =
            self.client.request(method.clone(), url.clone()).header(AUTHORIZATION, proof.ask()).send().await.map_err(unreachable)?;
        let lines = asked.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|line| line.to_str().ok());
        let Some(challenge) = lines.into_iter().find(|line| is_ours(line)).map(str::to_owned) else { return Err(refusal(asked).await) };
        let request = self.client.request(method, url).header(AUTHORIZATION, proof.prove(&challenge)?);
        body.iter().fold(request, |request, body| request.json(body)).send().await.map_err(unreachable)
    }

    /// Who the hub says that it is; it proves that before anything is sent to it.
    async fn who(&self) -> Result<PeerId, HubError> {
        let answer = self.client.get(self.hub.below(".well-known/goop")).send().await.map_err(unreachable)?;
        let described: Value =
            read(answer).await.map_err(|error| if matches!(error, HubError::Unreachable(_)) { error } else { HubError::NoHub })?;
        let is_hub = described["roles"].as_array().is_some_and(|roles| roles.iter().any(|role| role == "superhub"));
        let peer = described["peer_id"].as_str().and_then(|peer| peer_id_from_text(peer).ok());
        peer.filter(|_| is_hub).ok_or(HubError::NoHub)
    }
}

/// What asks hubs: no redirect is followed, and no answer takes longer than `patience`.
fn client(patience: Duration) -> Result<Client, HubError> {
    let builder = Client::builder().user_agent(USER_AGENT);
    builder.redirect(redirect::Policy::none()).timeout(patience).build().map_err(unreachable)
}

/// What `[listing]` says, as a hub takes it; `None` where nothing is to be listed. `board` is the base URL of the open board.
pub fn draft(listing: &ListingConfig, board: &str) -> Option<Value> {
    let text = |line: &crate::config::text::Line| Some(line.as_str().to_owned()).filter(|text| !text.is_empty());
    let name = text(&listing.name).filter(|_| !listing.hubs.is_empty())?;
    let address = text(&listing.community).map_or_else(|| board.to_owned(), |slug| format!("{board}/c/{slug}"));
    let tags: Vec<&str> = listing.tags.iter().map(|tag| tag.as_str()).collect();
    Some(serde_json::json!({
        "community": name,
        "description": listing.description.as_str(),
        "tags": tags,
        "lang": listing.lang.as_str(),
        "type": text(&listing.kind).unwrap_or_else(|| "open".to_owned()),
        "rendezvous": address,
    }))
}

/// The JSON of an answer of at most [`MAX_ANSWER`] bytes.
async fn read(answer: Response) -> Result<Value, HubError> {
    read_at_most(answer, MAX_ANSWER).await
}

/// The JSON of an answer of at most `most` bytes.
async fn read_at_most(answer: Response, most: usize) -> Result<Value, HubError> {
    let body = answer::read(answer, most).await.map_err(|error| match error {
        ReadError::Broken(error) => unreachable(error),
        ReadError::TooLong => HubError::NoHub,
    })?;
    serde_json::from_slice(&body).map_err(|_| HubError::NoHub)
}

async fn refusal(answer: Response) -> HubError {
    let status = answer.status();
    let retry_after = answer.headers().get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok()?.parse().ok()).map(Duration::from_secs);
    let words = read(answer).await.ok().and_then(|problem| problem["detail"].as_str().map(|detail| label::clean(detail, MAX_WORDS)));
    HubError::Refused { status: status.as_u16(), detail: words.unwrap_or_else(|| status.to_string()), retry_after }
}

fn unreachable(error: reqwest::Error) -> HubError {
    HubError::Unreachable(innermost(&error).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::text::Line;

    #[test]
    fn two_keys_are_enough_to_be_listed() {
        let mut listing = ListingConfig::default();
        assert_eq!(draft(&listing, "https://rv.example"), None);
        listing.hubs = vec![BaseUrl::parse("https://hub.example").unwrap()];
        assert_eq!(draft(&listing, "https://rv.example"), None);
        listing.name = Line::parse("Chess Club").unwrap();
        let said = draft(&listing, "https://rv.example").unwrap();
        assert_eq!(
            (&said["community"], &said["rendezvous"], &said["type"]),
            (&"Chess Club".into(), &"https://rv.example".into(), &"open".into())
        );
        listing.community = Line::parse("chess").unwrap();
        assert_eq!(draft(&listing, "https://rv.example").unwrap()["rendezvous"], "https://rv.example/c/chess");
    }
}
