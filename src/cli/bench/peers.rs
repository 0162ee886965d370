//! Who publishes, and the bytes of their requests.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use libp2p::PeerId;
use libp2p::identity::Keypair;
use serde_json::Value;

use super::BoardArgs;
use super::target::Target;
use crate::clock::{Moment, UnixMillis};
use crate::proto::presence::Kind;
use crate::proto::signed::{Details, Epoch, SignedPresence};

/// Digits of the moment at which a publication was sent, in microseconds since this process started.
pub(super) const DIGITS: usize = 16;

/// The peers, and what is the same in all that each of them publishes.
pub(super) struct Peers {
    all: Vec<Peer>,
    signing: Option<Signing>,
    heartbeats: bool,
}

struct Peer {
    key: Keypair,
    id: PeerId,
    /// A whole request; where it tells a moment, zeros stand for it.
    request: Vec<u8>,
    /// Where the moment stands.
    at: Option<usize>,
    head: String,
}

/// What a signature needs to know of the server.
struct Signing {
    server: PeerId,
    epoch: Epoch,
    seq: AtomicU64,
}

impl Peers {
    /// As many as `args` says; for signed messages the server is asked who it is.
    pub(super) async fn new(target: &Target, args: &BoardArgs) -> Result<Self> {
        let signing = if args.signed { Some(Signing::of(&args.url).await?) } else { None };
        let all = (0..args.peers).map(|number| Peer::new(number, target, args.heartbeats)).collect::<Result<_>>()?;
        Ok(Self { all, signing, heartbeats: args.heartbeats })
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Appends what the peer with this number publishes now.
    pub(super) fn write(&self, number: usize, requests: &mut Vec<u8>) -> Result<()> {
        let peer = &self.all[number];
        let now = format!("{:0DIGITS$}", Moment::now().since(Moment::START).as_micros());
        let Some(signing) = &self.signing else {
            let begin = requests.len();
            requests.extend_from_slice(&peer.request);
            if let Some(at) = peer.at {
                requests[begin + at..begin + at + DIGITS].copy_from_slice(now.as_bytes());
            }
            return Ok(());
        };
        let content = if self.heartbeats { "here".to_owned() } else { format!("at-{now}") };
        requests.extend_from_slice(peer.signed(signing, content)?.as_bytes());
        Ok(())
    }
}

impl Peer {
    fn new(number: usize, target: &Target, heartbeats: bool) -> Result<Self> {
        let key = key(number)?;
        let id = key.public().to_peer_id();
        let zeros = "0".repeat(DIGITS);
        let content = if heartbeats { "here".to_owned() } else { format!("at-{zeros}") };
        let body = format!(r#"{{"type":"update","peerId":"{id}","content":"{content}","ts":1760000000000}}"#);
        let (path, host, from) = (&target.path, &target.host, target.client(number));
        let head = format!("POST {path}/publish HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-For: {from}\r\nContent-Type: application/json\r\n");
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let at = request.find("at-").map(|at| at + 3).filter(|_| !heartbeats);
        Ok(Self { key, id, request: request.into_bytes(), at, head })
    }

    fn signed(&self, signing: &Signing, content: String) -> Result<String> {
        let seq = signing.seq.fetch_add(1, Ordering::Relaxed);
        let (epoch, server) = (signing.epoch, signing.server);
        let signed = SignedPresence {
            peer: self.id,
            kind: Kind::Update,
            seq,
            epoch,
            content,
            addrs: Vec::new(),
            server,
            details: Details::default(),
        };
        let (head, id, sig) = (&self.head, self.id, signed.sign(&self.key)?);
        let body = format!(r#"{{"type":"update","peerID":"{id}","sig":"{sig}","ts":1760000000000}}"#);
        Ok(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()))
    }
}

impl Signing {
    async fn of(url: &str) -> Result<Self> {
        let asked = reqwest::get(format!("{}/.well-known/goop", url.trim_end_matches('/'))).await?;
        let known: Value = asked.error_for_status()?.json().await?;
        let server = known["peer_id"].as_str().and_then(|id| id.parse().ok()).context("the server does not say who it is")?;
        let epoch = known["epoch"].as_u64().map(Epoch::new).context("the server does not say its epoch")?;
        Ok(Self { server, epoch, seq: AtomicU64::new(UnixMillis::now().0) })
    }
}

/// The key of the peer with this number; the same in every run.
pub(super) fn key(number: usize) -> Result<Keypair> {
    let mut seed = [9; 32];
    seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
    Ok(Keypair::ed25519_from_bytes(seed)?)
}
