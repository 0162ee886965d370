//! The client's half: it proves who it is only to the server it means.

use libp2p::PeerId;
use libp2p::identity::{Keypair, PublicKey};
use thiserror::Error;

use super::params::{Params, encode, write};
use super::{client_proof, server_proof};

/// Why the handshake came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ClientError {
    /// The server's header is not of this scheme, or lacks something.
    #[error("the server's answer is no Peer ID auth")]
    NotUnderstood,
    /// Another peer answers than the one that was meant.
    #[error("{0} answers, and not the server that was meant")]
    AnotherPeer(PeerId),
    /// The server's signature is wrong.
    #[error("the server did not prove who it is")]
    NotProven,
    /// Our own key cannot sign.
    #[error("this node's key cannot sign")]
    NoSignature,
}

/// One handshake with one server. The real request goes with the header that [`Self::prove`] answers.
pub struct PeerIdClient {
    key: Keypair,
    server: PeerId,
    hostname: String,
    challenge: String,
    server_key: Vec<u8>,
    proven: bool,
}

impl PeerIdClient {
    /// A handshake with `server`, reached under `hostname`. `random` is fresh.
    pub fn new(key: Keypair, server: PeerId, hostname: String, random: [u8; 32]) -> Self {
        Self { key, server, hostname, challenge: encode(&random), server_key: Vec::new(), proven: false }
    }

    /// The `Authorization` of a first request, which needs no body: it asks the server for its proof.
    pub fn ask(&self) -> String {
        write(&[("challenge-server", &self.challenge), ("public-key", &self.public_key())])
    }

    /// The `Authorization` that answers the server's `WWW-Authenticate`. A server that sent no proof yet gets ours first, and proves
    /// itself in what [`Self::bearer`] reads.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn prove(&mut self, www_authenticate: &str) -> Result<String, ClientError> {
        let params = Params::read(www_authenticate).ok_or(ClientError::NotUnderstood)?;
        let server_key = params.bytes("public-key").ok_or(ClientError::NotUnderstood)?;
        let (challenge, opaque) = params.text("challenge-client").zip(params.text("opaque")).ok_or(ClientError::NotUnderstood)?;
        self.is_meant(&server_key)?;
        self.server_key.clone_from(&server_key);
        if params.text("sig").is_some() {
            self.is_proven(&params)?;
        }
        let sig = self.key.sign(&client_proof(challenge, &server_key, &self.hostname)).map_err(|_| ClientError::NoSignature)?;
        let (sig, public_key) = (encode(&sig), self.public_key());
        let mut header = vec![("opaque", opaque), ("sig", &sig)];
        if !self.proven {
            header.extend([("challenge-server", self.challenge.as_str()), ("public-key", &public_key)]);
        }
        Ok(write(&header))
    }

    /// Reads the `Authentication-Info` of an answer; the `Authorization` of later requests.
    ///
    /// # Errors
    /// See [`ClientError`]; then nothing that the server said counts.
    pub fn bearer(&mut self, authentication_info: &str) -> Result<String, ClientError> {
        let params = Params::read(authentication_info).ok_or(ClientError::NotUnderstood)?;
        if !self.proven {
            self.is_proven(&params)?;
        }
        let bearer = params.text("bearer").ok_or(ClientError::NotUnderstood)?;
        Ok(write(&[("bearer", bearer)]))
    }

    fn is_meant(&self, server_key: &[u8]) -> Result<(), ClientError> {
        let peer = PublicKey::try_decode_protobuf(server_key).map_err(|_| ClientError::NotUnderstood)?.to_peer_id();
        if peer == self.server { Ok(()) } else { Err(ClientError::AnotherPeer(peer)) }
    }

    fn is_proven(&mut self, params: &Params) -> Result<(), ClientError> {
        let key = PublicKey::try_decode_protobuf(&self.server_key).map_err(|_| ClientError::NotUnderstood)?;
        let proof = server_proof(&self.challenge, &self.key.public().encode_protobuf(), &self.hostname);
        self.proven = params.bytes("sig").is_some_and(|sig| key.verify(&proof, &sig));
        if self.proven { Ok(()) } else { Err(ClientError::NotProven) }
    }

    fn public_key(&self) -> String {
        encode(&self.key.public().encode_protobuf())
    }
}
