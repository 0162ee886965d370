//! What the viewer and the command line see of the peer list.

use libp2p::{Multiaddr, PeerId};
use serde::Serialize;

use crate::clients::rendezvous::Status;
use crate::clock::UnixMillis;
use crate::p2p::nat::Nat;
use crate::peer::files::Listed;
use crate::peer::memory::Contact;
use crate::proto::chat::{Kept, Party};

/// How a peer is reached, or why it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// Connected, or known to be reachable, on the same link.
    Lan,
    /// Connected across networks.
    Direct,
    /// Connected through a relay.
    Relayed,
    /// Tried and failed.
    Unreachable,
    /// Nobody has needed a connection yet.
    NotTried,
}

/// One row of the peer list, as the API shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeerRow {
    /// Who, as base58 text.
    #[serde(serialize_with = "as_text")]
    pub peer_id: PeerId,
    /// The name that its owner chose, fit to be shown; `goop-` and the end of its id where they chose none.
    pub label: String,
    /// Its owner's email, where they share it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// First 16 hex digits of the SHA-256 of its avatar, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_hash: Option<String>,
    /// Whether any source has heard from it within the TTL.
    pub online: bool,
    /// When it was last heard of.
    pub last_seen: UnixMillis,
    /// How it is reached.
    pub path: Path,
    /// Why it is unreachable, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether its presence was proven by its own key.
    pub signed: bool,
    /// Who told us: `lan`, or the name of a rendezvous.
    pub sources: Vec<String>,
    /// Where it can be dialled, as far as known.
    pub addrs: Vec<Multiaddr>,
}

impl PeerRow {
    /// Whether the LAN hears the peer.
    pub fn is_on_the_lan(&self) -> bool {
        self.sources.iter().any(|source| source == LAN)
    }
}

/// What the LAN is called among the sources of a row.
const LAN: &str = "lan";

fn as_text<S: serde::Serializer>(peer: &PeerId, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(peer)
}

/// What this peer says about itself.
#[derive(Debug, Clone, Serialize)]
pub struct SelfInfo {
    /// Who, as base58 text.
    #[serde(serialize_with = "as_text")]
    pub peer_id: PeerId,
    /// The name its owner chose.
    pub label: String,
    /// First 16 hex digits of the SHA-256 of the avatar, where there is one.
    pub avatar_hash: Option<String>,
    /// Where it can be dialled, each ending in `/p2p/<id>`.
    pub listen: Vec<Multiaddr>,
    /// Whether others reach it from anywhere.
    pub nat: Nat,
    /// Where others reach it from outside, each ending in `/p2p/<id>`: confirmed by others, mapped by the router, or through a relay.
    pub external: Vec<Multiaddr>,
    /// The program's version.
    pub version: &'static str,
    /// The rendezvous servers, and how it goes with each.
    pub rendezvous: Vec<Status>,
}

/// Something the viewer shows the moment it happens.
#[derive(Debug, Clone)]
pub enum PeerEvent {
    /// A peer appeared or came back.
    Online {
        /// Its row as it stands now.
        peer: PeerRow,
    },
    /// A row changed.
    Update {
        /// Its row as it stands now.
        peer: PeerRow,
    },
    /// A peer left, or its TTL lapsed.
    Offline {
        /// Its row as it stands now.
        peer: PeerRow,
    },
    /// A chat message was kept: one that came, or one of the owner's that is on its way.
    Chat {
        /// The message.
        message: Kept,
        /// Nobody shall be notified: it is the owner's own, or its sender is muted.
        muted: bool,
    },
    /// It was settled what became of a message of the owner.
    Settled {
        /// The message as it stands now.
        message: Kept,
    },
    /// How many messages of a conversation are unread changed.
    Unread {
        /// With whom.
        with: Party,
        /// How many.
        unread: u64,
    },
    /// The owner forgot what was said.
    Forgotten {
        /// In which conversation; `None`: in all of them.
        with: Option<Party>,
        /// Which message; `None`: all of them.
        number: Option<i64>,
    },
    /// A file is on its way, got further, or arrived.
    File {
        /// How it stands.
        file: Listed,
    },
    /// The owner decided something about a peer.
    Contact {
        /// What holds now.
        contact: Contact,
    },
}
