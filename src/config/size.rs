//! A number of bytes, written as `16KiB`.

use std::fmt;

use toml_edit::Value;

use super::setting::{Setting, unexpected};

/// Units, largest first, so that a size is shown in the largest one that divides it.
const UNITS: [(&str, u64); 7] =
    [("GiB", 1 << 30), ("GB", 1_000_000_000), ("MiB", 1 << 20), ("MB", 1_000_000), ("KiB", 1 << 10), ("kB", 1000), ("B", 1)];

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(u64);

impl Size {
    /// `kib` times 1024 bytes.
    pub const fn kib(kib: u64) -> Self {
        Self(kib * 1024)
    }

    /// The number of bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = unit.trim();
        let factor = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor)?;
        number.parse::<u64>().ok()?.checked_mul(factor).map(Self)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = UNITS.iter().filter(|(name, factor)| name.contains('i') || *factor == 1);
        let (unit, factor) = binary.copied().find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor)).unwrap_or(("B", 1));
        write!(f, "{}{unit}", self.0 / factor)
    }
}

impl Setting for Size {
    fn read(value: &Value) -> Result<Self, String> {
        let size = match value {
            Value::String(text) => Self::parse(text.value().trim()),
            other => other.as_integer().and_then(|bytes| u64::try_from(bytes).ok()).map(Self),
        };
        size.ok_or_else(|| unexpected("a size such as \"16KiB\" or a number of bytes", value))
    }

    fn write(&self) -> Value {
        Value::from(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_reads_as_it_is_written() {
        for (text, bytes) in [("16KiB", 16 * 1024), ("1 MiB", 1 << 20), ("2GB", 2_000_000_000), ("7B", 7), ("0b", 0)] {
            assert_eq!(Size::parse(text).map(Size::bytes), Some(bytes), "{text}");
        }
        for size in [Size(0), Size(1), Size(1023), Size::kib(16), Size(u64::MAX)] {
            assert_eq!(Size::parse(&size.to_string()), Some(size));
        }
        for wrong in ["", "16", "KiB", "-1KiB", "1.5MiB", "1QiB", "99999999999GiB"] {
            assert_eq!(Size::parse(wrong), None, "{wrong}");
        }
    }
}
