//! A snapshot: everyone who is here, in one message of a rendezvous server (`/api/v1/events`).
//!
//! ```json
//! {"complete":true,"peers":[{"type":"online","peerID":"12D3KooW…","content":"Alice","ts":1738764000000,"signed":true},…]}
//! ```
//!
//! `complete` is false for a while after the server's start: who is missing may just not have come back yet (THREATS 72).

use std::fmt;

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::wire::Inside;
use super::{Presence, PresenceError, label};

/// Most peers of a snapshot that are kept; further ones are ignored.
pub const MAX_PEERS: usize = 20_000;
/// Longest snapshot that is read, in bytes.
pub const MAX_SNAPSHOT: usize = 32 * 1024 * 1024;

/// Everyone who is here, as a server sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Snapshot {
    /// Whether whoever is missing is not here; `false` where the server does not say.
    #[serde(default)]
    pub complete: bool,
    /// Who is here; messages that we do not take are left out.
    #[serde(deserialize_with = "at_most_max_peers")]
    pub peers: Vec<Presence>,
}

impl Snapshot {
    /// Reads a snapshot from JSON of at most [`MAX_SNAPSHOT`] bytes.
    ///
    /// # Errors
    /// If it is longer, or not a snapshot.
    pub fn parse(json: &[u8]) -> Result<Self, PresenceError> {
        super::at_most(json.len(), MAX_SNAPSHOT)?;
        serde_json::from_slice(json).map_err(|error| PresenceError::Json(label::clean(&error.to_string(), 120)))
    }
}

fn at_most_max_peers<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Presence>, D::Error> {
    struct Peers;
    impl<'de> Visitor<'de> for Peers {
        type Value = Vec<Presence>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of presence messages")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut peers = Vec::new();
            while let Some(Inside(peer)) = seq.next_element()? {
                peers.extend(peer.filter(|_| peers.len() < MAX_PEERS));
            }
            Ok(peers)
        }
    }
    from.deserialize_seq(Peers)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";

    #[test]
    fn peers_that_are_not_understood_are_left_out() {
        let alice = format!(r#"{{"type":"online","peerID":"{ALICE}","content":"Alice","signed":true}}"#);
        let json = format!(r#"{{"complete":true,"peers":[{alice},{{"type":"punch","peerID":"{ALICE}"}},{{"type":"online"}}],"more":1}}"#);
        let read = Snapshot::parse(json.as_bytes()).unwrap();
        assert_eq!((read.complete, read.peers.len()), (true, 1));
        assert!(read.peers[0].signed && read.peers[0].content == "Alice");
        assert!(!Snapshot::parse(br#"{"peers":[]}"#).unwrap().complete);
    }

    #[test]
    fn attack_a_snapshot_without_end_is_cut() {
        let row = format!(r#"{{"type":"online","peerID":"{ALICE}"}}"#);
        let json = format!(r#"{{"peers":[{}]}}"#, vec![row; MAX_PEERS + 50].join(","));
        assert_eq!(Snapshot::parse(json.as_bytes()).unwrap().peers.len(), MAX_PEERS);
        assert!(matches!(Snapshot::parse(&vec![b' '; MAX_SNAPSHOT + 1]), Err(PresenceError::TooLong { .. })));
        let deep = format!(r#"{{"peers":{}"#, "[".repeat(1000));
        assert!(Snapshot::parse(deep.as_bytes()).is_err());
    }
}
