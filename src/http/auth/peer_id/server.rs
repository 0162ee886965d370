//! The server's half.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::HeaderValue;
use hashlink::LruCache;
use hmac::{Hmac, KeyInit, Mac};
use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::params::{self, Params, encode, write};
use super::{client_proof, server_proof};
use crate::clock::Moment;

/// How long a challenge may be answered.
const CHALLENGE: Duration = Duration::from_secs(5 * 60);
/// How long a bearer counts.
const BEARER: Duration = Duration::from_secs(15 * 60);
/// Challenges that are remembered as answered. Beyond it the oldest are forgotten; only somebody who can have so many answered
/// within five minutes could answer one twice, and only as himself.
const SPENT: usize = 10_000;
/// Shortest challenge of a client that is signed, in characters: 32 bytes as base64.
const MIN_CHALLENGE: usize = 32;
/// Length of the digest before what is sealed.
const DIGEST: usize = 32;

/// Proves who this server is, and asks clients who they are.
pub struct PeerIdServer {
    key: Keypair,
    public_key: Vec<u8>,
    hostname: Mutex<String>,
    secret: [u8; 32],
    /// Which of the instances that share the secret this is: only it knows which of its challenges were answered.
    instance: [u8; 16],
    spent: Mutex<LruCache<String, ()>>,
}

/// What a request's header comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerIdAnswer {
    /// Nobody yet: answer 401 with this `WWW-Authenticate`.
    Challenge(HeaderValue),
    /// This peer; the answer carries this `Authentication-Info`, where there is one.
    Peer(PeerId, Option<HeaderValue>),
}

/// What the client carries for us between two requests. Times are milliseconds of the machine's clock.
#[derive(Serialize, Deserialize)]
enum Sealed {
    Challenge { instance: [u8; 16], challenge: String, client_key: Option<Vec<u8>>, hostname: String, until: u64 },
    Bearer { peer: Vec<u8>, hostname: String, until: u64 },
}

impl PeerIdServer {
    /// A server of this identity. `hostname` is the one that clients ask for; `secret` is random, and known to nobody else than
    /// the instances of this server: each takes the bearers of all, but answers to its own challenges only.
    pub fn new(key: Keypair, hostname: String, secret: [u8; 32]) -> Self {
        let public_key = key.public().encode_protobuf();
        let spent = Mutex::new(LruCache::new(SPENT));
        Self { key, public_key, hostname: Mutex::new(hostname), secret, instance: rand::random(), spent }
    }

    /// From now on clients ask for this host name; what was given for another counts no more.
    pub fn moved(&self, hostname: String) {
        *self.hostname.lock().unwrap_or_else(PoisonError::into_inner) = hostname;
    }

    fn hostname(&self) -> String {
        self.hostname.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the `Authorization` of a request. `random` is fresh with each call.
    pub fn answer(&self, authorization: Option<&str>, random: [u8; 32], now: Moment) -> PeerIdAnswer {
        let params = authorization.and_then(Params::read);
        let known = params.as_ref().and_then(|params| match params.text("bearer") {
            Some(bearer) => self.bearer(bearer, now),
            None => self.proven(params, now),
        });
        known.map_or_else(
            || PeerIdAnswer::Challenge(self.challenge(params.as_ref(), random, now)),
            |(peer, info)| PeerIdAnswer::Peer(peer, info),
        )
    }

    /// A challenge, and our own proof where the client asked for one.
    fn challenge(&self, params: Option<&Params>, random: [u8; 32], now: Moment) -> HeaderValue {
        let asked = params.and_then(|params| Some((params.text("challenge-server")?, params.bytes("public-key")?)));
        let asked = asked.filter(|(challenge, key)| challenge.len() >= MIN_CHALLENGE && PublicKey::try_decode_protobuf(key).is_ok());
        let asked = asked.filter(|_| params.is_some_and(|params| params.text("opaque").is_none()));
        let challenge = encode(&random);
        let proof = asked.as_ref().and_then(|(theirs, key)| self.proof(theirs, key));
        let client_key = asked.filter(|_| proof.is_some()).map(|(_, key)| key);
        let (hostname, until) = (self.hostname(), millis(now + CHALLENGE));
        let opaque = self.seal(&Sealed::Challenge { instance: self.instance, challenge: challenge.clone(), client_key, hostname, until });
        let public_key = encode(&self.public_key);
        let mut header = vec![("challenge-client", challenge.as_str()), ("public-key", &public_key), ("opaque", &opaque)];
        header.extend(proof.as_deref().map(|proof| ("sig", proof)));
        HeaderValue::try_from(write(&header)).unwrap_or(HeaderValue::from_static(params::SCHEME))
    }

    /// Whoever has signed our challenge, which then is spent.
    fn proven(&self, params: &Params, now: Moment) -> Option<(PeerId, Option<HeaderValue>)> {
        let sealed = self.open(params.text("opaque")?)?;
        let Sealed::Challenge { instance, challenge, client_key, hostname, until } = sealed else { return None };
        let (sig, began) = (params.bytes("sig")?, client_key.is_some());
        let client_key = client_key.or_else(|| params.bytes("public-key"))?;
        let key = PublicKey::try_decode_protobuf(&client_key).ok()?;
        let proof = client_proof(&challenge, &self.public_key, &hostname);
        let counts = instance == self.instance && millis(now) < until && hostname == self.hostname();
        if !counts || !key.verify(&proof, &sig) || !self.spend(challenge) {
            return None;
        }
        let ours = match params.text("challenge-server").filter(|theirs| !began && theirs.len() >= MIN_CHALLENGE) {
            Some(theirs) => Some(self.proof(theirs, &client_key)?),
            None if began => None,
            None => return None,
        };
        let peer = key.to_peer_id();
        let bearer = self.seal(&Sealed::Bearer { peer: peer.to_bytes(), hostname, until: millis(now + BEARER) });
        let mut header: Vec<(&str, &str)> = ours.as_deref().map(|sig| ("sig", sig)).into_iter().collect();
        header.push(("bearer", &bearer));
        Some((peer, Some(HeaderValue::try_from(write(&header)).ok()?)))
    }

    fn bearer(&self, text: &str, now: Moment) -> Option<(PeerId, Option<HeaderValue>)> {
        let Sealed::Bearer { peer, hostname, until } = self.open(text)? else { return None };
        let counts = millis(now) < until && hostname == self.hostname();
        PeerId::from_bytes(&peer).ok().filter(|_| counts).map(|peer| (peer, None))
    }

    fn proof(&self, challenge: &str, client_key: &[u8]) -> Option<String> {
        self.key.sign(&server_proof(challenge, client_key, &self.hostname())).ok().map(|sig| encode(&sig))
    }

    /// `false` where it was spent before.
    fn spend(&self, challenge: String) -> bool {
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.insert(challenge, ()).is_none()
    }

    fn mac(&self, json: &[u8]) -> Option<Hmac<Sha256>> {
        Hmac::<Sha256>::new_from_slice(&self.secret).ok().map(|mac| mac.chain_update(json))
    }

    fn seal(&self, state: &Sealed) -> String {
        let json = serde_json::to_vec(state).unwrap_or_default();
        let digest = self.mac(&json).map(|mac| mac.finalize().into_bytes().to_vec()).unwrap_or_default();
        encode(&[digest, json].concat())
    }

    fn open(&self, text: &str) -> Option<Sealed> {
        let bytes = params::decode(text)?;
        let (digest, json) = bytes.split_at_checked(DIGEST)?;
        self.mac(json)?.verify_slice(digest).ok()?;
        serde_json::from_slice(json).ok()
    }
}

fn millis(moment: Moment) -> u64 {
    moment.on_machine().0 / 1000
}
