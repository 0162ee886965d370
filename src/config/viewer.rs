//! `[viewer]`: the pages on this machine.

use toml_edit::Value;

use super::net::ViewerAddr;
use super::section::section;
use super::setting::{Kind, Setting, unexpected};

section! {
    /// The pages on this machine.
    ViewerConfig in "viewer" {
        /// Where the pages for you are: an address of this machine alone (127.0.0.1 or ::1), or "off". Port 0: a free one.
        /// If the default port is in use, a free one is taken; one that you set must be free.
        http_addr: ViewerAddr = ViewerAddr::default();
        /// The colours of these pages: "light", "dark", or "system" for those of your system.
        theme: Theme = Theme::System;
    }
}

/// The colours of the pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// Those of the system.
    System,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl Theme {
    const ALL: [Self; 3] = [Self::System, Self::Light, Self::Dark];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

impl Setting for Theme {
    const KIND: Kind = Kind::Choice(&[Theme::System.word(), Theme::Light.word(), Theme::Dark.word()]);

    fn read(value: &Value) -> Result<Self, String> {
        let found = value.as_str().and_then(|word| Self::ALL.into_iter().find(|theme| theme.word() == word.trim()));
        found.ok_or_else(|| unexpected("\"system\", \"light\" or \"dark\"", value))
    }

    fn write(&self) -> Value {
        Value::from(self.word())
    }
}
