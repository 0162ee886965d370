//! One question to one address: the name is looked up once, every address it has is judged, and the one that was judged is the one that is asked
//! (THREATS 37). No redirect is followed, no proxy of the environment is used, 64 KiB are read, and five seconds are all there is.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::http::StatusCode;
use libp2p::PeerId;
use reqwest::{Client, Url, redirect};
use serde::Deserialize;
use thiserror::Error;

use crate::clock::Moment;
use crate::http::Problem;
use crate::identity::peer_id_from_text;
use crate::proto::directory::target::{MAX_ADDRESSES, TargetError, Trust, judge};

/// From the look-up to the last byte.
const PATIENCE: Duration = Duration::from_secs(5);
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
    /// It was asked a moment ago, or the hub has asked enough for now.
    #[error("that address was asked a moment ago")]
    TooSoon(Duration),
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        let detail = error.to_string();
        match error {
            AskError::TooSoon(after) => Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate", detail).retry_after(after),
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

/// Looks a base URL's name up and judges where it leads.
pub(super) async fn find(url: Url, trust: Trust) -> Result<Found, AskError> {
    let port = url.port_or_known_default().unwrap_or(0);
    let host = url.host_str().unwrap_or_default().to_owned();
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let addresses = match literal {
        Ok(ip) => vec![ip],
        Err(_) => {
            let looked_up = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host.as_str(), port))).await;
            let found = looked_up.map_err(|_| AskError::Silent("its name is not known in time".into()))?;
            let found = found.map_err(|_| AskError::Silent("its name is not known".into()))?;
            found.map(|address| address.ip()).take(MAX_ADDRESSES + 1).collect()
        }
    };
    Ok(Found { addresses: judge(&addresses, port, trust)?, url, host })
}

/// Asks who is there.
pub(super) async fn ask(found: &Found) -> Result<Answer, AskError> {
    let (client, began) = (client(found)?, Moment::now());
    let asked = tokio::time::timeout(PATIENCE, describe(&client, &found.url));
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
async fn describe(client: &Client, base: &Url) -> Result<(Option<PeerId>, bool), AskError> {
    let (status, body) = get(client, base, ".well-known/goop").await?;
    if status == StatusCode::NOT_FOUND {
        let (status, body) = get(client, base, "healthz").await?;
        let lives = status.is_success() && body.trim_ascii() == b"ok";
        return if lives { Ok((None, false)) } else { Err(AskError::Strange("it has neither /.well-known/goop nor /healthz")) };
    }
    if !status.is_success() {
        return Err(AskError::Strange("it does not describe itself"));
    }
    let described: Described = serde_json::from_slice(&body).map_err(|_| AskError::Strange("its description is not JSON"))?;
    let peer = described.peer_id.and_then(|peer| peer_id_from_text(&peer).ok());
    let (ready, _) = get(client, base, "readyz").await?;
    Ok((peer, ready == StatusCode::SERVICE_UNAVAILABLE))
}

async fn get(client: &Client, base: &Url, path: &str) -> Result<(StatusCode, Vec<u8>), AskError> {
    let url = format!("{}/{path}", base.as_str().trim_end_matches('/'));
    let silent =
        |error: reqwest::Error| AskError::Silent(if error.is_connect() { "no connection".into() } else { "no whole answer".into() });
    let mut response = client.get(url).send().await.map_err(silent)?;
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(silent)? {
        if body.len() + piece.len() > MAX_ANSWER {
            return Err(AskError::Strange("its answer is too long"));
        }
        body.extend_from_slice(&piece);
    }
    Ok((response.status(), body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::directory::Endpoint;

    /// What leads into this machine or its network, written in every way that somebody has thought of. `Endpoint` reads them as a hub does.
    const EVASIONS: [&str; 62] = [
        "http://127.0.0.1:8787",
        "127.0.0.1:8787",
        "http://localhost:8787",
        "localhost:8787",
        "http://127.1:8787",
        "http://0x7f.1:8787",
        "http://0x7f000001:8787",
        "http://2130706433:8787",
        "http://017700000001:8787",
        "http://0177.0.0.1:8787",
        "http://127.0.0.1.:8787",
        "http://[::1]:8787",
        "http://[::ffff:127.0.0.1]:8787",
        "http://[::ffff:7f00:1]:8787",
        "http://[0:0:0:0:0:ffff:127.0.0.1]:8787",
        "http://[::127.0.0.1]:8787",
        "http://0:8787",
        "http://0.0.0.0:8787",
        "http://[::]:8787",
        "http://127.255.255.254:8787",
        "http://①②⑦.0.0.1:8787",
        "http://127。0。0。1:8787",
        "http://LOCALHOST:8787",
        "http://%31%32%37.0.0.1:8787",
        "http://169.254.169.254/latest",
        "http://169.254.169.254:8787",
        "http://[fe80::1]:8787",
        "http://[fd00::1]:8787",
        "http://10.0.0.1:8787",
        "http://172.16.0.1:8787",
        "http://192.168.0.1:8787",
        "http://192.168.257:8787",
        "http://100.64.0.1:8787",
        "http://198.18.0.1:8787",
        "http://224.0.0.1:8787",
        "http://255.255.255.255:8787",
        "http://[64:ff9b::7f00:1]:8787",
        "http://[64:ff9b::a9fe:a9fe]:8787",
        "http://[2002:7f00:1::]:8787",
        "http://[2001:0:7f00:1::]:8787",
        "http://[::ffff:169.254.169.254]:8787",
        "http://[::ffff:0:127.0.0.1]:8787",
        "http://[ff02::1]:8787",
        "http://192.0.0.192:8787",
        "http://0300.0250.0.1:8787",
        "http://0xc0.0xa8.0.1:8787",
        "http://3232235521:8787",
        "http://0xa9fea9fe:8787",
        "http://2852039166:8787",
        "http://9.9.9.9:22",
        "http://9.9.9.9:25",
        "http://9.9.9.9:53",
        "http://9.9.9.9:445",
        "9.9.9.9:631",
        "http://9.9.9.9:0",
        "http://user@127.0.0.1:8787",
        "http://evil.example@127.0.0.1:8787",
        "http://127.0.0.1:8787#@evil.example",
        "ftp://127.0.0.1:8787",
        "file:///etc/passwd",
        "gopher://127.0.0.1:8787",
        "http://[::1%25lo]:8787",
    ];

    #[tokio::test]
    async fn attack_no_evasion_leads_inside() {
        for evasion in EVASIONS {
            let Ok(endpoint) = Endpoint::parse(evasion) else { continue };
            for url in endpoint.urls() {
                let found = find(url, Trust::Stranger).await.map(|found| found.addresses);
                assert!(matches!(found, Err(AskError::Target(_) | AskError::Silent(_))), "{evasion}: {found:?}");
            }
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
