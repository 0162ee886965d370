//! Text that must not reach a log, a page or an error.

use std::fmt;

use toml_edit::Value;

use super::setting::Setting;

/// Longest secret, in bytes.
const MAX_SECRET: usize = 4096;

/// Text that is never shown: its `Debug` says only whether there is any (THREATS 56).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keep `text` from being shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_empty() { "Secret(empty)" } else { "Secret(redacted)" })
    }
}

impl Setting for Secret {
    const SECRET: bool = true;

    fn read(value: &Value) -> Result<Self, String> {
        let text = value.as_str().ok_or_else(|| format!("must be text in quotes, not a value of type {}", value.type_name()))?;
        if text.len() > MAX_SECRET { Err(format!("must be at most {MAX_SECRET} bytes long")) } else { Ok(Self::new(text)) }
    }

    fn write(&self) -> Value {
        Value::from(self.expose())
    }

    fn show(&self) -> Value {
        Value::from(if self.is_empty() { "" } else { "(set, not shown)" })
    }
}
