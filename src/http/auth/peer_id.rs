//! libp2p Peer ID auth over HTTP: both sides prove who they are by signing the other's challenge (the scheme `libp2p-PeerID`, working
//! draft r1 of libp2p's specs; FEDERATION B.10). Works with go-libp2p's and js-libp2p's halves.
//!
//! Stricter than they are: a bearer counts only for the host name it was given for and for 15 minutes; a challenge counts once; the
//! host name is what the operator configured, never what a request says; all that was given ends with the process, or the epoch where
//! several instances are one server. Who may do what
//! is asked with every request by whoever uses this, so that striking somebody off a list works at once.

mod client;
mod params;
mod server;

pub use client::{ClientError, PeerIdClient};
pub use params::{SCHEME, is_ours};
pub use server::{PeerIdAnswer, PeerIdServer};

/// What the server signs for the client.
fn server_proof<'a>(challenge: &'a str, client_key: &'a [u8], hostname: &'a str) -> Vec<u8> {
    let client_key = ("client-public-key", client_key);
    params::signed_bytes(vec![("challenge-server", challenge.as_bytes()), client_key, ("hostname", hostname.as_bytes())])
}

/// What the client signs for the server.
fn client_proof<'a>(challenge: &'a str, server_key: &'a [u8], hostname: &'a str) -> Vec<u8> {
    let server_key = ("server-public-key", server_key);
    params::signed_bytes(vec![("challenge-client", challenge.as_bytes()), ("hostname", hostname.as_bytes()), server_key])
}

#[cfg(test)]
mod tests;
