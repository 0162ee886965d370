//! The bytes of an identity key: libp2p's protobuf `PrivateKey`, as goop2 writes it.
//!
//! ```text
//! 08 01    key type 1: Ed25519
//! 12 40    64 bytes of data: 32 of seed, 32 of public key
//! ```
//!
//! A legacy form has 96 bytes of data, the public key twice. Nothing else is taken: the two halves must belong together, so that
//! no single flipped bit goes unseen.

use libp2p::identity::{Keypair, ed25519};
use thiserror::Error;

use super::bases;

const HEADER: [u8; 4] = [0x08, 0x01, 0x12, 64];
const LEGACY_HEADER: [u8; 4] = [0x08, 0x01, 0x12, 96];

/// What is wrong with the bytes of a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyFault {
    /// There are no bytes.
    #[error("it is empty")]
    Empty,
    /// It is a key of another kind than Ed25519.
    #[error("it is a key of another kind (type {0}); only Ed25519 (type 1) will do")]
    OtherKind(u8),
    /// It does not begin as a key does, or its length is wrong.
    #[error("it has {0} bytes that are no Ed25519 private key; a whole one has 68 (or 100, of old)")]
    Malformed(usize),
    /// The public half is not that of the private half.
    #[error("its private and public halves do not belong together, so it is damaged")]
    Mismatch,
    /// It is not base64.
    #[error("it is not base64")]
    NotBase64,
}

/// Read the bytes of a key.
pub(super) fn decode(bytes: &[u8]) -> Result<Keypair, KeyFault> {
    let (header, data) =
        bytes.split_at_checked(4).ok_or(if bytes.is_empty() { KeyFault::Empty } else { KeyFault::Malformed(bytes.len()) })?;
    let data = match (header, data.len()) {
        (header, 64) if header == HEADER => data,
        (header, 96) if header == LEGACY_HEADER => legacy(data)?,
        ([0x08, kind, ..], _) if *kind != 1 => return Err(KeyFault::OtherKind(*kind)),
        _ => return Err(KeyFault::Malformed(bytes.len())),
    };
    let pair = ed25519::Keypair::try_from_bytes(&mut data.to_vec()).map_err(|_| KeyFault::Mismatch)?;
    Ok(pair.into())
}

fn legacy(data: &[u8]) -> Result<&[u8], KeyFault> {
    let (pair, again) = data.split_at(64);
    if pair.ends_with(again) { Ok(pair) } else { Err(KeyFault::Mismatch) }
}

/// A new key and its bytes.
pub(super) fn generate() -> (Keypair, Vec<u8>) {
    let pair = ed25519::Keypair::generate();
    let bytes = [HEADER.as_slice(), &pair.to_bytes()].concat();
    (pair.into(), bytes)
}

/// Read the base64 of the bytes of a key, padded or not.
pub(super) fn from_base64(text: &str) -> Result<Keypair, KeyFault> {
    let digits: String = text.chars().filter(|character| !character.is_ascii_whitespace()).collect();
    let bytes = bases::decode_bits(digits.trim_end_matches('='), bases::BASE64, 6).ok_or(KeyFault::NotBase64)?;
    decode(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the seed 00, 01 … 1f.
    fn sample() -> Vec<u8> {
        let pair = ed25519::Keypair::from(ed25519::SecretKey::try_from_bytes(&mut (0..32).collect::<Vec<u8>>()).unwrap());
        [HEADER.as_slice(), &pair.to_bytes()].concat()
    }

    #[test]
    fn the_bytes_are_those_of_libp2p() {
        let (pair, bytes) = generate();
        assert_eq!(bytes.len(), 68);
        assert_eq!(pair.to_protobuf_encoding().unwrap(), bytes);
        assert_eq!(decode(&bytes).unwrap().public(), pair.public());
    }

    #[test]
    fn the_legacy_form_is_read() {
        let whole = sample();
        let legacy = [&LEGACY_HEADER[..], &whole[4..], &whole[36..]].concat();
        assert_eq!(decode(&legacy).unwrap().public(), decode(&whole).unwrap().public());
        for bit in 0..legacy.len() * 8 {
            let mut flipped = legacy.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn no_truncation_and_no_flipped_bit_is_a_key() {
        let whole = sample();
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_err(), "{length} bytes");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(&flipped).is_err(), "bit {bit}");
        }
        assert!(decode(&[whole, vec![0]].concat()).is_err(), "a byte too many");
    }

    #[test]
    fn another_kind_of_key_is_called_so() {
        let secp256k1 = [0x08, 0x02, 0x12, 0x20].iter().copied().chain([7; 32]).collect::<Vec<u8>>();
        assert_eq!(decode(&secp256k1).unwrap_err(), KeyFault::OtherKind(2));
    }

    #[test]
    fn base64_with_and_without_padding_is_the_same_key() {
        let text = "CAESQAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4fA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg";
        let pair = from_base64(text).unwrap();
        assert_eq!(pair.public(), decode(&sample()).unwrap().public());
        assert_eq!(from_base64(&format!("{}\n{}=", &text[..64], &text[64..])).unwrap().public(), pair.public());
        assert_eq!(from_base64("*").unwrap_err(), KeyFault::NotBase64);
    }
}
