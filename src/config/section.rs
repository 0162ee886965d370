//! How a section of the configuration is written down once: type, default, range and documentation of a key stand in one
//! place, and the struct, its `Default`, the parser, `goop config show` and `config.example.toml` all come from there.

use std::fmt::Debug;

use toml_edit::Value;

use super::setting::{Kind, Raw};

/// What is known about one key.
#[derive(Debug, Clone)]
pub struct KeyDoc {
    /// The section it stands in, such as `presence`.
    pub section: &'static str,
    /// Its name in the section, such as `ttl_seconds`.
    pub name: &'static str,
    /// Its documentation, line by line.
    pub doc: &'static [&'static str],
    /// The default, as it would stand in the file.
    pub default: Value,
    /// The smallest and the largest allowed value, where there is such a thing.
    pub range: Option<(Value, Value)>,
    /// How people give its value.
    pub kind: Kind,
    /// Whether its value must never be shown.
    pub secret: bool,
}

impl KeyDoc {
    /// `section.name`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

/// One section, seen without its type.
pub trait Section: Debug {
    /// What is known about each key, in the order of the file.
    fn keys(&self) -> Vec<KeyDoc>;

    /// Take a value for `key`. A refused value changes nothing; the error says what the key wants, without naming the key.
    fn set(&mut self, key: &str, raw: &Raw) -> Result<(), String>;

    /// The value of `key` as it would stand in the file, or `None` if there is no such key; secrets are left out.
    fn show(&self, key: &str) -> Option<Value>;
}

/// Declares a section: `key: Type = default, in range;` with the documentation above each key.
macro_rules! section {
    (
        $(#[$meta:meta])*
        $name:ident in $section:literal {
            $( $(#[doc = $doc:literal])+ $key:ident : $type:ty = $default:expr $(, in $range:expr)? ; )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $(
                $(#[doc = $doc])+
                $(#[doc = concat!("\n\nAllowed: `", stringify!($range), "`.")])?
                #[doc = concat!("\n\nDefault: `", stringify!($default), "`.")]
                pub $key: $type,
            )+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $( $key: $default, )+ }
            }
        }

        impl $crate::config::section::Section for $name {
            fn keys(&self) -> Vec<$crate::config::section::KeyDoc> {
                use $crate::config::setting::Setting;
                let default = Self::default();
                vec![ $( $crate::config::section::KeyDoc {
                    section: $section,
                    name: stringify!($key),
                    doc: &[$($doc),+],
                    default: default.$key.write(),
                    range: None $( .or(Some(($range.start().write(), $range.end().write()))) )?,
                    kind: <$type as Setting>::KIND,
                    secret: <$type as Setting>::SECRET,
                } ),+ ]
            }

            fn set(&mut self, key: &str, raw: &$crate::config::setting::Raw) -> Result<(), String> {
                match key {
                    $( stringify!($key) => {
                        let value: $type = raw.read()?;
                        $( $crate::config::setting::within(&value, &$range)?; )?
                        self.$key = value;
                    } )+
                    _ => return Err("there is no such key".to_owned()),
                }
                Ok(())
            }

            fn show(&self, key: &str) -> Option<toml_edit::Value> {
                match key {
                    $( stringify!($key) => Some($crate::config::setting::Setting::show(&self.$key)), )+
                    _ => None,
                }
            }
        }
    };
}
pub(super) use section;
