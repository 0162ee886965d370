//! What a listing is called for ever.

use std::fmt;

use libp2p::PeerId;
use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// The digits, as in RFC 4648 §6, in lower case.
const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
/// Digits of 16 bytes.
const DIGITS: usize = 26;

/// The random bytes that an owner chose once for a community.
pub type CommunityKey = [u8; 16];

/// The public id of a listing: the first 16 bytes of SHA-256(origin ‖ community), so that no origin can take another's and a new name
/// keeps it (CONTRACT). As text: 26 lower-case base32 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListingId([u8; 16]);

impl ListingId {
    /// The id of this origin's community.
    pub fn of(origin: &PeerId, community: &CommunityKey) -> Self {
        let digest: [u8; 32] = Sha256::new().chain_update(origin.to_bytes()).chain_update(community).finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        Self(id)
    }

    /// The id in these bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the text of an id; only the one text that is written.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bits = 0_u128;
        if text.len() != DIGITS {
            return None;
        }
        let (last, first) = text.as_bytes().split_last()?;
        for digit in first {
            bits = bits << 5 | u128::from(value(*digit)?);
        }
        let last = value(*last)?;
        // 26 digits are 130 bits; the last two must be zero.
        (last & 3 == 0).then(|| Self((bits << 3 | u128::from(last >> 2)).to_be_bytes()))
    }
}

fn value(digit: u8) -> Option<u8> {
    BASE32.iter().position(|one| *one == digit).and_then(|at| u8::try_from(at).ok())
}

impl fmt::Display for ListingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        let digit = |at: usize| {
            let shift = 123_i32 - 5 * at as i32;
            let value = if shift >= 0 { bits >> shift } else { bits << -shift };
            char::from(BASE32[(value & 31) as usize])
        };
        (0..DIGITS).try_for_each(|at| write!(f, "{}", digit(at)))
    }
}

impl Serialize for ListingId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_id_is_base32_as_rfc_4648_writes_it() {
        assert_eq!(ListingId(*b"foobarfoobarfoob").to_string(), "mzxw6ytbojtg633cmfzgm33pmi");
        assert_eq!(ListingId([0; 16]).to_string(), "a".repeat(26));
        assert_eq!(ListingId([255; 16]).to_string(), "7".repeat(25) + "4");
    }

    #[test]
    fn another_text_for_the_same_bytes_is_no_id() {
        assert_eq!(ListingId::parse(&("7".repeat(25) + "7")), None);
        assert_eq!(ListingId::parse(&"A".repeat(26)), None);
        assert_eq!(ListingId::parse(&"a".repeat(27)), None);
    }

    proptest! {
        #[test]
        fn an_id_goes_there_and_back(bytes: [u8; 16], text in ".{0,40}") {
            prop_assert_eq!(ListingId::parse(&ListingId(bytes).to_string()), Some(ListingId(bytes)));
            if let Some(id) = ListingId::parse(&text) {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
