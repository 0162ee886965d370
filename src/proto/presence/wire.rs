//! Presence as JSON: read into borrowed text first, judged afterwards, so that a refused message costs next to nothing.

use std::collections::HashSet;
use std::fmt;

use libp2p::{Multiaddr, PeerId};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use self::values::{Addrs, Millis, Skipped, Slot, Text};
use super::extras::{Extras, MAX_PUBLIC_KEY, MAX_TEMPLATE};
use super::{Kind, Presence, PresenceError, label};
use crate::clock::UnixMillis;
use crate::proto::signed::MAX_SIG;

mod values;

/// Characters of a foreign text that an error repeats.
const MAX_QUOTED: usize = 120;

pub(super) fn parse(json: &[u8]) -> Result<(Presence, Extras), PresenceError> {
    super::at_most(json.len(), super::MAX_BYTES)?;
    let message: Message = serde_json::from_slice(json).map_err(|e| PresenceError::Json(label::clean(&e.to_string(), MAX_QUOTED)))?;
    message.judge()
}

pub(super) fn to_json(presence: &Presence) -> String {
    serde_json::to_string(&Wire::from(presence)).expect("text and integers always have a JSON form")
}

/// A message inside other JSON; `None` where it is not one that we take.
pub(super) struct Inside(pub(super) Option<Presence>);

impl<'de> Deserialize<'de> for Inside {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(Message::deserialize(from)?.judge().ok().map(|(presence, _)| presence)))
    }
}

/// What we write, in this order.
#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "peerID")]
    peer: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    content: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(rename = "avatarHash", skip_serializing_if = "Option::is_none")]
    avatar_hash: Option<&'a str>,
    ts: UnixMillis,
    #[serde(skip_serializing_if = "<[Multiaddr]>::is_empty")]
    addrs: &'a [Multiaddr],
    #[serde(rename = "goopClientVersion", skip_serializing_if = "Option::is_none")]
    client_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<&'a str>,
}

impl<'a> From<&'a Presence> for Wire<'a> {
    fn from(presence: &'a Presence) -> Self {
        let kind = match presence.kind {
            Kind::Online => "online",
            Kind::Update => "update",
            Kind::Offline => "offline",
        };
        Self {
            kind,
            peer: presence.peer.to_base58(),
            content: &presence.content,
            email: presence.email.as_deref(),
            avatar_hash: presence.avatar_hash.as_deref(),
            ts: presence.ts,
            addrs: &presence.addrs,
            client_version: presence.client_version.as_deref(),
            sig: presence.sig.as_deref(),
        }
    }
}

/// What we read, before anything is judged but its JSON types.
#[derive(Default)]
struct Message<'a> {
    kind: Slot<Text<'a>>,
    peer: Slot<Text<'a>>,
    content: Slot<Text<'a>>,
    email: Slot<Text<'a>>,
    avatar_hash: Slot<Text<'a>>,
    ts: Slot<Millis>,
    addrs: Slot<Addrs<'a>>,
    client_version: Slot<Text<'a>>,
    signed: Slot<bool>,
    sig: Slot<Text<'a>>,
    public_key: Slot<Text<'a>>,
    encryption_supported: Slot<bool>,
    active_template: Slot<Text<'a>>,
    video_disabled: Slot<bool>,
}

impl Message<'_> {
    fn judge(self) -> Result<(Presence, Extras), PresenceError> {
        let extras = Extras {
            public_key: self.public_key.limited("publicKey", MAX_PUBLIC_KEY)?,
            encryption_supported: self.encryption_supported.value.unwrap_or_default(),
            active_template: self.active_template.limited("activeTemplate", MAX_TEMPLATE)?,
            video_disabled: self.video_disabled.value.unwrap_or_default(),
        };
        let kind = kind(&self.kind.or_empty())?;
        let peer = peer(&self.peer.or_empty())?;
        let avatar_hash = self.avatar_hash.limited("avatarHash", super::MAX_AVATAR_HASH)?.map(|hash| hash.to_ascii_lowercase());
        if avatar_hash.as_ref().is_some_and(|hash| !hash.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err(PresenceError::Bad("avatarHash"));
        }
        let presence = Presence {
            kind,
            peer,
            content: self.content.limited("content", super::MAX_CONTENT)?.unwrap_or_default(),
            email: self.email.limited("email", super::MAX_EMAIL)?,
            avatar_hash,
            ts: self.ts.value.unwrap_or_default().0,
            addrs: self.addrs.value.unwrap_or_default().judge()?,
            client_version: Some(label::cut_bytes(&self.client_version.or_empty(), super::MAX_VERSION).to_owned())
                .filter(|v| !v.is_empty()),
            signed: self.signed.value.unwrap_or_default(),
            since: UnixMillis(0),
            sig: self.sig.limited("sig", MAX_SIG)?,
        };
        Ok((presence, extras))
    }
}

fn kind(text: &str) -> Result<Kind, PresenceError> {
    match text {
        "online" => Ok(Kind::Online),
        "update" => Ok(Kind::Update),
        "offline" => Ok(Kind::Offline),
        "" => Err(PresenceError::Missing("type")),
        other => Err(PresenceError::UnknownKind(label::clean(other, 32))),
    }
}

fn peer(text: &str) -> Result<PeerId, PresenceError> {
    match text.len() {
        0 => Err(PresenceError::Missing("peerID")),
        1..=super::MAX_PEER_ID => text.parse().map_err(|_| PresenceError::Bad("peerID")),
        _ => Err(PresenceError::Bad("peerID")),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Message<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Message<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a presence object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Message<'de>, A::Error> {
                let mut message = Message::default();
                let mut strange = HashSet::new();
                while let Some(Text(key)) = map.next_key()? {
                    message.take(&key, &mut map, &mut strange)?;
                }
                Ok(message)
            }
        }
        from.deserialize_map(Object)
    }
}

impl<'de> Message<'de> {
    /// Unknown keys are ignored, but none may stand there twice: two readers could disagree about which one counts.
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A, strange: &mut HashSet<String>) -> Result<(), A::Error> {
        match key {
            key if key.eq_ignore_ascii_case("type") => self.kind.fill(key, map),
            key if key.eq_ignore_ascii_case("peerID") => self.peer.fill(key, map),
            key if key.eq_ignore_ascii_case("content") => self.content.fill(key, map),
            key if key.eq_ignore_ascii_case("email") => self.email.fill(key, map),
            key if key.eq_ignore_ascii_case("avatarHash") => self.avatar_hash.fill(key, map),
            key if key.eq_ignore_ascii_case("ts") => self.ts.fill(key, map),
            key if key.eq_ignore_ascii_case("addrs") => self.addrs.fill(key, map),
            key if key.eq_ignore_ascii_case("goopClientVersion") => self.client_version.fill(key, map),
            key if key.eq_ignore_ascii_case("signed") => self.signed.fill(key, map),
            key if key.eq_ignore_ascii_case("sig") => self.sig.fill(key, map),
            key if key.eq_ignore_ascii_case("publicKey") => self.public_key.fill(key, map),
            key if key.eq_ignore_ascii_case("encryptionSupported") => self.encryption_supported.fill(key, map),
            key if key.eq_ignore_ascii_case("activeTemplate") => self.active_template.fill(key, map),
            key if key.eq_ignore_ascii_case("videoDisabled") => self.video_disabled.fill(key, map),
            key if !strange.insert(key.to_ascii_lowercase()) => Err(A::Error::custom("a key stands there twice")),
            _ => map.next_value::<Skipped>().map(drop),
        }
    }
}
