//! Notices requests that declare their length twice, by `Content-Length` and by `Transfer-Encoding`: the two ends of a proxy could
//! disagree about where such a request ends, and so about who asked for what comes after it (THREATS 19).
//!
//! hyper lets `Transfer-Encoding` win and drops the other line before anybody sees it (RFC 9112 §6.3). So the lines that begin with
//! `content-length` are counted as they arrive, and those that a request still has are taken off. Where more came than were seen, a
//! chunked request is refused: rightly, or because the client sent the next request before this one was answered, or a body that looks
//! like a head; no honest proxy does that with chunked requests.

/// What the lines begin with that are counted.
const NAME: &[u8] = b"content-length";

/// The lines of one connection.
#[derive(Debug)]
pub(super) struct LengthLines {
    /// How much of [`NAME`] the present line begins with; `None` once it begins with something else.
    matched: Option<usize>,
}

impl LengthLines {
    /// Before the first byte.
    pub(super) fn new() -> Self {
        Self { matched: Some(0) }
    }

    /// How many lines that declare a length became known as such with these bytes.
    pub(super) fn count(&mut self, bytes: &[u8]) -> usize {
        bytes.split_inclusive(|byte| *byte == b'\n').filter(|piece| self.declares(piece)).count()
    }

    /// Whether the present line begins with [`NAME`] as of this piece of it, which ends with the line or with what has come.
    fn declares(&mut self, piece: &[u8]) -> bool {
        let matched = self.matched.map(|matched| matched + same(piece, &NAME[matched..]));
        let whole = matched == Some(NAME.len());
        let goes_on = matched.filter(|matched| !whole && matched - self.matched.unwrap_or(0) == piece.len());
        self.matched = if piece.ends_with(b"\n") { Some(0) } else { goes_on };
        whole
    }
}

/// How many bytes `text` has in common with the beginning of `name`, in any letter case.
fn same(text: &[u8], name: &[u8]) -> usize {
    text.iter().zip(name).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "POST / HTTP/1.1\r\nContent-Length: 1\r\nX: content-length\r\nCONTENT-LENGTH: 1\n\r\ncontent-length";

    proptest! {
        #[test]
        fn every_line_counts_once_however_the_bytes_are_cut(mut cuts in prop::collection::vec(0..=HEAD.len(), 0..12)) {
            cuts.extend([0, HEAD.len()]);
            cuts.sort_unstable();
            let mut lines = LengthLines::new();
            let counted: usize = cuts.windows(2).map(|cut| lines.count(&HEAD.as_bytes()[cut[0]..cut[1]])).sum();
            prop_assert_eq!(counted, 3);
        }
    }
}
