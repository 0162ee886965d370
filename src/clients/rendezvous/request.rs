//! Requests to a server, and what can go wrong with them.

use std::ffi::OsString;
use std::net::IpAddr;
use std::time::Duration;

use libp2p::PeerId;
use reqwest::header::{LOCATION, RETRY_AFTER};
use reqwest::{Certificate, RequestBuilder, Response, StatusCode, redirect};
use serde::Deserialize;
use thiserror::Error;

use super::Known;
use super::link::Link;
use super::place::{BadMove, Place};
use super::resolve::PublicOnly;
use crate::clients::USER_AGENT;
use crate::clients::answer::{self, ReadError};
use crate::proto::presence::label;
use crate::proto::signed::{Epoch, MAX_NUMBER};

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer's head may take, and then its body.
pub const ANSWER: Duration = Duration::from_secs(10);
/// Longest body that is read, in bytes.
const MAX_BODY: usize = 16 * 1024;
/// Characters of a server's own words that are shown.
const MAX_WORDS: usize = 200;

/// Why a request failed.
#[derive(Debug, Clone, Error)]
pub enum Failure {
    /// No connection, or none that can be trusted; the text says which.
    #[error("{0}")]
    Unreachable(String),
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// A status that is no success.
    #[error("{status}{}", words.as_ref().map(|words| format!(": {words}")).unwrap_or_default())]
    Refused {
        /// Which.
        status: StatusCode,
        /// What the server says of it.
        words: Option<String>,
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
        /// What a 409 carries.
        sign_again: Option<SignAgain>,
    },
    /// A redirect.
    #[error("the server moved")]
    Moved {
        /// Where to.
        to: String,
        /// The address of who says so, as far as known.
        by: Option<IpAddr>,
    },
    /// The server is no longer where its stream was read: the publisher followed it elsewhere, or it came back.
    #[error("the server is elsewhere now")]
    Elsewhere,
    /// A redirect that is not followed.
    #[error(transparent)]
    BadMove(#[from] BadMove),
    /// The answer is not what it should be.
    #[error("the answer is not understood: {0}")]
    Strange(&'static str),
    /// The stream ended.
    #[error("the stream ended")]
    Ended,
    /// The stream was silent for too long.
    #[error("the stream fell silent")]
    Silent,
}

impl Failure {
    /// How long the server asks us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The status, if the server answered one.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// What a server answers that wants a message signed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct SignAgain {
    /// Its epoch.
    pub epoch: Epoch,
    /// The highest number of ours that it has seen.
    pub seq: u64,
}

#[derive(Deserialize)]
struct WellKnown {
    peer_id: String,
    epoch: Epoch,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    detail: Option<String>,
}

/// How servers of a kind are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manners {
    https: bool,
    loopback: bool,
    outward: bool,
}

impl Manners {
    /// What the place asks for.
    pub fn at(place: &Place) -> Self {
        Self { https: place.is_https(), loopback: place.is_loopback(), outward: place.is_outward() }
    }
}

/// A client for servers that are reached like this. Redirects are not followed by it; certificates are verified by the system's list.
pub fn client(manners: Manners) -> Result<reqwest::Client, Failure> {
    let mut builder =
        reqwest::Client::builder().user_agent(USER_AGENT).redirect(redirect::Policy::none()).connect_timeout(CONNECT).http1_only();
    if !manners.https {
        builder = builder.tls_certs_only(std::iter::empty::<Certificate>());
    }
    if manners.loopback {
        builder = builder.no_proxy();
    }
    // A proxy would ask what the name means itself.
    if manners.outward {
        builder = builder.dns_resolver(PublicOnly).no_proxy();
    }
    builder.build().map_err(|error| Failure::Unreachable(innermost(&error)))
}

/// Sends a request to the server of this link; only a success is an answer.
pub async fn send(link: &Link, request: RequestBuilder) -> Result<Response, Failure> {
    let sent = tokio::time::timeout(ANSWER, request.send()).await.map_err(|_| Failure::TimedOut)?;
    let response = sent.map_err(|error| if error.is_timeout() { Failure::TimedOut } else { Failure::Unreachable(innermost(&error)) })?;
    link.change_place(|place| place.reached(response.url(), speaker(&response)));
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    if status.is_redirection()
        && let Some(to) = header(LOCATION)
    {
        return Err(Failure::Moved { to: to.to_owned(), by: speaker(&response) });
    }
    let retry_after = header(RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok()).map(Duration::from_secs);
    let body = body(response).await.unwrap_or_default();
    let sign_again = serde_json::from_slice(&body).ok().filter(|_| status == StatusCode::CONFLICT);
    Err(Failure::Refused { status, words: words(&body), retry_after, sign_again })
}

/// The address that an answer comes from; not known where it may be a proxy's.
pub fn speaker(response: &Response) -> Option<IpAddr> {
    response.remote_addr().map(|addr| addr.ip()).filter(|_| !names_proxy(|name| std::env::var_os(name)))
}

/// Whether the environment names a proxy, for whatever.
fn names_proxy(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let names = ["all_proxy", "http_proxy", "https_proxy"];
    let is_set = |name: &str| variable(name).is_some_and(|value| !value.is_empty());
    names.iter().any(|name| is_set(name) || is_set(&name.to_ascii_uppercase()))
}

/// The body of an answer, at most [`MAX_BODY`] bytes of it.
pub async fn body(response: Response) -> Result<Vec<u8>, Failure> {
    let read = tokio::time::timeout(ANSWER, answer::read(response, MAX_BODY)).await.map_err(|_| Failure::TimedOut)?;
    read.map_err(|error| match error {
        ReadError::Broken(error) => Failure::Unreachable(innermost(&error)),
        ReadError::TooLong => Failure::Strange("it is too long"),
    })
}

/// What kind of server answers at `place`.
pub async fn learn(link: &Link, client: &reqwest::Client, place: &Place) -> Result<Known, Failure> {
    let asked = send(link, client.get(place.endpoint(WELL_KNOWN))).await;
    match asked {
        Ok(response) => Ok(body(response).await.ok().and_then(|body| ours(&body)).unwrap_or(Known::Goop2)),
        Err(failure) if failure.status().is_some_and(|status| status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS) => {
            Ok(Known::Goop2)
        }
        Err(failure) => Err(failure),
    }
}

/// Where a server of ours tells about itself.
pub const WELL_KNOWN: &str = ".well-known/goop";

fn ours(body: &[u8]) -> Option<Known> {
    let told: WellKnown = serde_json::from_slice(body).ok()?;
    let server: PeerId = told.peer_id.parse().ok()?;
    (told.epoch.get() <= MAX_NUMBER).then_some(Known::Ours { server, epoch: told.epoch })
}

fn words(body: &[u8]) -> Option<String> {
    let problem = serde_json::from_slice::<Problem>(body).ok().and_then(|problem| problem.detail.or(problem.title));
    let text = problem.unwrap_or_else(|| String::from_utf8_lossy(body).lines().next().unwrap_or_default().to_owned());
    Some(label::clean(&text, MAX_WORDS)).filter(|words| !words.is_empty() && !words.starts_with('<'))
}

/// The last cause as one line.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    label::clean(&answer::innermost(error).to_string(), MAX_WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attack_a_proxy_s_address_is_taken_for_nobody_s() {
        for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            assert!(names_proxy(|asked| (asked == name).then(|| "http://10.0.0.1:3128".into())), "{name}");
        }
        assert!(!names_proxy(|_| None) && !names_proxy(|_| Some(OsString::new())));
    }
}
