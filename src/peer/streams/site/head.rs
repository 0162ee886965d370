//! The request line and the answer line, as values.

use super::super::{MAX_LINE, StreamError};

/// Longest media type or refusal that is kept, in bytes.
pub(super) const MAX_WORD: usize = 255;

/// The four refusals that goop2 knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    BadRequest,
    SiteDisabled,
    Forbidden,
    NotFound,
}

impl Refusal {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::BadRequest => "bad request",
            Self::SiteDisabled => "site disabled",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not found",
        }
    }

    pub(super) fn line(self) -> String {
        format!("ERR {}\n", self.word())
    }
}

/// The path of a request line; `None` for a bad request. The whole line is trimmed first, as goop2 does.
pub(super) fn requested_path(line: &[u8]) -> Option<&str> {
    let line = str::from_utf8(line).ok()?.trim();
    line.strip_prefix("GET ").map(str::trim)
}

/// The request for `path`, which starts with a slash on the wire whether it does here or not.
pub(super) fn request_line(path: &str) -> Result<String, StreamError> {
    if path.contains(char::is_control) {
        return Err(StreamError::Malformed("the path holds a control character".into()));
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    let line = format!("GET {slash}{path}\n");
    if line.len() > MAX_LINE { Err(StreamError::TooLong { limit: MAX_LINE }) } else { Ok(line) }
}

pub(super) fn ok_line(mime: &str, size: u64) -> String {
    format!("OK {mime} {size}\n")
}

/// The head of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    Ok { mime: &'a str, size: u64 },
    Refused(&'a str),
}

/// Read an answer line. The media type may hold spaces, so the size stands after the last one.
pub(super) fn answer(line: &str) -> Result<Answer<'_>, StreamError> {
    let line = line.trim_end();
    if let Some(word) = line.strip_prefix("ERR ") {
        return Ok(Answer::Refused(word.trim()));
    }
    if line.starts_with("EOK ") {
        return Err(StreamError::Malformed("the answer is encrypted, which was not asked for".into()));
    }
    let sized = line.strip_prefix("OK ").and_then(|rest| rest.rsplit_once(' ').or(Some(("", rest))));
    let size = sized.and_then(|(mime, size)| Some((mime.trim(), decimal(size)?)));
    let (mime, size) = size.ok_or_else(|| StreamError::Malformed("the answer is neither OK with a type and a size, nor ERR".into()))?;
    Ok(Answer::Ok { mime, size })
}

/// Digits only: no sign, no space.
fn decimal(text: &str) -> Option<u64> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_is_get_a_space_and_a_path() {
        for (line, path) in [("GET /", "/"), ("  GET   /a b.html  \r", "/a b.html"), ("GET index.html", "index.html")] {
            assert_eq!(requested_path(line.as_bytes()), Some(path));
        }
        for line in ["", "GET", "GET ", "get /", "POST /", "ENC:AAAA", "GET\t/"] {
            assert_eq!(requested_path(line.as_bytes()), None, "{line}");
        }
        assert_eq!(requested_path(b"GET /\xff"), None);
    }

    #[test]
    fn the_size_stands_after_the_last_space() {
        assert_eq!(answer("OK text/html; charset=utf-8 43").unwrap(), Answer::Ok { mime: "text/html; charset=utf-8", size: 43 });
        assert_eq!(answer("OK  3").unwrap(), Answer::Ok { mime: "", size: 3 });
        assert_eq!(answer("ERR not found").unwrap(), Answer::Refused("not found"));
    }

    #[test]
    fn a_size_that_is_no_size_is_refused() {
        for line in
            ["OK text/plain -1", "OK text/plain +1", "OK text/plain", "OK a 18446744073709551616", "OK ", "OK", "HELLO", "", "EOK a 3"]
        {
            assert!(matches!(answer(line), Err(StreamError::Malformed(_))), "{line}");
        }
    }

    #[test]
    fn a_path_cannot_carry_a_second_request() {
        for path in ["/a\nGET /b", "/a\rb", "/\0"] {
            assert!(request_line(path).is_err(), "{path:?}");
        }
        assert_eq!(request_line("").unwrap(), "GET /\n");
        assert_eq!(request_line("a b.html").unwrap(), "GET /a b.html\n");
    }

    proptest! {
        #[test]
        fn heads_come_back_as_they_were(mime in "[a-z]{1,8}/[a-z]{1,8}(; charset=[a-z0-9-]{1,8})?", size in any::<u64>()) {
            let line = ok_line(&mime, size);
            prop_assert_eq!(answer(line.trim_end()).unwrap(), Answer::Ok { mime: &mime, size });
        }

        #[test]
        fn requests_come_back_as_they_were(path in "/[^\\p{C}]{0,40}") {
            let line = request_line(&path).unwrap();
            prop_assert_eq!(requested_path(line.as_bytes()), Some(path.trim()));
        }

        #[test]
        fn no_line_makes_it_panic(line in "(OK |ERR |EOK )?.{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = answer(&line);
            let _ = requested_path(&bytes);
        }
    }
}
