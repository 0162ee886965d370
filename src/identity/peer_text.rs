//! Peer ids as text: base58 as goop2 writes them, and CIDv1, whose base36 form is lower case and fits into a host name.

use libp2p::PeerId;
use thiserror::Error;

use super::bases::{BASE32, BASE36, BASE58, decode_bits, decode_number, encode_number};

/// CID version 1, content type `libp2p-key`.
const CID_PREFIX: [u8; 2] = [0x01, 0x72];
/// Longest text of a peer id that is looked at, in bytes.
const MAX_TEXT: usize = 128;

/// The text is no peer id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("this is no peer id: one looks like 12D3KooW… or k51qzi5uqu5…")]
pub struct NotAPeerId;

/// The base36 CIDv1 of a peer id: `k51…`, 62 characters for Ed25519, usable as a label of a host name (RFC 1035 allows 63).
pub fn to_base36(peer: &PeerId) -> String {
    format!("k{}", encode_number(&[CID_PREFIX.as_slice(), &peer.to_bytes()].concat(), BASE36))
}

/// What a peer without a name is called: `goop-` and the last six characters of its id.
pub fn nameless(peer: &PeerId) -> String {
    let id = peer.to_base58();
    format!("goop-{}", &id[id.len().saturating_sub(6)..])
}

/// Read a peer id: base58 (`12D3KooW…`, `Qm…`), or CIDv1 in base36 (`k…`), base32 (`b…`) or base58 (`z…`); the first two of these in
/// any letter case.
pub fn peer_id_from_text(text: &str) -> Result<PeerId, NotAPeerId> {
    if text.len() > MAX_TEXT || !text.is_ascii() {
        return Err(NotAPeerId);
    }
    let cid = match text.split_at_checked(1).ok_or(NotAPeerId)? {
        ("k" | "K", digits) => decode_number(&digits.to_ascii_lowercase(), BASE36),
        ("b" | "B", digits) => decode_bits(&digits.to_ascii_lowercase(), BASE32, 5),
        ("z", digits) => decode_number(digits, BASE58),
        _ => return text.parse().map_err(|_| NotAPeerId),
    };
    let multihash = cid.as_deref().and_then(|bytes| bytes.strip_prefix(&CID_PREFIX)).ok_or(NotAPeerId)?;
    PeerId::from_bytes(multihash).map_err(|_| NotAPeerId)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of libp2p's own text on peer ids.
    const BASE58_TEXT: &str = "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA";
    const BASE36_TEXT: &str = "k51qzi5uqu5dhnwe629wdlncpql6frppdpwnz4wtlcw816aysd5wwlk63g4wmh";

    #[test]
    fn every_form_of_a_peer_id_is_the_same_peer() {
        let peer: PeerId = BASE58_TEXT.parse().unwrap();
        assert_eq!(to_base36(&peer).len(), 62);
        assert_eq!(peer_id_from_text(BASE58_TEXT), Ok(peer));
        assert_eq!(peer_id_from_text(&to_base36(&peer)), Ok(peer));
        assert_eq!(peer_id_from_text(&to_base36(&peer).to_uppercase()), Ok(peer), "host names come in any letter case");
        let cid = [CID_PREFIX.as_slice(), &peer.to_bytes()].concat();
        assert_eq!(peer_id_from_text(&format!("z{}", encode_number(&cid, BASE58))), Ok(peer));
    }

    #[test]
    fn ids_written_by_other_implementations_are_read() {
        let of_an_rsa_key = "QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N";
        assert_eq!(peer_id_from_text("bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe").unwrap().to_base58(), of_an_rsa_key);
        assert_eq!(peer_id_from_text(of_an_rsa_key).unwrap().to_base58(), of_an_rsa_key);
        assert!(peer_id_from_text(BASE36_TEXT).is_ok());
        assert_eq!(to_base36(&peer_id_from_text(BASE36_TEXT).unwrap()), BASE36_TEXT);
    }

    #[test]
    fn what_is_no_peer_id_is_refused() {
        for text in ["", "k", "b", "z", "12D3KooW", "k51", "öö", "localhost", &BASE58_TEXT[..51], &"k".repeat(10_000)] {
            assert_eq!(peer_id_from_text(text), Err(NotAPeerId), "{text}");
        }
        let a_file_and_no_key = "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi";
        assert_eq!(peer_id_from_text(a_file_and_no_key), Err(NotAPeerId));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_panic(text in ".{0,140}") {
            let _ = peer_id_from_text(&text);
        }

        #[test]
        fn base36_comes_back_as_it_went(seed in any::<[u8; 32]>()) {
            let key = libp2p::identity::Keypair::ed25519_from_bytes(seed).unwrap();
            let peer = key.public().to_peer_id();
            let text = to_base36(&peer);
            prop_assert!(text.len() == 62 && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
            prop_assert_eq!(peer_id_from_text(&text), Ok(peer));
        }

        #[test]
        fn numbers_keep_their_leading_zeros(bytes in proptest::collection::vec(any::<u8>(), 0..40), zeros in 0_usize..3) {
            let bytes = [vec![0; zeros], bytes].concat();
            for alphabet in [BASE36, BASE58] {
                prop_assert_eq!(decode_number(&encode_number(&bytes, alphabet), alphabet), Some(bytes.clone()));
            }
        }
    }
}
