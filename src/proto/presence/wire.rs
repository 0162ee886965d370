//! Presence as JSON: read into borrowed text first, judged afterwards, so that a refused message costs next to nothing.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use libp2p::{Multiaddr, PeerId};
use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Kind, Presence, PresenceError, label};
use crate::clock::UnixMillis;
use crate::proto::signed::MAX_SIG;

/// Characters of a foreign text that an error repeats.
const MAX_QUOTED: usize = 120;

pub(super) fn parse(json: &[u8]) -> Result<Presence, PresenceError> {
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
        Ok(Self(Message::deserialize(from)?.judge().ok()))
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
}

impl Message<'_> {
    fn judge(self) -> Result<Presence, PresenceError> {
        let kind = kind(&self.kind.or_empty())?;
        let peer = peer(&self.peer.or_empty())?;
        let avatar_hash = self.avatar_hash.limited("avatarHash", super::MAX_AVATAR_HASH)?.map(|hash| hash.to_ascii_lowercase());
        if avatar_hash.as_ref().is_some_and(|hash| !hash.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err(PresenceError::Bad("avatarHash"));
        }
        Ok(Presence {
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
        })
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

/// The value of a key that may stand at most once; `null` counts as standing there.
#[derive(Default)]
struct Slot<T> {
    seen: bool,
    value: Option<T>,
}

impl<T> Slot<T> {
    fn fill<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>
    where
        T: Deserialize<'de>,
    {
        if self.seen {
            return Err(A::Error::custom(format_args!("`{key}` stands there twice")));
        }
        self.seen = true;
        self.value = map.next_value()?;
        Ok(())
    }
}

impl<'a> Slot<Text<'a>> {
    fn or_empty(self) -> Cow<'a, str> {
        self.value.map(|text| text.0).unwrap_or_default()
    }

    fn limited(self, key: &'static str, max: usize) -> Result<Option<String>, PresenceError> {
        match self.or_empty() {
            text if text.len() > max => Err(PresenceError::Bad(key)),
            text if text.is_empty() => Ok(None),
            text => Ok(Some(text.into_owned())),
        }
    }
}

/// Text that is borrowed from the message unless it holds escapes.
#[derive(Default, Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Any JSON integer, however large: one out of range becomes the nearest that Go can read.
#[derive(Default)]
struct Millis(UnixMillis);

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Integer;
        impl Visitor<'_> for Integer {
            type Value = Millis;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer")
            }

            fn visit_u64<E>(self, millis: u64) -> Result<Millis, E> {
                Ok(Millis(UnixMillis(millis.min(i64::MAX as u64))))
            }

            fn visit_i64<E>(self, millis: i64) -> Result<Millis, E> {
                Ok(Millis(UnixMillis(u64::try_from(millis).unwrap_or(0))))
            }

            /// An integer that fits no 64 bits arrives as a float.
            fn visit_f64<E: serde::de::Error>(self, millis: f64) -> Result<Millis, E> {
                if millis.fract() == 0.0 { self.visit_u64(millis as u64) } else { Err(E::custom("`ts` is not an integer")) }
            }
        }
        from.deserialize_any(Integer)
    }
}

/// The entries of `addrs`; reading stops at the first one too many.
#[derive(Default)]
struct Addrs<'a>(Vec<Text<'a>>);

impl Addrs<'_> {
    fn judge(self) -> Result<Vec<Multiaddr>, PresenceError> {
        if self.0.iter().any(|addr| addr.0.len() > super::MAX_ADDR) {
            return Err(PresenceError::Bad("addrs"));
        }
        let parsed = self.0.iter().filter_map(|addr| addr.0.parse().ok());
        Ok(parsed.filter(|addr: &Multiaddr| !addr.is_empty()).take(super::KEPT_ADDRS).collect())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Addrs<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Sequence;
        impl<'de> Visitor<'de> for Sequence {
            type Value = Addrs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of addresses")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Addrs<'de>, A::Error> {
                let mut addrs = Vec::new();
                while let Some(addr) = seq.next_element()? {
                    if addrs.len() == super::MAX_ADDRS {
                        return Err(A::Error::custom("more addresses than a message may have"));
                    }
                    addrs.push(addr);
                }
                Ok(Addrs(addrs))
            }
        }
        from.deserialize_seq(Sequence)
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
        let lower = key.to_ascii_lowercase();
        match lower.as_str() {
            "type" => self.kind.fill(key, map),
            "peerid" => self.peer.fill(key, map),
            "content" => self.content.fill(key, map),
            "email" => self.email.fill(key, map),
            "avatarhash" => self.avatar_hash.fill(key, map),
            "ts" => self.ts.fill(key, map),
            "addrs" => self.addrs.fill(key, map),
            "goopclientversion" => self.client_version.fill(key, map),
            "signed" => self.signed.fill(key, map),
            "sig" => self.sig.fill(key, map),
            _ if !strange.insert(lower.clone()) => Err(A::Error::custom("a key stands there twice")),
            _ => map.next_value::<IgnoredAny>().map(|_| ()),
        }
    }
}
