//! An invitation is exchanged for a personal address, at the server that gave it. It is sent without encryption only where its link says `http://`,
//! or where it says neither and the server is at home; and never where something that cannot be trusted answers by https (THREATS 75).

use std::error::Error;
use std::io;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Response, StatusCode, Url, redirect};
use serde_json::{Value, json};

use super::join::JoinError;
use super::place::is_home;
use super::request::innermost;
use super::resolve::HomeOnly;
use crate::clients::USER_AGENT;
use crate::config::base_url::BaseUrl;
use crate::proto::presence::label;

/// How long one place may take.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer that is read, in bytes.
const MAX_ANSWER: usize = 16 * 1024;
/// Characters of a server's own words that are shown.
const MAX_WORDS: usize = 300;

/// A place where the community may be met.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its base URL.
    pub(super) url: BaseUrl,
    /// Whether it is `http` because the link does not say what it is.
    pub(super) guessed: bool,
}

/// What is shown to come in.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Pass {
    /// An invitation's token.
    Invite(String),
    /// The ticket of an application.
    Ticket(String),
}

/// Exchanges an invitation at the first of these places that answers.
///
/// # Errors
/// See [`JoinError`].
pub(super) async fn exchange(places: &[Candidate], pass: &Pass) -> Result<BaseUrl, JoinError> {
    let mut distrusted: Vec<(String, String)> = Vec::new();
    let (mut failed, mut withheld) = (None, None);
    for place in places {
        let authority = place.url.url().authority().to_owned();
        let at = |why: String| (place.url.to_string(), why);
        if !place.is_https()
            && let Some((_, why)) = distrusted.iter().find(|(known, _)| *known == authority)
        {
            withheld = Some(at(format!("https does not work there ({why})")));
        } else if place.guessed && !place.is_at_home().await {
            withheld = Some(at("only a link that says http:// would want that".to_owned()));
        } else {
            match post(&place.client()?, &place.url, pass).await {
                Ok(answer) => return taken(&place.url, answer).await,
                Err(error) => {
                    failed.get_or_insert_with(|| at(innermost(&error)));
                    if place.is_https() && !knows_no_tls(&error) {
                        distrusted.push((authority, innermost(&error)));
                    }
                }
            }
        }
    }
    let unreachable = failed.map(|(place, why)| JoinError::Unreachable(place, why));
    let withheld = withheld.map(|(place, why)| JoinError::Withheld(place, why));
    Err(withheld.or(unreachable).unwrap_or_else(|| JoinError::Link("it names no place".to_owned())))
}

impl Candidate {
    fn is_https(&self) -> bool {
        self.url.url().scheme() == "https"
    }

    /// Whether it is on this machine or in the network that it is in, as far as its name tells now.
    async fn is_at_home(&self) -> bool {
        let url = self.url.url();
        let Some(host) = url.host_str().map(|host| host.trim_matches(['[', ']'])) else { return false };
        let found = tokio::net::lookup_host((host, url.port_or_known_default().unwrap_or_default())).await;
        let found: Vec<_> = found.into_iter().flatten().collect();
        !found.is_empty() && found.iter().all(|addr| is_home(addr.ip()))
    }

    /// Where http is a guess, a name may not lead elsewhere a moment later, nor a proxy stand in between.
    fn client(&self) -> Result<Client, JoinError> {
        if self.guessed { built(builder().dns_resolver(HomeOnly).no_proxy()) } else { client(false) }
    }
}

/// What asks servers that are not known yet: no redirect is followed, and no proxy asked for one on this machine (`loopback`).
pub(super) fn client(loopback: bool) -> Result<Client, JoinError> {
    built(if loopback { builder().no_proxy() } else { builder() })
}

fn builder() -> ClientBuilder {
    Client::builder().user_agent(USER_AGENT).redirect(redirect::Policy::none()).timeout(PATIENCE)
}

fn built(builder: ClientBuilder) -> Result<Client, JoinError> {
    builder.build().map_err(|error| JoinError::Unreachable("the internet".to_owned(), innermost(&error)))
}

/// Whether a request by https failed because there is certainly nothing that speaks it. All else is taken for somebody who does, and could not
/// show who he is.
fn knows_no_tls(error: &reqwest::Error) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(here) = cause {
        if let Some(io) = here.downcast_ref::<io::Error>() {
            let io = unwrapped(io);
            return match io.kind() {
                io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof => true,
                io::ErrorKind::InvalidData => io.to_string().contains("InvalidContentType"),
                _ => false,
            };
        }
        cause = here.source();
    }
    false
}

/// An error of I/O that was wrapped in another, of which only the outer one is a cause.
fn unwrapped(error: &io::Error) -> &io::Error {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<io::Error>()) {
        Some(inner) => unwrapped(inner),
        None => error,
    }
}

/// The JSON of an answer of at most [`MAX_ANSWER`] bytes.
pub(super) async fn read(mut answer: Response) -> Option<Value> {
    let mut body = Vec::new();
    while let Ok(Some(piece)) = answer.chunk().await {
        if body.len() + piece.len() > MAX_ANSWER {
            return None;
        }
        body.extend_from_slice(&piece);
    }
    serde_json::from_slice(&body).ok()
}

async fn post(client: &Client, place: &BaseUrl, pass: &Pass) -> reqwest::Result<Response> {
    let wish = match pass {
        Pass::Invite(token) => json!({ "invite": token }),
        Pass::Ticket(ticket) => json!({ "ticket": ticket }),
    };
    client.post(place.below("join")).json(&wish).send().await
}

/// Of the URL that the server answers the path alone counts: an invitation leads to the server that gave it, and nowhere else.
async fn taken(place: &BaseUrl, answer: Response) -> Result<BaseUrl, JoinError> {
    let status = answer.status();
    let said = read(answer).await.ok_or_else(|| JoinError::NoServer(place.to_string()))?;
    if status == StatusCode::ACCEPTED {
        return Err(JoinError::Undecided);
    }
    if status != StatusCode::OK {
        let detail = label::clean(said["detail"].as_str().unwrap_or_default(), MAX_WORDS);
        return Err(JoinError::Refused { status: status.as_u16(), detail });
    }
    let personal = said["url"].as_str().and_then(|url| Url::parse(url).ok());
    let path = personal.map(|url| url.path().to_owned()).filter(|path| path.starts_with(&format!("{}/", place.root())));
    let mut url = place.url().clone();
    url.set_path(&path.ok_or_else(|| JoinError::NoServer(place.to_string()))?);
    BaseUrl::parse(url.as_str()).map_err(JoinError::Link)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::join::JoinLink;
    use super::*;

    /// A server that is asked by https and by http at the same port: answers `tls` to the one, and lets in whoever comes by the other.
    async fn server(tls: &'static [u8]) -> (SocketAddr, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (addr, let_in) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = let_in.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut asked = [0; 4096];
                let _ = socket.read(&mut asked).await;
                if asked[0] == 0x16 {
                    let _ = socket.write_all(tls).await;
                    continue;
                }
                counted.fetch_add(1, Ordering::SeqCst);
                let body = json!({ "url": "http://elsewhere/m/s3cret" }).to_string();
                let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        (addr, let_in)
    }

    /// What TLS says to what it does not want.
    const ALERT: &[u8] = &[0x15, 3, 3, 0, 2, 2, 40];

    /// THREATS 75.
    #[tokio::test]
    async fn attack_an_invitation_is_not_sent_in_the_clear_where_somebody_answers_by_https() {
        let (addr, let_in) = server(ALERT).await;
        for link in [format!("at={addr}"), format!("at=https://{addr}&at=http://{addr}")] {
            let why = JoinLink::parse(&format!("goop:join?{link}&invite=abc")).unwrap().follow().await.unwrap_err();
            assert!(matches!(&why, JoinError::Withheld(place, _) if *place == format!("http://{addr}/")), "{why}");
        }
        let why = JoinLink::parse(&format!("https://{addr}/join#abc")).unwrap().follow().await.unwrap_err();
        assert!(matches!(why, JoinError::Unreachable(..)), "{why}");
        assert_eq!(let_in.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn at_home_an_invitation_may_go_without_encryption_where_there_is_none() {
        for nothing in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b""] {
            let (addr, let_in) = server(nothing).await;
            let joined = JoinLink::parse(&format!("goop:join?at={addr}&invite=abc")).unwrap().follow().await.unwrap();
            assert_eq!((joined.url.url().as_str(), let_in.load(Ordering::SeqCst)), (format!("http://{addr}/m/s3cret").as_str(), 1));
        }
        let (addr, _) = server(ALERT).await;
        assert!(JoinLink::parse(&format!("http://{addr}/join#abc")).unwrap().follow().await.is_ok(), "who writes http:// means it");
    }

    /// THREATS 75.
    #[tokio::test]
    async fn attack_what_a_link_does_not_say_is_guessed_at_home_alone() {
        for (at, home) in
            [("127.0.0.1:1", true), ("[::1]:1", true), ("localhost:1", true), ("192.168.1.5:1", true), ("45.45.45.45:1", false)]
        {
            let link = JoinLink::parse(&format!("goop:join?at={at}&invite=abc")).unwrap();
            let [https, http] = link.places() else { panic!("{at}") };
            assert_eq!((https.guessed, http.guessed, http.is_at_home().await), (false, true, home), "{at}");
        }
        assert!(!JoinLink::parse("http://45.45.45.45/join#abc").unwrap().places()[0].guessed);
    }
}
