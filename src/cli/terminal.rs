//! Foreign text on a terminal: what would move the cursor, reorder or hide is shown as an escape (THREATS 20).

use std::io::{self, IsTerminal, Write, stdout};

use crate::proto::presence::label::is_invisible;

/// `text` with every control, bidirectional and invisible character as `\u{…}`; line ends stay.
pub(super) fn escaped(text: &str) -> String {
    let escape = |c: char| if is_raw(c) { c.escape_unicode().to_string() } else { c.to_string() };
    text.chars().map(escape).collect()
}

/// JSON that means the same, with those characters as `\uXXXX`: outside its strings there are none.
fn escaped_json(json: &str) -> String {
    let units = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
    json.chars().map(|c| if is_raw(c) { units(c) } else { c.to_string() }).collect()
}

/// Writes JSON as a line: as it is for programs, and on a terminal so that it cannot drive that.
pub(super) fn write_json(out: &mut dyn Write, json: &str) -> io::Result<()> {
    if stdout().is_terminal() { writeln!(out, "{}", escaped_json(json)) } else { writeln!(out, "{json}") }
}

fn is_raw(c: char) -> bool {
    (c.is_control() && c != '\n') || is_invisible(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_refusal_cannot_drive_the_terminal() {
        assert_eq!(escaped("no\x1b[2J\u{202e}gpj\n"), "no\\u{1b}[2J\\u{202e}gpj\n");
        assert_eq!(escaped("\u{9b}31m Grüße 👋"), "\\u{9b}31m Grüße 👋");
    }

    proptest! {
        #[test]
        fn escaped_json_means_the_same(text in "\\PC*|[\0-\u{ff}\u{202a}-\u{202e}\u{e0000}-\u{e0fff}]*") {
            let shown = escaped_json(&serde_json::to_string(&text).unwrap());
            prop_assert!(!shown.contains(is_raw));
            prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
        }
    }
}
