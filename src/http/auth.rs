//! Who may operate a public role: the admin by password (Basic, or a session that a login began) or a listed peer by Peer ID auth.
//!
//! - Judged by the head of a request alone, before its body (CONTRACT). Where nothing is set, the doors stay shut: 403.
//! - Failures only are counted ([`attempts`]). A password is hashed at most twice at a time, and credentials that were right are known
//!   for a minute after their last use, so that a poller costs no hashing (THREATS 35).
//! - What changes something comes from no foreign page, whatever the login, and its body is JSON (THREATS 31).

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use hmac::{Hmac, KeyInit, Mac};
use libp2p::PeerId;
use sha2::Sha256;
use tokio::sync::Semaphore;
use tracing::warn;

use super::{Problem, body, origin};
use crate::clock::Moment;

pub mod attempts;
pub mod basic;
mod denied;
mod line;
pub mod login;
pub mod password;
pub mod peer_id;
pub mod sessions;

pub use denied::Denied;

use attempts::Attempts;
use line::Line;
use password::{MAX_PASSWORD, Password};
use peer_id::{PeerIdAnswer, PeerIdServer};
use sessions::Sessions;

/// Passwords that are hashed at a time, 19 MiB each.
const HASHING: usize = 2;
/// How long credentials that were right are known after their last use.
const VERIFIED: Duration = Duration::from_secs(60);

/// Who operates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operator {
    /// Whoever knows the password.
    Password,
    /// Whoever began this session.
    Session,
    /// This peer, and what the answer's `Authentication-Info` says, where it says anything.
    Peer(PeerId, Option<HeaderValue>),
}

/// The door to the operator's pages and API.
pub struct AdminDoor {
    peer_id: PeerIdServer,
    hashing: Arc<Semaphore>,
    line: Line,
    state: Mutex<State>,
}

struct State {
    own_origin: Option<String>,
    password: Option<Password>,
    peers: Vec<PeerId>,
    attempts: Attempts,
    sessions: Sessions,
    key: [u8; 32],
    /// The one right password has one right header: its digest, and when it was last used.
    verified: Option<(Vec<u8>, Moment)>,
}

impl AdminDoor {
    /// A door for whoever knows `password` or is one of `peers`. `own_origin` is `http.external_url` without its path, where there is
    /// one; without it, pages of the host that was asked are our own.
    pub fn new(password: Option<Password>, peers: Vec<PeerId>, own_origin: Option<String>, peer_id: PeerIdServer) -> Self {
        let (attempts, sessions) = (Attempts::default(), Sessions::default());
        let state = State { own_origin, password, peers, attempts, sessions, key: rand::random(), verified: None };
        let hashing = Arc::new(Semaphore::new(HASHING));
        Self { peer_id, hashing, line: Line::default(), state: Mutex::new(state) }
    }

    /// From now on these count; whoever came in by an older password is out.
    pub fn change(&self, password: Option<Password>, peers: Vec<PeerId>) {
        let mut state = self.state();
        state.sessions.end_all();
        (state.password, state.peers, state.verified) = (password, peers, None);
    }

    /// From now on these peers may operate, and no others.
    pub fn list(&self, peers: Vec<PeerId>) {
        self.state().peers = peers;
    }

    /// Whether this peer may operate, now.
    pub fn lists(&self, peer: &PeerId) -> bool {
        self.state().peers.contains(peer)
    }

    /// From now on the server is called so: `own_origin` as with [`Self::new`], `hostname` by those who ask it to prove itself.
    pub fn moved(&self, own_origin: Option<String>, hostname: String) {
        self.state().own_origin = own_origin;
        self.peer_id.moved(hostname);
    }

    /// Who asks, judged by the request's head; `client` is the address that failures are counted against.
    ///
    /// # Errors
    /// See [`Denied`], which is the answer.
    pub async fn admit(&self, head: &Parts, client: IpAddr, now: Moment) -> Result<Operator, Denied> {
        let operator = self.who(&head.headers, client, now).await?;
        if !matches!(head.method, Method::GET | Method::HEAD) {
            self.may_write(head)?;
        }
        Ok(operator)
    }

    /// Lets in whoever gives the password in a form of our own page; the `Set-Cookie` of the session that begins.
    ///
    /// # Errors
    /// See [`Denied`]; a wrong password is [`Denied::Unknown`].
    pub async fn log_in(&self, head: &Parts, given: &str, client: IpAddr, now: Moment) -> Result<HeaderValue, Denied> {
        self.may_write(head)?;
        if !self.state().asks_for().0 {
            return Err(Denied::Shut);
        }
        let readable = if given.len() <= MAX_PASSWORD { given } else { "" };
        self.by_password(format!("{}:{readable}", basic::USER).into_bytes(), client, now).await?;
        Ok(self.begin_session(now))
    }

    /// Begins a session for whoever was admitted; the `Set-Cookie`.
    pub fn begin_session(&self, now: Moment) -> HeaderValue {
        let mut state = self.state();
        let secure = state.own_origin.as_deref().is_some_and(|own| own.starts_with("https:"));
        state.sessions.begin(rand::random(), secure, now)
    }

    /// Ends the session of this request; the `Set-Cookie` that forgets it.
    pub fn end_session(&self, headers: &HeaderMap) -> HeaderValue {
        self.state().sessions.end(headers)
    }

    async fn who(&self, headers: &HeaderMap, client: IpAddr, now: Moment) -> Result<Operator, Denied> {
        if self.state().sessions.is_known(headers, now) {
            return Ok(Operator::Session);
        }
        let (has_password, has_peers) = self.state().asks_for();
        let authorization = origin::only(headers, &header::AUTHORIZATION);
        if has_peers && authorization.is_some_and(peer_id::is_ours) {
            return self.peer(authorization, now);
        }
        if !has_password {
            return Err(if has_peers { self.challenge(false, true, now) } else { Denied::Shut });
        }
        match basic::credentials(headers) {
            Some(credentials) => self.by_password(credentials, client, now).await,
            None => Err(self.challenge(true, has_peers, now)),
        }
    }

    /// The list is asked each time, so that whoever is struck off it is out at once.
    fn peer(&self, authorization: Option<&str>, now: Moment) -> Result<Operator, Denied> {
        match self.peer_id.answer(authorization, rand::random(), now) {
            PeerIdAnswer::Peer(peer, info) if self.lists(&peer) => Ok(Operator::Peer(peer, info)),
            PeerIdAnswer::Peer(peer, _) => {
                warn!(%peer, "a peer that is not listed asked for the operator's door");
                Err(Denied::NotListed(peer))
            }
            PeerIdAnswer::Challenge(header) => Err(Denied::Unknown { challenges: vec![header] }),
        }
    }

    fn challenge(&self, basic: bool, peer_id: bool, now: Moment) -> Denied {
        let mut challenges = Vec::new();
        challenges.extend(basic.then_some(HeaderValue::from_static(basic::CHALLENGE)));
        if peer_id && let PeerIdAnswer::Challenge(header) = self.peer_id.answer(None, rand::random(), now) {
            challenges.push(header);
        }
        Denied::Unknown { challenges }
    }

    async fn by_password(&self, credentials: Vec<u8>, client: IpAddr, now: Moment) -> Result<Operator, Denied> {
        if self.state().knows(&credentials, client, now)? {
            return Ok(Operator::Password);
        }
        let (digest, known) = {
            let state = self.state();
            (state.digest(&credentials).ok_or(Denied::Busy)?, state.attempts.is_known(client, now))
        };
        let _place = self.line.stand(client, digest, known).ok_or(Denied::Busy)?;
        let turn = self.hashing.clone().acquire_owned().await.map_err(|_| Denied::Busy)?;
        // Whoever waited with the same credentials is known by now, or has to wait longer.
        if self.state().knows(&credentials, client, now)? {
            return Ok(Operator::Password);
        }
        let Some(password) = self.state().password.clone() else { return Err(Denied::Shut) };
        let given = credentials.clone();
        let verify = move || {
            let _turn = turn;
            basic::password(&given).is_some_and(|given| password.is(given))
        };
        let right = tokio::task::spawn_blocking(verify).await.unwrap_or(false);
        let mut state = self.state();
        if right {
            state.attempts.succeeded(client, now);
            state.verified = state.digest(&credentials).map(|digest| (digest, now));
            return Ok(Operator::Password);
        }
        let failures = state.attempts.failed(client, now);
        drop(state);
        warn!(%client, failures, "a wrong password was given for the operator's door");
        Err(self.challenge(true, false, now))
    }

    fn may_write(&self, head: &Parts) -> Result<(), Denied> {
        let asked = origin::host(head).unwrap_or_default();
        let ours = |own: &str| !origin::is_foreign(&head.headers, own);
        let own = match self.state().own_origin.clone() {
            Some(own) => ours(&own),
            None => ours(&format!("http://{asked}")) || ours(&format!("https://{asked}")),
        };
        if !own {
            let detail = "pages of other origins may not change anything here";
            return Err(Denied::Refused(Problem::new(StatusCode::FORBIDDEN, "foreign-origin", detail)));
        }
        if has_body(&head.headers) && !body::is_json(&head.headers) && !body::is_ndjson(&head.headers) {
            return Err(Denied::Refused(Problem::unsupported_media("the body must be application/json")));
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether there is a password, and whether peers are listed.
    fn asks_for(&self) -> (bool, bool) {
        (self.password.is_some(), !self.peers.is_empty())
    }

    /// Whether these were right a moment ago. Asked only of whoever may try, or it would tell guesses from each other for free.
    fn knows(&mut self, credentials: &[u8], client: IpAddr, now: Moment) -> Result<bool, Denied> {
        self.attempts.may_try(client, now).map_err(Denied::TooOften)?;
        let digest = self.digest(credentials);
        let known = self
            .verified
            .as_mut()
            .filter(|(right, used)| now < *used + VERIFIED && digest.as_deref().is_some_and(|given| origin::same_secret(given, right)));
        let known = known.map(|(_, used)| *used = now).is_some();
        if known {
            self.attempts.succeeded(client, now);
        }
        Ok(known)
    }

    fn digest(&self, credentials: &[u8]) -> Option<Vec<u8>> {
        let mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        Some(mac.chain_update(credentials).finalize().into_bytes().to_vec())
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = origin::only(headers, &header::CONTENT_LENGTH);
    headers.contains_key(header::TRANSFER_ENCODING)
        || length.is_some_and(|length| length != "0")
        || headers.contains_key(header::CONTENT_TYPE)
}

#[cfg(test)]
mod tests;
