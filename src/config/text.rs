//! Values that are text: lines, the mDNS tag, the topic, paths, peer ids.

use std::fmt;
use std::path::PathBuf;

use libp2p::PeerId;
use toml_edit::Value;

use super::setting::{Setting, quoted, unexpected};
use crate::identity::peer_id_from_text;

/// Longest [`Line`], in bytes.
pub const MAX_LINE: usize = 256;

/// Text without control characters, at most [`MAX_LINE`] bytes; may be empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line(String);

impl Line {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Read a line; the error says what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LINE {
            return Err(format!("must be at most {MAX_LINE} bytes long, not {}", text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err(format!("must have no control characters, as {} has", quoted(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Setting for Line {
    fn read(value: &Value) -> Result<Self, String> {
        Self::parse(text_of(value)?)
    }

    fn write(&self) -> Value {
        Value::from(self.as_str())
    }
}

fn text_of(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| unexpected("text", value))
}

/// The tag that goop2 peers use, and the default.
pub const DEFAULT_MDNS_TAG: &str = "goop-mdns";

/// The name of a LAN of goop peers: a service name of DNS-SD (RFC 6335 §5.1), kept in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MdnsTag(String);

impl MdnsTag {
    /// The tag, without `_` and without `._udp`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the tag of goop2, whose bare `goop-mdns.local.` is used beside DNS-SD only then.
    pub fn is_default(&self) -> bool {
        self.0 == DEFAULT_MDNS_TAG
    }
}

impl Default for MdnsTag {
    fn default() -> Self {
        Self(DEFAULT_MDNS_TAG.to_owned())
    }
}

impl fmt::Display for MdnsTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Setting for MdnsTag {
    fn read(value: &Value) -> Result<Self, String> {
        let tag = text_of(value)?;
        let hyphens_stand_between = !tag.starts_with('-') && !tag.ends_with('-') && !tag.contains("--");
        let letters_digits_hyphens = tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let has_letter = tag.bytes().any(|byte| byte.is_ascii_alphabetic());
        if tag.len() <= 15 && has_letter && letters_digits_hyphens && hyphens_stand_between {
            return Ok(Self(tag.to_ascii_lowercase()));
        }
        Err(format!("must be 1 to 15 letters, digits and single hyphens between them, with at least one letter, not {}", quoted(tag)))
    }

    fn write(&self) -> Value {
        Value::from(self.as_str())
    }
}

/// Longest path, in bytes: what Linux takes.
const MAX_PATH: usize = 4096;

/// Any path of at most [`MAX_PATH`] bytes but the empty one; a relative path starts at the data folder.
impl Setting for PathBuf {
    fn read(value: &Value) -> Result<Self, String> {
        let path = text_of(value)?;
        if path.trim().is_empty() || path.contains('\0') {
            return Err(unexpected("a path", value));
        }
        if path.len() > MAX_PATH {
            return Err(format!("must be at most {MAX_PATH} bytes long, not {}", path.len()));
        }
        Ok(PathBuf::from(path))
    }

    fn write(&self) -> Value {
        Value::from(self.to_string_lossy().into_owned())
    }
}

/// As base58 or CIDv1 text.
impl Setting for PeerId {
    fn read(value: &Value) -> Result<Self, String> {
        let text = text_of(value)?;
        peer_id_from_text(text).map_err(|_| unexpected("a peer id such as 12D3KooW…", value))
    }

    fn write(&self) -> Value {
        Value::from(self.to_base58())
    }
}

/// The GossipSub topic of presence: 1 to [`MAX_LINE`] bytes without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic(Line);

impl Topic {
    /// The topic.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Default for Topic {
    fn default() -> Self {
        Self(Line("goop.presence.v1".to_owned()))
    }
}

impl Setting for Topic {
    fn read(value: &Value) -> Result<Self, String> {
        let line = Line::read(value)?;
        if line.as_str().trim().is_empty() { Err(unexpected("a topic", value)) } else { Ok(Self(line)) }
    }

    fn write(&self) -> Value {
        self.0.write()
    }
}
