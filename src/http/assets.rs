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
    ("viewer.css", include_bytes!("../../assets/static/viewer.css")),
    ("viewer.js", include_bytes!("../../assets/static/viewer.js")),
    ("rendezvous.js", include_bytes!("../../assets/static/rendezvous.js")),
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
    use super::*;

    #[test]
    fn a_file_that_the_client_has_is_not_sent_again() {
        let first = respond("viewer.css", &HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        let again = HeaderMap::from_iter([(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone())]);
        assert_eq!(respond("viewer.css", &again).status(), StatusCode::NOT_MODIFIED);
        let other = HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static("\"other\""))]);
        assert_eq!(respond("viewer.css", &other).status(), StatusCode::OK);
    }
}
