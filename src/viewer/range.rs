//! A part of a file, for players that seek: one range (RFC 9110 §14). What asks for several, or is not understood, gets the whole
//! file. Only one's own files have it: between peers the protocol knows no parts.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::site_origin::etag;
use crate::http::{Problem, origin};
use crate::peer::site_root::{OpenFile, SiteError};

/// What a request asks for, in bytes.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Whole,
    Part { first: u64, last: u64 },
    Beyond,
}

/// An open file, or the part that is asked for, as an answer with its ETag; `make` adds the rest of the head to a body and its length.
pub(super) fn answer(file: OpenFile, request: &HeaderMap, make: impl FnOnce(u64, Body) -> Response) -> Result<Response, Problem> {
    let (size, tag) = (file.size, etag(&file));
    let mut response = match asked(request, &tag, size) {
        Asked::Whole => make(size, Body::from_stream(file.body.into_stream())),
        Asked::Part { first, last } => {
            let length = last - first + 1;
            let body = file.body.part(first, length).map_err(SiteError::Io)?;
            let mut part = make(length, Body::from_stream(body.into_stream()));
            *part.status_mut() = StatusCode::PARTIAL_CONTENT;
            said(&mut part, &format!("bytes {first}-{last}/{size}"));
            part
        }
        Asked::Beyond => {
            let mut beyond = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE, "range", format!("the file has {size} bytes")).into_response();
            said(&mut beyond, &format!("bytes */{size}"));
            beyond
        }
    };
    response.headers_mut().insert(header::ETAG, tag);
    response.headers_mut().insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Ok(response)
}

fn said(response: &mut Response, range: &str) {
    if let Ok(range) = HeaderValue::try_from(range) {
        response.headers_mut().insert(header::CONTENT_RANGE, range);
    }
}

fn asked(request: &HeaderMap, tag: &HeaderValue, size: u64) -> Asked {
    let other_version = request.get(header::IF_RANGE).is_some_and(|version| version != tag);
    let range = origin::only(request, &header::RANGE).filter(|_| !other_version);
    range.and_then(|range| parse(range, size)).unwrap_or(Asked::Whole)
}

/// `bytes=first-last`, `bytes=first-` or `bytes=-count`; `None` for anything else.
fn parse(range: &str, size: u64) -> Option<Asked> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = match (number(first)?, number(last)?) {
        (None, None) => return None,
        (None, Some(count)) => (size.saturating_sub(count), size.checked_sub(1)),
        (Some(first), None) => (first, size.checked_sub(1)),
        (Some(first), Some(last)) if first <= last => (first, size.checked_sub(1).map(|end| end.min(last))),
        (Some(_), Some(_)) => return None,
    };
    Some(match last {
        Some(last) if first <= last => Asked::Part { first, last },
        _ => Asked::Beyond,
    })
}

/// Digits, or nothing, which is `Some(None)`; a number that no file is as long as counts as the largest.
fn number(text: &str) -> Option<Option<u64>> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| (!text.is_empty()).then(|| text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_range_is_understood_and_everything_else_is_the_whole() {
        let part = |first, last| Some(Asked::Part { first, last });
        for (text, expected) in [
            ("bytes=0-3", part(0, 3)),
            ("bytes=4-", part(4, 9)),
            ("bytes=-4", part(6, 9)),
            ("bytes=-40", part(0, 9)),
            ("bytes=8-99999999999999999999", part(8, 9)),
            ("bytes=10-", Some(Asked::Beyond)),
            ("bytes=-0", Some(Asked::Beyond)),
            ("bytes=5-4", None),
            ("bytes=-99999999999999999999", part(0, 9)),
            ("bytes=0-1,3-4", None),
            ("bytes=+1-2", None),
            ("bytes=-", None),
            ("items=0-1", None),
            ("", None),
        ] {
            assert_eq!(parse(text, 10), expected, "{text}");
        }
        assert_eq!(parse("bytes=0-", 0), Some(Asked::Beyond));
    }

    proptest! {
        #[test]
        fn a_part_lies_within_the_file(range in "(bytes=)?[0-9]{0,21}-?[0-9]{0,21}.{0,3}", size in any::<u64>()) {
            if let Some(Asked::Part { first, last }) = parse(&range, size) {
                prop_assert!(first <= last && last < size);
            }
        }
    }
}
