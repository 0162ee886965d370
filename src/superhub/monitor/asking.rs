//! One question to one address: the name is looked up once, every address it has is judged, and the one that was judged is the one that is asked
//! (THREATS 37). No redirect is followed, only told ([`AskError::Moved`]); no proxy of the environment is used, 64 KiB are read, and five seconds
//! are all there is.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::http::header::LOCATION;
use libp2p::PeerId;
use reqwest::{Client, Url, redirect};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::clients::answer::{self, ReadError};
use crate::clock::Moment;
use crate::http::Problem;
use crate::http::client_ip::host_key;
use crate::identity::peer_id_from_text;
use crate::proto::directory::Endpoint;
use crate::proto::directory::target::{MAX_ADDRESSES, TargetError, Trust, judge};
use crate::proto::signed::addrs::is_public;

/// From the look-up to the last byte.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where a server says who it is.
const DESCRIPTION: &str = ".well-known/goop";
/// Most of an answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// Somebody answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Who, where that was said.
    pub peer: Option<PeerId>,
    /// How long it took.
    pub took: Duration,
    /// Whether the server says that it rests.
    pub resting: bool,
}

/// Why there is no answer that counts.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AskError {
    /// It may not be asked.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Nobody is there, or not in time.
    #[error("nobody answers there: {0}")]
    Silent(String),
    /// What answers is no rendezvous server.
    #[error("what answers there is no rendezvous server: {0}")]
    Strange(&'static str),
    /// Another server answers.
    #[error("the server at that address is {0}, and not the one that asks")]
    SomebodyElse(PeerId),
    /// The server does not say who it is.
    #[error("the server at that address does not say who it is")]
    Nameless,
    /// Whoever was there is elsewhere now, and nobody on the way can have made that up.
    #[error("what was at that address has moved to {}", .0.as_str())]
    Moved(Endpoint),
    /// It was asked a moment ago, or the hub has asked enough for now.
    #[error("that address was asked a moment ago")]
    TooSoon(Duration),
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        let detail = error.to_string();
        match error {
            AskError::TooSoon(after) => Problem::too_often(detail, after),
            _ => Problem::new(StatusCode::FORBIDDEN, "not-proven", detail),
        }
    }
}

/// What servers say of themselves at `/.well-known/goop`.
#[derive(Deserialize)]
struct Described {
    peer_id: Option<String>,
}

/// Where an address leads: judged once, and never looked up again.
pub(super) struct Found {
    url: Url,
    host: String,
    /// The addresses to ask.
    pub(super) addresses: Vec<SocketAddr>,
}

impl Found {
    /// The same, but only where `client` is itself; `None` where it is elsewhere.
    pub(super) fn at_home_of(mut self, client: IpAddr) -> Option<Self> {
        self.addresses.retain(|address| host_key(address.ip()) == host_key(client));
        (!self.addresses.is_empty()).then_some(self)
    }
}

/// Looks a base URL's name up, as one of those that `names` allows at a time, and judges where it leads.
pub(super) async fn find(url: Url, trust: Trust, names: &Arc<Semaphore>) -> Result<Found, AskError> {
    let port = url.port_or_known_default().unwrap_or(0);
    let host = url.host_str().unwrap_or_default().to_owned();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let addresses = match literal {
        Ok(ip) => vec![ip],
        Err(_) => {
            let name = host.clone();
            let look_up = async move {
                let found = tokio::net::lookup_host((name.as_str(), port)).await;
                found.map(|all| all.map(|address| address.ip()).take(MAX_ADDRESSES + 1).collect::<Vec<_>>())
            };
            let found = in_turn(names, look_up).await.ok_or_else(|| AskError::Silent("its name is not known in time".into()))?;
            found.map_err(|_| AskError::Silent("its name is not known".into()))?
        }
    };
    Ok(Found { addresses: judge(&addresses, port, trust)?, url, host })
}

/// What `work` comes to, once one of `turns` is free; `None` where it takes longer than [`PATIENCE`]. Then it goes on and keeps its turn: the
/// system's resolver has a thread of this process for as long as it takes, and searches and logins need some too.
async fn in_turn<T: Send + 'static>(turns: &Arc<Semaphore>, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let working = async {
        let turn = turns.clone().acquire_owned().await.ok()?;
        let working = tokio::spawn(async move {
            let done = work.await;
            drop(turn);
            done
        });
        working.await.ok()
    };
    tokio::time::timeout(PATIENCE, working).await.ok().flatten()
}

/// Asks who is there.
pub(super) async fn ask(found: &Found) -> Result<Answer, AskError> {
    let (client, began) = (client(found)?, Moment::now());
    let asked = tokio::time::timeout(PATIENCE, describe(&client, found));
    let (peer, resting) = asked.await.map_err(|_| AskError::Silent("not in time".into()))??;
    Ok(Answer { peer, took: Moment::now().since(began), resting })
}

fn client(found: &Found) -> Result<Client, AskError> {
    let builder = Client::builder()
        .user_agent(concat!("goop/", env!("CARGO_PKG_VERSION"), " (super hub)"))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .connect_timeout(PATIENCE)
        .pool_max_idle_per_host(0)
        .resolve_to_addrs(&found.host, &found.addresses);
    builder.build().map_err(|error| AskError::Silent(error.to_string()))
}

/// Who is there, and whether it rests. goop2's servers do not describe themselves, but say that they live.
async fn describe(client: &Client, found: &Found) -> Result<(Option<PeerId>, bool), AskError> {
    let base = &found.url;
    let mut got = get(client, base, DESCRIPTION).await?;
    if got.status == StatusCode::PERMANENT_REDIRECT {
        let at_home = found.addresses.iter().all(|address| !is_public(address.ip()));
        let to = got.location.and_then(|to| new_place(base, &to, at_home));
        return Err(to.map_or(AskError::Strange("it redirects to where it cannot have moved"), AskError::Moved));
    }
    let closed = server_of(base).filter(|_| got.status == StatusCode::NOT_FOUND);
    if let Some(server) = &closed {
        got = get(client, server, DESCRIPTION).await?;
    }
    let Got { status, body, .. } = got;
    if status == StatusCode::NOT_FOUND {
        let Got { status, body, .. } = get(client, base, "healthz").await?;
        let lives = status.is_success() && body.trim_ascii() == b"ok";
        return if lives { Ok((None, false)) } else { Err(AskError::Strange("it has neither /.well-known/goop nor /healthz")) };
    }
    if !status.is_success() {
        return Err(AskError::Strange("it does not describe itself"));
    }
    let described: Described = serde_json::from_slice(&body).map_err(|_| AskError::Strange("its description is not JSON"))?;
    let peer = described.peer_id.and_then(|peer| peer_id_from_text(&peer).ok());
    let ready = get(client, base, "readyz").await?.status;
    Ok((peer, ready == StatusCode::SERVICE_UNAVAILABLE))
}

/// The server that a community is on. A closed one looks to strangers, this hub among them, as if it were not there; its server does not.
fn server_of(community: &Url) -> Option<Url> {
    let (path, slug) = community.path().trim_end_matches('/').rsplit_once("/c/")?;
    let mut server = community.clone();
    server.set_path(path);
    (!slug.is_empty() && !slug.contains('/')).then_some(server)
}

/// Where whoever was at `base` is now, if its description is said to be at `location`. What anybody on the way could have written counts only
/// at home, in the private network that the answer comes from: elsewhere a move comes from https and leads to https, or to the same address with encryption.
fn new_place(base: &Url, location: &str, at_home: bool) -> Option<Endpoint> {
    let target = base.join(location).ok()?;
    let to = Endpoint::parse(target.as_str().strip_suffix(DESCRIPTION)?).ok()?;
    let mut encrypted = base.clone();
    encrypted.set_scheme("https").ok()?;
    let [here, encrypted] = [base, &encrypted].map(|url| Endpoint::parse(url.as_str()).ok());
    let certified = base.scheme() == "https" && target.scheme() == "https";
    let counts = certified || encrypted.as_ref() == Some(&to) || at_home;
    (counts && here.as_ref() != Some(&to)).then_some(to)
}

/// What a server answered.
struct Got {
    status: StatusCode,
    body: Vec<u8>,
    location: Option<String>,
}

async fn get(client: &Client, base: &Url, path: &str) -> Result<Got, AskError> {
    let url = format!("{}/{path}", base.as_str().trim_end_matches('/'));
    let silent =
        |error: reqwest::Error| AskError::Silent(if error.is_connect() { "no connection".into() } else { "no whole answer".into() });
    let response = client.get(url).send().await.map_err(silent)?;
    let status = response.status();
    let location = response.headers().get(LOCATION).and_then(|to| to.to_str().ok()).map(str::to_owned);
    let body = answer::read(response, MAX_ANSWER).await.map_err(|error| match error {
        ReadError::Broken(error) => silent(error),
        ReadError::TooLong => AskError::Strange("its answer is too long"),
    })?;
    Ok(Got { status, body, location })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INWARD: &str = include_str!("../../../tests/data/inward-addresses.txt");

    #[tokio::test]
    async fn attack_no_evasion_leads_inside() {
        assert!(INWARD.lines().count() > 60, "the list is there");
        for evasion in INWARD.lines().filter(|line| !line.starts_with('#')).map(|line| line.replace("PORT", "8787")) {
            let Ok(endpoint) = Endpoint::parse(&evasion) else { continue };
            for url in endpoint.urls() {
                let found = find(url, Trust::Stranger, &Arc::new(Semaphore::new(1))).await.map(|found| found.addresses);
                assert!(matches!(found, Err(AskError::Target(_) | AskError::Silent(_))), "{evasion}: {found:?}");
            }
        }
    }

    /// Whoever runs the name server of a name decides how long it takes to look it up.
    #[tokio::test(start_paused = true)]
    async fn attack_slow_names_take_no_more_threads_than_there_are_turns() {
        let turns = Arc::new(Semaphore::new(2));
        for _ in 0..2 {
            assert_eq!(in_turn(&turns, std::future::pending::<()>()).await, None);
        }
        assert_eq!(turns.available_permits(), 0, "the asker has gone, and the thread is still taken");
        let url = Url::parse("http://slow.invalid:8787").unwrap();
        assert!(matches!(find(url, Trust::Stranger, &turns).await, Err(AskError::Silent(_))));
        let literal = Url::parse("http://9.9.9.9:8787").unwrap();
        assert!(find(literal, Trust::Stranger, &turns).await.is_ok(), "an address needs no name server");
    }

    #[test]
    fn attack_a_move_that_somebody_on_the_way_could_have_written_counts_for_nothing() {
        let place = |base: &str, to: &str, home| new_place(&Url::parse(base).unwrap(), to, home).map(|to| to.as_str().to_owned());
        let certified = place("https://a.example/c/x", "https://b.example/c/y/.well-known/goop", false);
        assert_eq!(certified.as_deref(), Some("https://b.example/c/y"));
        let upgraded = place("http://a.example", "https://a.example/.well-known/goop", false);
        assert_eq!(upgraded.as_deref(), Some("https://a.example"));
        let at_home = place("http://192.168.1.5:8787", "http://192.168.1.6:8787/.well-known/goop", true);
        assert_eq!(at_home.as_deref(), Some("http://192.168.1.6:8787"));
        for (base, to) in [
            ("http://a.example", "https://b.example/.well-known/goop"),
            ("https://a.example", "http://b.example/.well-known/goop"),
            ("https://a.example", "/.well-known/goop"),
            ("https://a.example", "https://b.example/"),
            ("https://a.example", "https://b.example/m/secret/.well-known/goop"),
            ("https://a.example", "https://b.example/.well-known/goop?x"),
            ("https://a.example", "javascript:alert(1)//.well-known/goop"),
        ] {
            assert_eq!(place(base, to, false), None, "{base} to {to}");
        }
    }

    #[tokio::test]
    async fn attack_a_name_is_looked_up_once_and_its_judged_address_is_the_one_that_is_asked() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // A name that leads elsewhere, or nowhere, by the time it would be looked up again.
        let url = Url::parse(&format!("http://rebound.invalid:{port}")).unwrap();
        let found = Found { host: "rebound.invalid".into(), addresses: vec![listener.local_addr().unwrap()], url };
        let asked = tokio::spawn(async move { ask(&found).await.map(|_| ()) });
        let knocked = tokio::task::spawn_blocking(move || listener.accept().is_ok()).await.unwrap();
        assert!(knocked, "the judged address was asked without another look-up");
        asked.abort();
    }
}
