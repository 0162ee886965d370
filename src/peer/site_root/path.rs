//! How the path of a request becomes names beneath the root, and which names are never content.
//!
//! Paths are read as goop2 reads them: raw text, empty components and `.` vanish, `..` takes the last one away. What climbs above
//! the root is refused: `not found` for `/../x`, `forbidden` for `../x`, the words that goop2 uses.

use super::SiteError;

/// Longest path, in bytes.
pub const MAX_PATH: usize = 4096;
/// Most components of a path.
pub const MAX_COMPONENTS: usize = 64;

/// The top folder that goop2 keeps scripts in.
const SCRIPTS: &str = "lua";
/// Files of goop, goop2 and the desktop that end up in a root that was set too high.
const PRIVATE_NAMES: [&str; 9] =
    ["goop.json", "goop.toml", "goop.db", "data.db", "run.json", "id_rsa", "id_ed25519", "desktop.ini", "thumbs.db"];
/// Keys, what SQLite keeps beside a database, and the copies that editors leave.
const PRIVATE_ENDINGS: [&str; 8] = [".key", ".pem", ".pfx", ".p12", ".db-wal", ".db-shm", ".db-journal", "~"];

/// A path of normal components, none of them private; it names something beneath the root, or the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SitePath {
    relative: String,
    is_folder: bool,
}

impl SitePath {
    /// Read `raw`.
    ///
    /// `NotFound` for what no file of a site can be called: too long, control characters, `\`, `:` (drives and streams of
    /// Windows). `Forbidden` for private names.
    pub fn parse(raw: &str) -> Result<Self, SiteError> {
        if raw.len() > MAX_PATH || raw.contains(|c: char| c.is_control() || c == '\\' || c == ':') {
            return Err(SiteError::NotFound);
        }
        let components = normal_components(raw)?;
        if components.iter().any(|name| is_private(name)) || components.first().is_some_and(|top| folded(top) == SCRIPTS) {
            return Err(SiteError::Forbidden);
        }
        let is_folder = matches!(raw.rsplit('/').next(), None | Some("" | "." | ".."));
        Ok(Self { relative: components.join("/"), is_folder })
    }

    /// The components joined by `/`; empty for the root.
    pub fn relative(&self) -> &str {
        &self.relative
    }

    /// Whether the text ended in a slash (or `.`, `..`), so that only a folder can be meant.
    pub fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The folder, `.` for the root, and the name in it; `None` where a folder is meant.
    pub(super) fn parent_and_name(&self) -> Option<(&str, &str)> {
        if self.is_folder {
            return None;
        }
        Some(self.relative.rsplit_once('/').unwrap_or((".", &self.relative)))
    }
}

fn normal_components(raw: &str) -> Result<Vec<&str>, SiteError> {
    let climbed = || if raw.starts_with('/') { SiteError::NotFound } else { SiteError::Forbidden };
    let mut components = Vec::new();
    for part in raw.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = components.pop().ok_or_else(climbed)?,
            _ if components.len() >= MAX_COMPONENTS => return Err(SiteError::NotFound),
            name => components.push(name),
        }
    }
    Ok(components)
}

/// Whether a file or folder of this name is never content (THREATS 41).
pub(super) fn is_private(name: &str) -> bool {
    let name = folded(name);
    name.is_empty()
        || name.starts_with('.')
        || PRIVATE_NAMES.contains(&name.as_str())
        || PRIVATE_ENDINGS.iter().any(|ending| name.ends_with(ending))
        || is_short_name(&name)
}

/// The name as the most forgiving file system compares it: letter case, trailing dots and spaces (Windows) and invisible characters
/// (HFS+) make no difference there.
fn folded(name: &str) -> String {
    let invisible = |c: char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    let visible: String = name.chars().filter(|c| !invisible(*c)).collect();
    visible.trim_end_matches(['.', ' ']).to_lowercase()
}

/// Whether Windows could take the name for the short form of another one: `GOOP~1.JSO` is `goop.json`.
fn is_short_name(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name);
    let after_tilde = stem.rsplit_once('~').map_or("", |(_, number)| number);
    stem.len() <= 8 && !after_tilde.is_empty() && after_tilde.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn relative(raw: &str) -> String {
        SitePath::parse(raw).unwrap().relative
    }

    #[test]
    fn a_path_is_cleaned_as_goop2_cleans_it() {
        for (raw, clean) in [("/", ""), ("", ""), ("//sub//page.html", "sub/page.html"), ("/sub/../index.html", "index.html")] {
            assert_eq!(relative(raw), clean);
        }
        assert_eq!(relative("./a b.html"), "a b.html");
        assert_eq!(relative("lua/../x"), "x");
        assert!(SitePath::parse("/dir/").unwrap().is_folder());
        assert!(!SitePath::parse("/dir").unwrap().is_folder());
    }

    #[test]
    fn a_path_above_the_root_is_refused_in_goop2s_words() {
        for raw in ["/..", "/../x", "/sub/../../x", "//../x", "/./../x"] {
            assert!(matches!(SitePath::parse(raw), Err(SiteError::NotFound)), "{raw}");
        }
        for raw in ["..", "../x", "sub/../../x", "../site/index.html"] {
            assert!(matches!(SitePath::parse(raw), Err(SiteError::Forbidden)), "{raw}");
        }
    }

    #[test]
    fn names_that_a_forgiving_file_system_takes_for_private_ones_are_private_too() {
        let private =
            [".env", "LUA/x", "lua./x", "lua /x", "l\u{200d}ua/x", "GOOP~1.JSO", "Goop.Json", "a/.git/config", "data/identity.KEY"];
        for raw in private {
            assert!(matches!(SitePath::parse(raw), Err(SiteError::Forbidden)), "{raw}");
        }
        for raw in ["luax.txt", "games/lua/intro.html", "keyboard.html", "a~b.html", "\u{1f469}\u{200d}\u{1f4bb}.png"] {
            assert!(SitePath::parse(raw).is_ok(), "{raw}");
        }
    }

    #[test]
    fn long_and_deep_paths_are_not_found() {
        assert!(SitePath::parse(&"a/".repeat(MAX_COMPONENTS)).is_ok());
        assert!(matches!(SitePath::parse(&"a/".repeat(MAX_COMPONENTS + 1)), Err(SiteError::NotFound)));
        assert!(matches!(SitePath::parse(&"a".repeat(MAX_PATH + 1)), Err(SiteError::NotFound)));
    }

    proptest! {
        #[test]
        fn what_is_parsed_holds_only_normal_public_components(raw in "([a-zA-Z.~:\\\\ \u{200d}\u{e9}\0]{0,6}/?){0,12}") {
            if let Ok(path) = SitePath::parse(&raw) {
                prop_assert!(!path.relative().starts_with('/'));
                for name in path.relative().split('/').filter(|name| !name.is_empty()) {
                    prop_assert!(name != ".." && !name.starts_with('.') && !name.contains(['\\', ':', '\0']));
                }
                let again = SitePath::parse(path.relative()).unwrap();
                prop_assert_eq!(again.relative(), path.relative());
            }
        }
    }
}
