//! A QR code as one path of an `svg`, without script and without style.

use std::fmt;
use std::fmt::Write;

use askama::filters::HtmlSafe;
use fast_qr::{ECL, QRBuilder};
use serde::Serialize;

/// The light frame that a reader needs around the code, in modules (ISO/IEC 18004).
const QUIET: usize = 4;
/// Longest text, in bytes; a denser code is not read from a screen any more.
const MAX_TEXT: usize = 500;

/// The QR code of a link; as text it is an `svg`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Qr {
    /// Modules of a side, the frame included.
    size: usize,
    /// The dark modules, as the data of a `path`.
    path: String,
}

impl Qr {
    /// The code of `text`; `None` where that is longer than 500 bytes.
    pub fn of(text: &str) -> Option<Self> {
        let code = (text.len() <= MAX_TEXT).then(|| QRBuilder::new(text).ecl(ECL::M).build().ok())??;
        let mut path = String::new();
        for y in 0..code.size {
            let mut x = 0;
            while x < code.size {
                let run = code[y][x..].iter().take_while(|module| module.value()).count();
                if run > 0 {
                    let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
                }
                x += run.max(1);
            }
        }
        Some(Self { size: code.size + 2 * QUIET, path })
    }
}

impl HtmlSafe for Qr {}

impl fmt::Display for Qr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { size, path } = self;
        write!(
            f,
            r#"<svg class="qr" viewBox="0 0 {size} {size}" role="img" aria-label="QR code" shape-rendering="crispEdges"><path d="{path}"/></svg>"#
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_made_of_numbers_whatever_it_says() {
        let code = Qr::of("http://a\"><script>alert(1)</script>").unwrap();
        assert!(code.path.chars().all(|c| c.is_ascii_digit() || "Mhvz -".contains(c)), "{}", code.path);
        assert_eq!(code.to_string().matches('<').count(), 3);
    }

    #[test]
    fn what_is_too_long_to_be_read_has_none() {
        assert!(Qr::of(&"x".repeat(MAX_TEXT)).is_some());
        assert_eq!(Qr::of(&"x".repeat(MAX_TEXT + 1)), None);
    }
}
