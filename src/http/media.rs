//! Media types by our own table: what another peer says its bytes are is never repeated to a browser (THREATS 28).

/// The type of a file by its extension, and whether a browser may show it; anything unknown is a download.
///
/// SVG may be shown only where scripts in it reach nothing but its own site: on a peer's own origin.
pub fn by_extension(path: &str) -> (&'static str, bool) {
    let name = path.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    match type_of(&extension) {
        Some(mime) => (mime, true),
        None => (DOWNLOAD, false),
    }
}

/// What an unknown file is.
pub const DOWNLOAD: &str = "application/octet-stream";

fn type_of(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "json" | "map" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" | "md" | "log" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "xml" => "application/xml",
        "pdf" => "application/pdf",
        "wasm" => "application/wasm",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "ico" => "image/x-icon",
        "svg" => "image/svg+xml",
        "mp3" => "audio/mpeg",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "m4a" => "audio/mp4",
        "mp4" | "m4v" => "video/mp4",
        "webm" => "video/webm",
        "woff" => "font/woff",
        "woff2" => "font/woff2",
        "ttf" => "font/ttf",
        "otf" => "font/otf",
        _ => return None,
    })
}

/// The type of a bitmap by its first bytes; `None` for anything else, SVG above all, which may carry scripts.
pub fn bitmap(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unknown_is_a_download() {
        for path in ["/a", "/a.exe", "/.html/x", "/a.html.gz", "/a.xhtml", "/", "/a.sh", "/a.hta"] {
            assert_eq!(by_extension(path), (DOWNLOAD, false), "{path}");
        }
        assert_eq!(by_extension("/Index.HTML"), ("text/html; charset=utf-8", true));
    }

    #[test]
    fn only_four_kinds_of_bitmap_pass() {
        assert_eq!(bitmap(b"\x89PNG\r\n\x1a\n rest"), Some("image/png"));
        assert_eq!(bitmap(b"\xff\xd8\xff\xe0"), Some("image/jpeg"));
        assert_eq!(bitmap(b"GIF89a"), Some("image/gif"));
        assert_eq!(bitmap(b"RIFF\x01\x02\x03\x04WEBPVP8 "), Some("image/webp"));
        for not in [&b"<svg onload=alert(1)>"[..], b"", b"GIF", b"RIFF1234WAVE", b"\x89PNG", b"<!doctype html>", b"%PDF-"] {
            assert_eq!(bitmap(not), None, "{not:?}");
        }
    }
}
