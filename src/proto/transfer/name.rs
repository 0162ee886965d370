//! What a received file is called: the sender's name made safe for any disk, any list of files, and whoever looks at it (THREATS 39).
//!
//! No folders, control or invisible characters, nothing that turns text around (`photo<RLO>gpj.exe`), none of what shells and Windows take
//! for something else; no hidden file and no device. It never takes the place of another file: see [`numbered`].

use unicode_normalization::UnicodeNormalization;

use crate::proto::presence::label::{cut_bytes, is_blank, is_invisible};

/// Longest name, in bytes; room is left for a number and for what a file system adds.
pub const MAX_NAME: usize = 160;
/// Longest extension that survives a cut, in bytes.
const MAX_EXTENSION: usize = 16;
/// What a file is called whose name is of no use.
pub const UNNAMED: &str = "file";

/// Names that Windows takes for devices, whatever extension follows.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];
/// Devices that are numbered.
const NUMBERED_DEVICES: [&str; 2] = ["com", "lpt"];
/// Files that a desktop obeys by their name alone, and those that stand for something else when they are opened.
const OBEYED: [&str; 4] = ["desktop.ini", "autorun.inf", "thumbs.db", "folder.htt"];
const LAUNCHERS: [&str; 6] = ["desktop", "lnk", "url", "scf", "pif", "library-ms"];

/// A safe name for what its sender calls `raw`.
pub fn safe(raw: &str) -> String {
    let last = raw.rsplit(['/', '\\']).find(|part| !part.trim().is_empty()).unwrap_or_default();
    let visible: String = last.nfc().filter(|c| !c.is_control() && !is_invisible(*c)).map(plain).collect();
    let name = shortened(visible.trim_matches([' ', '.']));
    if is_blank(&name) || name.is_empty() {
        return UNNAMED.into();
    }
    if is_reserved(&name) { format!("_{name}") } else { name }
}

/// The same name with a number before its extension: `a.txt` is `a (2).txt`. Zero and one leave it as it is.
pub fn numbered(name: &str, number: u32) -> String {
    match (number, split(name)) {
        (0 | 1, _) => name.to_owned(),
        (_, (stem, extension)) => format!("{stem} ({number}){extension}"),
    }
}

/// Characters that some system takes for something else become `_`; blanks of all kinds become one kind.
fn plain(c: char) -> char {
    match c {
        '<' | '>' | ':' | '"' | '|' | '?' | '*' | '$' | '`' | '\'' | '&' | ';' | '%' => '_',
        c if c.is_whitespace() => ' ',
        c => c,
    }
}

fn shortened(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let (stem, extension) = split(name);
    let extension = if extension.len() > MAX_EXTENSION { "" } else { extension };
    let cut = cut_bytes(stem, MAX_NAME - extension.len()).trim_end_matches([' ', '.']);
    format!("{cut}{extension}")
}

/// The name and its extension, dot included.
fn split(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 => name.split_at(at),
        _ => (name, ""),
    }
}

fn is_reserved(name: &str) -> bool {
    let name = name.to_lowercase();
    let stem = name.split('.').next().unwrap_or(&name).trim_end();
    let is_numbered = |device: &str| stem.strip_prefix(device).is_some_and(is_one_digit);
    let extension = split(&name).1.trim_start_matches('.');
    DEVICES.contains(&stem)
        || NUMBERED_DEVICES.into_iter().any(is_numbered)
        || OBEYED.contains(&name.as_str())
        || LAUNCHERS.contains(&extension)
        || name.starts_with(['-', '~'])
}

/// Windows takes the three raised digits for digits too.
fn is_one_digit(text: &str) -> bool {
    let mut chars = text.chars();
    matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        for name in
            ["photo.jpg", "Grüße an Zoë.txt", "archive.tar.gz", "写真 2026.png", "no extension", "a (1).txt", "🎉.gif", "v1.2-final_3.pdf"]
        {
            assert_eq!(safe(name), name);
        }
    }

    #[test]
    fn attack_evil_names_become_harmless_ones() {
        for (raw, expected) in [
            ("../../etc/passwd", "passwd"),
            ("..\\..\\windows\\system32\\x.dll", "x.dll"),
            ("/etc/shadow", "shadow"),
            ("C:\\boot.ini", "boot.ini"),
            ("a/b/", "b"),
            ("..", "file"),
            (".", "file"),
            ("", "file"),
            ("/", "file"),
            ("   ", "file"),
            (".bashrc", "bashrc"),
            ("...hidden", "hidden"),
            ("evil.txt. . .", "evil.txt"),
            ("a\0b.txt", "ab.txt"),
            ("line\nbreak\r.txt", "linebreak.txt"),
            ("tab\there", "tabhere"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("\u{2066}x\u{2069}.txt", "x.txt"),
            ("zero\u{200b}width.txt", "zerowidth.txt"),
            ("file.txt:stream", "file.txt_stream"),
            ("a<b>c|d?e*f\"g.txt", "a_b_c_d_e_f_g.txt"),
            ("$(reboot).txt", "_(reboot).txt"),
            ("`id`;ls&.txt", "_id__ls_.txt"),
            ("CON", "_CON"),
            ("con.txt", "_con.txt"),
            ("Lpt1.tar.gz", "_Lpt1.tar.gz"),
            ("COM¹", "_COM¹"),
            ("nul .txt", "_nul .txt"),
            ("console.txt", "console.txt"),
            ("desktop.ini", "_desktop.ini"),
            ("AutoRun.inf", "_AutoRun.inf"),
            ("invoice.pdf.lnk", "_invoice.pdf.lnk"),
            ("Start.desktop", "_Start.desktop"),
            ("-rf", "_-rf"),
            ("~root", "_~root"),
            ("\u{2800}\u{2800}", "file"),
            ("\u{200d}", "file"),
            ("e\u{301}.txt", "é.txt"),
        ] {
            assert_eq!(safe(raw), expected, "{raw:?}");
        }
    }

    #[test]
    fn a_long_name_keeps_its_extension_and_its_characters_whole() {
        let long = safe(&format!("{}.jpeg", "ü".repeat(400)));
        assert!(long.len() <= MAX_NAME && long.ends_with("ü.jpeg"));
        let odd = safe(&format!("a.{}", "x".repeat(400)));
        assert!(odd.len() <= MAX_NAME);
    }

    #[test]
    fn a_number_stands_before_the_extension() {
        assert_eq!(numbered("a.txt", 1), "a.txt");
        assert_eq!(numbered("a.txt", 2), "a (2).txt");
        assert_eq!(numbered("a.tar.gz", 3), "a.tar (3).gz");
        assert_eq!(numbered("noext", 2), "noext (2)");
    }

    proptest! {
        #[test]
        fn every_safe_name_is_one_plain_component(raw in "\\PC*|[\0-\u{ff}]*|[./\\\\ ]{0,20}", number in 0..5000_u32) {
            let name = numbered(&safe(&raw), number);
            prop_assert!(!name.is_empty() && name.len() <= MAX_NAME + 16);
            prop_assert!(!name.contains(['/', '\\', ':', '\0']) && !name.contains(char::is_control));
            prop_assert!(!name.starts_with(['.', ' ', '-', '~']) && !name.ends_with(['.', ' ']));
            prop_assert!(!name.chars().any(is_invisible));
            prop_assert_eq!(std::path::Path::new(&name).components().count(), 1);
        }

        #[test]
        fn a_safe_name_is_safe_already(raw in "\\PC{0,60}") {
            let name = safe(&raw);
            prop_assert_eq!(safe(&name), name);
        }
    }
}
