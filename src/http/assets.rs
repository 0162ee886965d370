//! Files built into the program, with strong ETags; a browser asks again and mostly hears 304.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use axum::response::IntoResponse;
use sha2::{Digest, Sha256};

use super::{Problem, media};

const FILES: &[(&str, &[u8])] = &[
    ("goop.css", include_bytes!("../../assets/static/goop.css")),
    ("kit.js", include_bytes!("../../assets/static/kit.js")),
    ("live.js", include_bytes!("../../assets/static/live.js")),
    ("home.js", include_bytes!("../../assets/static/home.js")),
    ("peers.js", include_bytes!("../../assets/static/peers.js")),
    ("doctor.js", include_bytes!("../../assets/static/doctor.js")),
    ("chat.js", include_bytes!("../../assets/static/chat.js")),
    ("communities.js", include_bytes!("../../assets/static/communities.js")),
    ("settings.js", include_bytes!("../../assets/static/settings.js")),
    ("site.js", include_bytes!("../../assets/static/site.js")),
    ("edit.js", include_bytes!("../../assets/static/edit.js")),
    ("peer_site.js", include_bytes!("../../assets/static/peer_site.js")),
    ("files.js", include_bytes!("../../assets/static/files.js")),
    ("directory.js", include_bytes!("../../assets/static/directory.js")),
    ("handoff.js", include_bytes!("../../assets/static/handoff.js")),
    ("admin.js", include_bytes!("../../assets/static/admin.js")),
    ("join.js", include_bytes!("../../assets/static/join.js")),
    ("login.js", include_bytes!("../../assets/static/login.js")),
    ("renew.js", include_bytes!("../../assets/static/renew.js")),
    ("rendezvous.js", include_bytes!("../../assets/static/rendezvous.js")),
    ("goop.webmanifest", include_bytes!("../../assets/static/goop.webmanifest")),
    ("icon-192.png", include_bytes!("../../assets/static/icon-192.png")),
    ("icon-512.png", include_bytes!("../../assets/static/icon-512.png")),
    ("icon.svg", include_bytes!("../../assets/static/icon.svg")),
];

static TAGGED: LazyLock<HashMap<&str, (&[u8], HeaderValue)>> =
    LazyLock::new(|| FILES.iter().map(|(name, bytes)| (*name, (*bytes, etag(bytes)))).collect());

/// The built-in file of this name; 304 where the client has it already, 404 where there is none.
pub fn respond(name: &str, request: &HeaderMap) -> Response<Body> {
    let Some((bytes, tag)) = TAGGED.get(name) else {
        return Problem::not_found("there is no such file").into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media::by_extension(name).0)),
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    if has_already(request, tag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    (headers, *bytes).into_response()
}

/// Whether `If-None-Match` names this tag, or anything.
pub fn has_already(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let names = |list: &HeaderValue| {
        let list = list.to_str().unwrap_or_default();
        list.split(',').map(str::trim).any(|one| one == "*" || one.strip_prefix("W/").unwrap_or(one).as_bytes() == tag.as_bytes())
    };
    request.get_all(header::IF_NONE_MATCH).iter().any(names)
}

fn etag(bytes: &[u8]) -> HeaderValue {
    let digest = Sha256::digest(bytes);
    let mut tag = String::from("\"");
    for byte in &digest[..16] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// THREATS 21. One script parses markup: the server's own, which it keeps up to date.
    #[test]
    fn no_script_makes_markup_of_text() {
        let scripts = FILES.iter().filter(|(name, _)| name.ends_with(".js"));
        for (name, bytes) in scripts {
            let script = std::str::from_utf8(bytes).unwrap();
            for word in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "createContextualFragment", "document.write", "eval(", "new Function"]
            {
                assert!(!script.contains(word), "{name}: {word}");
            }
            assert!(*name == "renew.js" || !script.contains("DOMParser"), "{name}");
        }
    }

    /// Our own pages hold no script and no style, and load nothing from elsewhere; what stands on the origin of a peer's site has no
    /// files of its own to load.
    #[test]
    fn no_template_holds_a_script_a_style_or_another_s_address() {
        for file in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/templates")).unwrap() {
            let path = file.unwrap().path();
            let (name, text) = (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap());
            assert!(!text.contains("|safe") && !text.contains("| safe") && !text.contains("escape(\"none"), "{name}");
            if name.starts_with("site_") {
                continue;
            }
            for wrong in ["<style", " style=", "javascript:", " onclick=", " onload=", "src=\"http", "href=\"http", "<script>"] {
                assert!(!text.contains(wrong), "{name}: {wrong}");
            }
        }
    }

    /// What browsers ask of an app that can be installed: https://www.w3.org/TR/appmanifest/, and a bitmap of 192 and of 512 pixels.
    #[test]
    fn the_manifest_names_files_that_are_there_and_as_large_as_it_says() {
        let manifest: serde_json::Value = serde_json::from_slice(TAGGED["goop.webmanifest"].0).unwrap();
        assert_eq!((&manifest["start_url"], &manifest["scope"], &manifest["display"]), (&"/".into(), &"/".into(), &"standalone".into()));
        let mut sizes = Vec::new();
        for icon in manifest["icons"].as_array().unwrap() {
            let (bytes, _) = TAGGED[icon["src"].as_str().unwrap().strip_prefix("/static/").unwrap()];
            if icon["type"] == "image/png" {
                let side = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
                assert_eq!(icon["sizes"], format!("{}x{}", side(16), side(20)));
                sizes.push(side(16));
            }
        }
        assert_eq!(sizes, [192, 512]);
    }

    #[test]
    fn a_file_that_the_client_has_is_not_sent_again() {
        let first = respond("goop.css", &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let again = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(respond("goop.css", &again).status(), StatusCode::NOT_MODIFIED);
        let other = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static("\"other\""))]);
        assert_eq!(respond("goop.css", &other).status(), StatusCode::OK);
    }
}
