//! What the newest goop2 peers write beside the seed's keys, kept and passed on within bounds: without `publicKey` two of them would
//! not encrypt to each other through us.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::MessageError;

/// Longest `publicKey`, in bytes; an X25519 key in base64 has 44.
pub const MAX_PUBLIC_KEY: usize = 256;
/// Longest `activeTemplate`, in bytes.
pub const MAX_TEMPLATE: usize = 128;

/// The keys of newest goop2 that we pass on as they are. What is absent is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Extras {
    /// The key for sealed messages.
    #[serde(rename = "publicKey", skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Whether the peer understands sealed messages.
    #[serde(rename = "encryptionSupported", skip_serializing_if = "is_false")]
    pub encryption_supported: bool,
    /// The template its site is made with.
    #[serde(rename = "activeTemplate", skip_serializing_if = "Option::is_none")]
    pub active_template: Option<String>,
    /// Whether it takes no video calls.
    #[serde(rename = "videoDisabled", skip_serializing_if = "is_false")]
    pub video_disabled: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Extras {
    /// Reads them from a presence message that [`crate::proto::presence::Presence::parse`] has accepted.
    ///
    /// # Errors
    /// Where one is of another type or too long.
    pub fn parse(json: &[u8]) -> Result<Self, MessageError> {
        let read: Read<'_> = serde_json::from_slice(json).map_err(|_| MessageError::Extras)?;
        let limited = |text: Option<Cow<'_, str>>, max: usize| match text {
            Some(text) if text.len() > max => Err(MessageError::Extras),
            text => Ok(text.filter(|text| !text.is_empty()).map(Cow::into_owned)),
        };
        Ok(Self {
            public_key: limited(read.public_key, MAX_PUBLIC_KEY)?,
            encryption_supported: read.encryption_supported,
            active_template: limited(read.active_template, MAX_TEMPLATE)?,
            video_disabled: read.video_disabled,
        })
    }
}

#[derive(Default)]
struct Read<'a> {
    public_key: Option<Cow<'a, str>>,
    encryption_supported: bool,
    active_template: Option<Cow<'a, str>>,
    video_disabled: bool,
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Read<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Read<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a presence object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Read<'de>, A::Error> {
                let mut read = Read::default();
                while let Some(Text(key)) = map.next_key()? {
                    read.take(&key, &mut map)?;
                }
                Ok(read)
            }
        }
        from.deserialize_map(Object)
    }
}

impl<'de> Read<'de> {
    fn take<A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let text = |map: &mut A| map.next_value::<Option<Text<'de>>>().map(|text| text.map(|Text(text)| text));
        let truth = |map: &mut A| map.next_value::<Option<bool>>().map(Option::unwrap_or_default);
        match key {
            key if key.len() > 32 => map.next_value::<IgnoredAny>().map(drop),
            key if key.eq_ignore_ascii_case("publicKey") => text(map).map(|value| self.public_key = value),
            key if key.eq_ignore_ascii_case("activeTemplate") => text(map).map(|value| self.active_template = value),
            key if key.eq_ignore_ascii_case("encryptionSupported") => truth(map).map(|value| self.encryption_supported = value),
            key if key.eq_ignore_ascii_case("videoDisabled") => truth(map).map(|value| self.video_disabled = value),
            _ => map.next_value::<IgnoredAny>().map(drop),
        }
        .map_err(A::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_newest_goop2_writes_is_kept_and_bounded() {
        let json = br#"{"type":"online","peerId":"x","PUBLICKEY":"abc","encryptionSupported":true,"activeTemplate":null,"odd":[{}]}"#;
        let read = Extras::parse(json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"publicKey":"abc","encryptionSupported":true}"#);
        let long = format!(r#"{{"publicKey":"{}"}}"#, "a".repeat(MAX_PUBLIC_KEY + 1));
        assert!(Extras::parse(long.as_bytes()).is_err());
        assert!(Extras::parse(br#"{"videoDisabled":"yes"}"#).is_err());
    }
}
