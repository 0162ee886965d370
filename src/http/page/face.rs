//! The face of a peer: drawn from its id, so that it is the same on every page of every server, and nothing has to be asked for it.
//! `assets/static/kit.js` draws the same one; the parts stand in `assets/templates/faces.html`.

use std::fmt;

use askama::filters::HtmlSafe;

/// How many of each part there are, and at which bit of the hash each is chosen: hues, bodies, eyes, mouths.
const PARTS: [(u32, u32); 4] = [(10, 0), (6, 8), (5, 16), (4, 24)];

/// A face; as text it is an `svg` that uses the page's parts, hidden from screen readers, since the name stands beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Face([u32; 4]);

impl Face {
    /// The face of the peer with this id, or of anything else that has a name.
    pub fn of(id: &str) -> Self {
        let hash = fnv1a(id.as_bytes());
        Self(PARTS.map(|(many, at)| (hash >> at) % many))
    }
}

impl HtmlSafe for Face {}

impl fmt::Display for Face {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [hue, body, eyes, mouth] = self.0;
        write!(f, r##"<svg class="face h{hue}" viewBox="0 0 32 32" aria-hidden="true">"##)?;
        write!(f, r##"<use href="#b{body}"></use><use href="#e{eyes}"></use><use href="#m{mouth}"></use></svg>"##)
    }
}

/// FNV-1a of 32 bits: short enough to stand in the script too.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!((fnv1a(b""), fnv1a(b"a"), fnv1a(b"foobar")), (0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968));
    }

    #[test]
    fn every_part_that_is_used_is_drawn_and_faces_differ() {
        let parts = include_str!("../../../assets/templates/faces.html");
        for (letter, (many, _)) in ["b", "e", "m"].iter().zip(&PARTS[1..]) {
            assert!((0..*many).all(|n| parts.contains(&format!("id=\"{letter}{n}\""))), "{letter}");
            assert!(!parts.contains(&format!("id=\"{letter}{many}\"")), "{letter}");
        }
        let faces: HashSet<_> = (0..100).map(|n| Face::of(&format!("peer {n}")).to_string()).collect();
        assert!(faces.len() > 80, "{}", faces.len());
    }
}
