//! The example file: every key with its documentation and default, commented out, so that nothing in it is explicit.

use std::fmt::Write;

use super::Config;
use super::section::KeyDoc;

const HEAD: &str = "\
# Settings of goop. Every key is optional; a line that begins with # is what holds without it.
# Save it as goop.toml in the data folder, or name it with --config. See what holds with: goop config show
# Each key can also be set with --set section.key=value, or in the environment as GOOP_SECTION__KEY.
";

/// What `goop config example` prints.
pub fn text() -> String {
    let mut text = HEAD.to_owned();
    let mut section = "";
    for key in Config::keys() {
        if key.section != section {
            section = key.section;
            text += &format!("\n[{section}]\n");
        }
        text += &entry(&key);
    }
    text
}

fn entry(key: &KeyDoc) -> String {
    let mut text = String::from("\n");
    for line in key.doc {
        let _ = writeln!(text, "# {}", line.trim());
    }
    if let Some((least, most)) = &key.range {
        let _ = writeln!(text, "# From {least} to {most}.");
    }
    let _ = writeln!(text, "#{} = {}", key.name, key.default);
    text
}
