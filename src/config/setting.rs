//! How one value is read from a file, the environment or the command line, and written back.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml_edit::{Array, InlineTable, Value};

/// Longest part of a refused value that an error repeats, in characters.
const SHOWN: usize = 40;

/// How people give the value of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Yes or no.
    Truth,
    /// A whole number.
    Number,
    /// Text, also that which is read as something else.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Several texts.
    Texts,
    /// Several URLs, of which some hold secrets that are not shown.
    Urls,
}

/// A type that a key can have.
pub trait Setting: Sized {
    /// Whether values must never be shown.
    const SECRET: bool = false;
    /// How people give a value.
    const KIND: Kind = Kind::Text;
    /// How they give several.
    const KIND_OF_MANY: Kind = Kind::Texts;

    /// Read a value; the error says what is wanted instead ("must be …").
    fn read(value: &Value) -> Result<Self, String>;

    /// The value as it would stand in the file; [`Setting::read`] of it gives the same value again.
    fn write(&self) -> Value;

    /// The value as people may see it: secrets left out (THREATS 56).
    fn show(&self) -> Value {
        self.write()
    }
}

/// A value before its key's type is known; it may be a secret, so it has no `Debug`.
pub enum Raw {
    /// A value that already has a type: from a file, or from an option of its own.
    Typed(Value),
    /// Text of the environment or of `--set`: a TOML value, or a bare word that is a string.
    Text(String),
}

impl Raw {
    /// The value as a `T`. Text that is no TOML value, or one that `T` refuses, is tried as a string: a label may be `42`.
    pub fn read<T: Setting>(&self) -> Result<T, String> {
        let text = match self {
            Raw::Typed(value) => return T::read(value),
            Raw::Text(text) => text,
        };
        let bare = || T::read(&Value::from(text.as_str()));
        match text.trim().parse::<Value>() {
            Ok(value) => T::read(&value).or_else(|refused| bare().map_err(|_| refused)),
            Err(_) => bare(),
        }
    }
}

/// Whether `value` lies in `range`, both ends included.
pub(super) fn within<T: Setting + PartialOrd>(value: &T, range: &RangeInclusive<T>) -> Result<(), String> {
    if range.contains(value) {
        return Ok(());
    }
    Err(format!("must be from {} to {}, not {}", range.start().write(), range.end().write(), value.write()))
}

/// The error for a value that is not `expected`.
pub(super) fn unexpected(expected: &str, value: &Value) -> String {
    let found = match value {
        Value::String(text) => quoted(text.value()),
        Value::Integer(number) => number.value().to_string(),
        Value::Float(number) => number.value().to_string(),
        Value::Boolean(truth) => truth.value().to_string(),
        other => format!("a value of type {}", other.type_name()),
    };
    format!("must be {expected}, not {found}")
}

/// Text of others, shortened and with every control character escaped (THREATS 20).
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

impl Setting for bool {
    const KIND: Kind = Kind::Truth;

    fn read(value: &Value) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| unexpected("true or false", value))
    }

    fn write(&self) -> Value {
        Value::from(*self)
    }
}

macro_rules! whole_number {
    ($($type:ty),+) => { $(
        impl Setting for $type {
            const KIND: Kind = Kind::Number;

            fn read(value: &Value) -> Result<Self, String> {
                let number = value.as_integer().and_then(|number| <$type>::try_from(number).ok());
                number.ok_or_else(|| unexpected(&format!("a whole number from 0 to {}", <$type>::MAX), value))
            }

            fn write(&self) -> Value {
                Value::from(i64::from(*self))
            }
        }
    )+ };
}
whole_number!(u16, u32);

/// In whole seconds.
impl Setting for Duration {
    const KIND: Kind = Kind::Number;

    fn read(value: &Value) -> Result<Self, String> {
        let seconds = value.as_integer().and_then(|number| u64::try_from(number).ok());
        seconds.map(Duration::from_secs).ok_or_else(|| unexpected("a whole number of seconds", value))
    }

    fn write(&self) -> Value {
        Value::from(i64::try_from(self.as_secs()).unwrap_or(i64::MAX))
    }
}

/// Most entries of a list.
const MAX_ENTRIES: usize = 256;

/// A list, or one value that stands for a list of one; the empty string is the empty list.
impl<T: Setting> Setting for Vec<T> {
    const KIND: Kind = T::KIND_OF_MANY;

    fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Array(entries) if entries.len() > MAX_ENTRIES => Err(format!("must have at most {MAX_ENTRIES} entries")),
            Value::Array(entries) => entries.iter().map(T::read).collect(),
            Value::String(text) if text.value().trim().is_empty() => Ok(Vec::new()),
            single => Ok(vec![T::read(single)?]),
        }
    }

    fn write(&self) -> Value {
        Value::Array(self.iter().map(Setting::write).collect::<Array>())
    }

    fn show(&self) -> Value {
        Value::Array(self.iter().map(Setting::show).collect::<Array>())
    }
}

/// The empty string is `None`.
impl<T: Setting> Setting for Option<T> {
    const SECRET: bool = T::SECRET;
    const KIND: Kind = T::KIND;

    fn read(value: &Value) -> Result<Self, String> {
        match value.as_str() {
            Some(text) if text.trim().is_empty() => Ok(None),
            _ => T::read(value).map(Some),
        }
    }

    fn write(&self) -> Value {
        self.as_ref().map_or_else(|| Value::from(""), Setting::write)
    }

    fn show(&self) -> Value {
        self.as_ref().map_or_else(|| Value::from(""), Setting::show)
    }
}

/// A JSON value as TOML; `null` is nothing. What TOML cannot write becomes a table, which every key refuses.
pub fn toml_of_json(value: serde_json::Value) -> Option<Value> {
    Some(match value {
        serde_json::Value::Null => return None,
        serde_json::Value::Bool(truth) => Value::from(truth),
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::from(whole),
            (None, Some(float)) => Value::from(float),
            (None, None) => Value::InlineTable(InlineTable::new()),
        },
        serde_json::Value::Array(entries) => Value::Array(entries.into_iter().filter_map(toml_of_json).collect::<Array>()),
        serde_json::Value::Object(_) => Value::InlineTable(InlineTable::new()),
    })
}
