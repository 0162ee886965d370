//! The values of a presence message as they stand in JSON, borrowed and not judged yet.

use std::borrow::Cow;
use std::fmt;

use libp2p::Multiaddr;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::clock::UnixMillis;
use crate::proto::presence::{KEPT_ADDRS, MAX_ADDR, MAX_ADDRS, PresenceError};

/// The value of a key that may stand at most once; `null` counts as standing there.
#[derive(Default)]
pub(super) struct Slot<T> {
    seen: bool,
    pub(super) value: Option<T>,
}

impl<T> Slot<T> {
    pub(super) fn fill<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error>
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
    pub(super) fn or_empty(self) -> Cow<'a, str> {
        self.value.map(|text| text.0).unwrap_or_default()
    }

    pub(super) fn limited(self, key: &'static str, max: usize) -> Result<Option<String>, PresenceError> {
        match self.or_empty() {
            text if text.len() > max => Err(PresenceError::Bad(key)),
            text if text.is_empty() => Ok(None),
            text => Ok(Some(text.into_owned())),
        }
    }
}

/// Text that is borrowed from the message unless it holds escapes.
#[derive(Default, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// Any JSON integer, however large: one out of range becomes the nearest that Go can read.
#[derive(Default)]
pub(super) struct Millis(pub(super) UnixMillis);

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
pub(super) struct Addrs<'a>(Vec<Text<'a>>);

impl Addrs<'_> {
    pub(super) fn judge(self) -> Result<Vec<Multiaddr>, PresenceError> {
        if self.0.iter().any(|addr| addr.0.len() > MAX_ADDR) {
            return Err(PresenceError::Bad("addrs"));
        }
        let parsed = self.0.iter().filter_map(|addr| addr.0.parse().ok());
        Ok(parsed.filter(|addr: &Multiaddr| !addr.is_empty()).take(KEPT_ADDRS).collect())
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
                    if addrs.len() == MAX_ADDRS {
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

/// A value that nobody looks at, read level by level so that serde_json's limit on depth holds for it too (THREATS 13).
pub(super) struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Skipped)
    }
}

impl<'de> Visitor<'de> for Skipped {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Skipped>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        while map.next_entry::<Skipped, Skipped>()?.is_some() {}
        Ok(self)
    }
}
