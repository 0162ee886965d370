//! Signed envelopes: bytes that a peer has signed for one purpose, in libp2p's own form (libp2p specs, RFC 0002).
//!
//! The domain is part of what is signed, so nothing signed for one purpose can be shown as signed for another.

use libp2p::PeerId;
use libp2p::core::SignedEnvelope;
use libp2p::identity::{Keypair, SigningError};
use thiserror::Error;

/// Longest envelope that is looked at, in bytes.
pub const MAX_ENVELOPE: usize = 8 * 1024;

/// Why an envelope was not believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    /// Longer than [`MAX_ENVELOPE`].
    #[error("a signed envelope of {0} bytes, at most {MAX_ENVELOPE} are read")]
    TooLong(usize),
    /// Not an envelope, or one with a kind of key that we do not know.
    #[error("this is no signed envelope")]
    Malformed,
    /// Signed for something else, or not by the key in it.
    #[error("the signature does not hold")]
    BadSignature,
}

/// `payload` signed with `key` for `domain`.
///
/// # Errors
/// If the key cannot sign; an Ed25519 key always can.
pub fn seal(key: &Keypair, domain: &str, payload_type: &[u8], payload: Vec<u8>) -> Result<Vec<u8>, SigningError> {
    SignedEnvelope::new(key, domain.to_owned(), payload_type.to_vec(), payload).map(SignedEnvelope::into_protobuf_encoding)
}

/// Who signed an envelope of `domain` and `payload_type`, and what.
///
/// # Errors
/// See [`EnvelopeError`].
pub fn open(bytes: &[u8], domain: &str, payload_type: &[u8]) -> Result<(PeerId, Vec<u8>), EnvelopeError> {
    if bytes.len() > MAX_ENVELOPE {
        return Err(EnvelopeError::TooLong(bytes.len()));
    }
    let envelope = SignedEnvelope::from_protobuf_encoding(bytes).map_err(|_| EnvelopeError::Malformed)?;
    let opened = envelope.payload_and_signing_key(domain.to_owned(), payload_type);
    let (payload, signer) = opened.map_err(|_| EnvelopeError::BadSignature)?;
    Ok((signer.to_peer_id(), payload.to_vec()))
}

/// The fields of an envelope (RFC 0002); the signed domain is not among them.
#[derive(Clone, PartialEq, prost::Message)]
struct Fields {
    #[prost(bytes = "vec", tag = "3")]
    payload: Vec<u8>,
}

/// The payload of an envelope whose signature was judged before it was kept; nothing is verified here.
pub fn payload_of_own(bytes: &[u8]) -> Option<Vec<u8>> {
    prost::Message::decode(bytes).ok().map(|fields: Fields| fields.payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_for_one_purpose_counts_for_no_other() {
        let key = Keypair::generate_ed25519();
        let sealed = seal(&key, "goop-test/1", b"/a", b"hello".to_vec()).unwrap();
        assert_eq!(open(&sealed, "goop-test/1", b"/a"), Ok((key.public().to_peer_id(), b"hello".to_vec())));
        assert_eq!(payload_of_own(&sealed), Some(b"hello".to_vec()));
        assert_eq!(open(&sealed, "goop-test/2", b"/a"), Err(EnvelopeError::BadSignature));
        assert_eq!(open(&sealed, "goop-test/1", b"/b"), Err(EnvelopeError::BadSignature));
        assert_eq!(open(b"", "goop-test/1", b"/a"), Err(EnvelopeError::Malformed));
        assert_eq!(open(&[0; MAX_ENVELOPE + 1], "goop-test/1", b"/a"), Err(EnvelopeError::TooLong(MAX_ENVELOPE + 1)));
    }

    #[test]
    fn attack_no_changed_bit_passes() {
        let key = Keypair::generate_ed25519();
        let sealed = seal(&key, "goop-test/1", b"/a", b"hello".to_vec()).unwrap();
        let genuine = open(&sealed, "goop-test/1", b"/a");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(open(&changed, "goop-test/1", b"/a"), genuine, "bit {bit}");
        }
    }
}
