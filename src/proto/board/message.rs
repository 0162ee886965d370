//! What somebody publishes, and how the board says it to others.

use std::net::IpAddr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde::Serialize;

use crate::clock::UnixMillis;
use crate::proto::presence::{Extras, Kind, Presence, PresenceError};

/// A published presence message, read and judged for form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// What every goop understands.
    pub presence: Presence,
    /// What newest goop2 adds.
    pub extras: Extras,
}

impl Message {
    /// Reads a message as it is published.
    ///
    /// # Errors
    /// See [`PresenceError`].
    pub fn parse(json: &[u8]) -> Result<Self, PresenceError> {
        let (presence, extras) = Presence::parse_with_extras(json)?;
        Ok(Self { presence, extras })
    }

    /// The message as JSON that [`Message::parse`] reads again.
    pub fn to_json(&self) -> String {
        let mut json = self.presence.to_json();
        let extras = serde_json::to_string(&self.extras).expect("text and truth values always have a JSON form");
        if extras.len() > 2 {
            json.truncate(json.len() - 1);
            json.push(',');
            json.push_str(&extras[1..]);
        }
        json
    }

    /// Whether it says what `other` says; kind and time of writing do not count.
    pub(super) fn says(&self, other: &Message) -> bool {
        self.presence.says(&other.presence) && self.extras == other.extras
    }
}

/// A message with what the server knows about who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// What was published.
    pub message: Message,
    /// Whether it carried a valid signature of its peer.
    pub signed: bool,
    /// Where it came from.
    pub from: IpAddr,
    /// When, for people.
    pub at: UnixMillis,
}

/// What strangers are told about a peer; `type` comes before it, and `sig` lets them verify for themselves what the peer says. Ours is `signed`; `verified` is goop2's word for "needs no
/// registration", without which its newest peers hide everybody.
#[derive(Serialize)]
struct Public<'a> {
    #[serde(rename = "peerID")]
    peer: &'a str,
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(rename = "avatarHash", skip_serializing_if = "Option::is_none")]
    avatar_hash: Option<&'a str>,
    ts: UnixMillis,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    addrs: Vec<&'a Multiaddr>,
    #[serde(rename = "goopClientVersion", skip_serializing_if = "Option::is_none")]
    client_version: Option<&'a str>,
    #[serde(flatten)]
    extras: &'a Extras,
    signed: bool,
    verified: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<&'a str>,
}

impl Publication {
    /// The message as others see it, from behind its `type` to the closing brace.
    ///
    /// An email is told where `emails` says that all readers are of one closed community, or where it is signed: our peers send it
    /// only if their owner shares it, goop2's always do (THREATS 62). Of unsigned addresses only those are told that cannot make
    /// others dial a third party (THREATS 4). `peer` is its id as text: to write that costs more than all the rest, so it is kept.
    pub(super) fn to_public(&self, peer: &str, emails: bool) -> String {
        let presence = &self.message.presence;
        let public = Public {
            peer,
            content: &presence.content,
            email: presence.email.as_deref().filter(|_| emails || self.signed),
            avatar_hash: presence.avatar_hash.as_deref(),
            ts: if presence.ts == UnixMillis(0) { self.at } else { presence.ts },
            addrs: presence.addrs.iter().filter(|addr| self.signed || is_own(addr, self.from)).collect(),
            client_version: presence.client_version.as_deref(),
            extras: &self.message.extras,
            signed: self.signed,
            verified: true,
            sig: presence.sig.as_deref().filter(|_| self.signed),
        };
        let json = serde_json::to_string(&public).expect("text and integers always have a JSON form");
        json[1..].to_owned()
    }
}

/// What stands before a message's [`Publication::to_public`].
pub(super) fn beginning(kind: Kind) -> &'static str {
    match kind {
        Kind::Online => r#"{"type":"online","#,
        Kind::Update => r#"{"type":"update","#,
        Kind::Offline => r#"{"type":"offline","#,
    }
}

/// Whether an address is the sender's own, or one of a private network where the sender itself is on one.
fn is_own(addr: &Multiaddr, from: IpAddr) -> bool {
    let ip = match addr.iter().next() {
        Some(Protocol::Ip4(ip)) => IpAddr::V4(ip),
        Some(Protocol::Ip6(ip)) => IpAddr::V6(ip).to_canonical(),
        _ => return false,
    };
    ip == from || (is_private(ip) && is_private(from))
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5";

    fn published(json: &str, signed: bool, from: &str) -> Publication {
        let message = Message::parse(json.as_bytes()).unwrap();
        Publication { message, signed, from: from.parse().unwrap(), at: UnixMillis(5) }
    }

    #[test]
    fn a_message_that_was_kept_says_the_same_again() {
        let more = r#""content":"A\"\u0001","email":"a@example.com","avatarHash":"eb22","ts":5,"addrs":["/ip4/192.0.2.1/tcp/1"]"#;
        let extras = r#""publicKey":"abc\"","encryptionSupported":true,"videoDisabled":true,"goopClientVersion":"2.0""#;
        for rest in ["", more, extras, &format!("{more},{extras}")] {
            let comma = if rest.is_empty() { "" } else { "," };
            let message = Message::parse(format!(r#"{{"type":"update","peerId":"{ALICE}"{comma}{rest}}}"#).as_bytes()).unwrap();
            assert_eq!(Message::parse(message.to_json().as_bytes()).unwrap(), message, "{rest}");
        }
    }

    #[test]
    fn an_unsigned_email_is_not_broadcast_to_strangers() {
        let json = format!(r#"{{"type":"online","peerId":"{ALICE}","email":"a@example.com"}}"#);
        assert!(!published(&json, false, "192.0.2.1").to_public(ALICE, false).contains("example.com"));
        assert!(published(&json, true, "192.0.2.1").to_public(ALICE, false).contains("example.com"));
        assert!(published(&json, false, "192.0.2.1").to_public(ALICE, true).contains("example.com"));
    }

    #[test]
    fn attack_unsigned_addresses_cannot_make_others_dial_a_third_party() {
        let addrs = r#"["/ip4/192.0.2.1/tcp/1","/ip4/198.51.100.7/tcp/80","/ip4/10.0.0.1/tcp/22","/dns4/victim.example/tcp/443"]"#;
        let json = format!(r#"{{"type":"online","peerId":"{ALICE}","addrs":{addrs}}}"#);
        let told = |signed, from| {
            let json = format!("{{{}", published(&json, signed, from).to_public(ALICE, false));
            serde_json::from_str::<serde_json::Value>(&json).unwrap()["addrs"].clone()
        };
        assert_eq!(told(false, "192.0.2.1"), serde_json::json!(["/ip4/192.0.2.1/tcp/1"]));
        assert_eq!(told(false, "10.0.0.9"), serde_json::json!(["/ip4/10.0.0.1/tcp/22"]));
        assert_eq!(told(true, "192.0.2.1").as_array().unwrap().len(), 4, "signed ones are judged by whoever dials");
    }

    #[test]
    fn a_line_of_goop2_s_stream_stays_below_its_limit_whatever_is_published() {
        let worst = "\\u0001".repeat(4096);
        let addr = "/ip4/192.0.2.1/tcp/1".to_owned() + &"/p2p-circuit".repeat(19);
        let addrs = vec![addr; 20];
        let json = serde_json::json!({
            "type": "online", "peerId": ALICE, "email": "\u{1}".repeat(320), "addrs": addrs, "avatarHash": "a".repeat(64),
            "sig": "A".repeat(crate::proto::signed::MAX_SIG),
            "publicKey": "\u{1}".repeat(256), "activeTemplate": "\u{1}".repeat(128), "goopClientVersion": "\u{1}".repeat(64),
        });
        let json = json.to_string().replacen('{', &format!(r#"{{"content":"{worst}","#), 1);
        let line = published(&json, true, "192.0.2.1").to_public(ALICE, true).len() + 32;
        assert!((40_000..64 * 1024).contains(&line), "{line}");
    }
}
