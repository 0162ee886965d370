//! The media type of a file, by its name alone (THREATS 28: bytes are never sniffed).

/// What a file of unknown type is called; browsers download it.
const UNKNOWN: &str = "application/octet-stream";

/// The media type for the extension of `name`; text is said to be UTF-8.
pub(super) fn media_type(name: &str) -> String {
    match mime_guess::from_path(name).first_raw() {
        // The name that RFC 9239 withdrew.
        Some("application/javascript") => "text/javascript; charset=utf-8".into(),
        Some(text) if text.starts_with("text/") => format!("{text}; charset=utf-8"),
        Some(other) => other.into(),
        None => UNKNOWN.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::media_type;

    #[test]
    fn the_extension_decides_and_text_is_utf8() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("UPPER.HTML", "text/html; charset=utf-8"),
            ("app.js", "text/javascript; charset=utf-8"),
            ("mod.mjs", "text/javascript; charset=utf-8"),
            ("data.json", "application/json"),
            ("pic.svg", "image/svg+xml"),
            ("a.wasm", "application/wasm"),
            ("noext", "application/octet-stream"),
            ("a.unknownext", "application/octet-stream"),
        ] {
            assert_eq!(media_type(name), expected, "{name}");
        }
    }
}
