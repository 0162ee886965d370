//! Asks a server over HTTP, within bounds, and finds out where it fails when it does.

use std::time::Duration;

use reqwest::header::{DATE, HeaderMap, LOCATION};
use reqwest::{Client, RequestBuilder, Response, Url, redirect};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::{Finding, Look, clock};
use crate::clients::USER_AGENT;
use crate::clients::answer::{self, innermost};
use crate::clock::{Moment, UnixMillis};
use crate::config::base_url::BaseUrl;
use crate::proto::shell::quoted;

/// How long an answer may take, its body included.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long the first bytes of a stream may take once it was asked for.
pub(super) const FIRST_BYTES: Duration = Duration::from_secs(3);
/// How long a look at where it fails may take, for each step.
const STEP: Duration = Duration::from_secs(2);
/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 256 * 1024;

/// Asks one server.
pub(super) struct Asker {
    client: Client,
    base: BaseUrl,
}

/// What it answered.
pub(super) struct Answer {
    pub(super) status: u16,
    /// How far its clock is ahead of ours, in milliseconds, as far as its `Date` tells.
    pub(super) ahead: Option<i64>,
    /// Where it sends us instead.
    pub(super) elsewhere: Option<String>,
    pub(super) body: Vec<u8>,
    pub(super) took: Duration,
}

impl Asker {
    /// Of the server at `url`, whose redirects are not followed.
    pub(super) fn of(url: &BaseUrl) -> Result<Self, String> {
        let builder = Client::builder().user_agent(USER_AGENT).redirect(redirect::Policy::none());
        let builder = if url.is_loopback() { builder.no_proxy() } else { builder };
        Ok(Self { client: builder.build().map_err(|error| innermost(&error).to_string())?, base: url.clone() })
    }

    /// A request for `path` below the base.
    fn request(&self, path: &str) -> RequestBuilder {
        self.client.get(self.base.below(path))
    }

    /// What it answers to `path`.
    pub(super) async fn get(&self, path: &str) -> Result<Answer, String> {
        self.answer(self.request(path)).await
    }

    /// The same, with one header more.
    pub(super) async fn get_with(&self, path: &str, name: &str, value: &str) -> Result<Answer, String> {
        self.answer(self.request(path).header(name, value)).await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Answer, String> {
        let asked = Moment::now();
        let response = request.timeout(PATIENCE).send().await.map_err(|error| why(&error))?;
        let (took, now) = (Moment::now().since(asked), UnixMillis::now());
        let text = |headers: &HeaderMap, name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (date, elsewhere) = (text(response.headers(), DATE), text(response.headers(), LOCATION));
        let ahead = date.and_then(|date| clock::ahead(&date, now));
        Ok(Answer { status: response.status().as_u16(), ahead, elsewhere, body: read(response).await?, took })
    }

    /// Whether the first bytes of the stream at `path` come in time; an error where there is no stream.
    pub(super) async fn streams(&self, path: &str) -> Result<bool, String> {
        let asked = async {
            let mut response = self.request(path).header("accept", "text/event-stream").send().await.map_err(|error| why(&error))?;
            if !response.status().is_success() {
                return Err(format!("it answers {}", response.status().as_u16()));
            }
            response.chunk().await.map(|chunk| chunk.is_some()).map_err(|error| why(&error))
        };
        timeout(FIRST_BYTES, asked).await.unwrap_or(Ok(false))
    }
}

async fn read(response: Response) -> Result<Vec<u8>, String> {
    answer::read(response, MAX_ANSWER).await.map_err(|error| error.why(PATIENCE))
}

fn why(error: &reqwest::Error) -> String {
    answer::why(error, PATIENCE)
}

fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default().trim_matches(['[', ']'])
}

/// Where a request that failed got stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stuck {
    AtTheName,
    AtTheDoor,
    AtTheCertificate,
    Inside,
}

/// Why `url`, which `check` asked, does not answer, as a finding. `key` is where the configuration names it.
pub(super) async fn diagnosis(check: &str, what: &str, url: &BaseUrl, key: &str, why: &str) -> Finding {
    let (host, port) = (host(url.url()).to_owned(), url.url().port_or_known_default().unwrap_or(443));
    let stuck = match timeout(STEP, lookup_host((host.as_str(), port))).await {
        Ok(Ok(addrs)) => {
            let addrs: Vec<_> = addrs.take(4).collect();
            match timeout(STEP, TcpStream::connect(addrs.as_slice())).await {
                Ok(Ok(_)) if why.contains("certificate") => Stuck::AtTheCertificate,
                Ok(Ok(_)) => Stuck::Inside,
                _ => Stuck::AtTheDoor,
            }
        }
        _ => Stuck::AtTheName,
    };
    told(stuck, (check, what), url, key, why, &format!("{host}:{port}"))
}

fn told(stuck: Stuck, (check, what): (&str, &str), url: &BaseUrl, key: &str, why: &str, place: &str) -> Finding {
    let of = |word| Finding::of(check, what, Look::Bad, word);
    let host = place.rsplit_once(':').map_or(place, |(host, _)| host);
    match stuck {
        Stuck::AtTheName => of("unknown name")
            .said(format!("Nobody knows where {host} is."))
            .todo(format!("Look whether this machine is online, and for a typing error in {key}."))
            .copy(format!("getent hosts {}", quoted(host))),
        Stuck::AtTheDoor => of("no connection")
            .said(format!("Nobody opens at {place}: {why}."))
            .todo(format!("Look whether this machine is online and the port in {key} is right; else whoever runs the server has to start it, or open its firewall."))
            .copy(format!("curl -v {}", quoted(&url.to_string()))),
        Stuck::AtTheCertificate => of("certificate")
            .said(format!("The certificate is not good: {why}."))
            .todo("If the clock of this machine is right, whoever runs the server has to renew it.")
            .copy(format!("openssl s_client -connect {} -servername {} </dev/null", quoted(place), quoted(host))),
        Stuck::Inside => of("no answer")
            .said(format!("Somebody opens at {place}, but does not answer: {why}."))
            .todo(format!("Look whether {key} says https:// where it should be http://, or the other way round."))
            .copy(format!("curl -v {}", quoted(&url.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wherever_it_gets_stuck_there_is_something_to_type() {
        let url = BaseUrl::parse("https://rv.example.org").unwrap();
        let all = [Stuck::AtTheName, Stuck::AtTheDoor, Stuck::AtTheCertificate, Stuck::Inside];
        let all = all.map(|stuck| told(stuck, ("rendezvous", "A server"), &url, "presence.rendezvous_wan", "why", "rv.example.org:443"));
        assert!(
            all.iter().all(|found| found.look == Look::Bad && !found.todo.is_empty() && found.copy[0].contains("rv.example.org")),
            "{all:?}"
        );
    }

    #[tokio::test]
    async fn a_closed_port_is_told_from_a_name_that_nobody_knows() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = BaseUrl::parse(&format!("http://{closed}")).unwrap();
        let why = Asker::of(&url).unwrap().get("healthz").await.err().unwrap();
        assert_eq!(diagnosis("x", "x", &url, "key", &why).await.word, "no connection");
        let nowhere = BaseUrl::parse("http://rv.invalid").unwrap();
        assert_eq!(diagnosis("x", "x", &nowhere, "key", "").await.word, "unknown name");
    }
}
