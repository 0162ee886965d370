//! The header of Peer ID auth: `libp2p-PeerID name="value", name="value"`, and the bytes that are signed.

use std::collections::BTreeMap;

use base64::Engine;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The scheme's name; its letter case does not count.
pub const SCHEME: &str = "libp2p-PeerID";
/// Longest header that is read, in bytes.
pub const MAX_HEADER: usize = 2048;

/// base64 for URLs; written with padding, read with or without.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&URL_SAFE, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// The parameters of one header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Params<'a>(BTreeMap<&'a str, &'a str>);

/// Whether a header value is of this scheme at all.
pub fn is_ours(header: &str) -> bool {
    header.split([' ', '\t']).next().is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

impl<'a> Params<'a> {
    /// Reads a header; `None` if it is too long, of another scheme, malformed, or names a parameter twice.
    pub(super) fn read(header: &'a str) -> Option<Self> {
        if header.len() > MAX_HEADER || !is_ours(header) {
            return None;
        }
        let mut rest = header[SCHEME.len()..].trim();
        let mut params = BTreeMap::new();
        while !rest.is_empty() {
            let (name, after) = rest.split_once('=')?;
            let (value, after) = after.strip_prefix('"')?.split_once('"')?;
            let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
            let name = name.trim();
            if !plain(name) || !plain(value) || params.insert(name, value).is_some() {
                return None;
            }
            // Go separates with commas, as the RFC asks; the text of the scheme has examples without.
            rest = after.trim_start_matches([' ', ',', '\t']);
        }
        Some(Self(params))
    }

    /// The text of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    /// The decoded bytes of a parameter; `None` if it is missing or no base64.
    pub(super) fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        BASE64.decode(self.text(name)?).ok()
    }
}

/// The text of bytes in such a header.
pub(super) fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

/// The bytes of such a text.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// A header of these parameters; their values must not hold quotes.
pub(super) fn write(params: &[(&str, &str)]) -> String {
    let params: Vec<String> = params.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    format!("{SCHEME} {}", params.join(", "))
}

/// What is signed: the scheme, then each parameter, sorted by name, with its length before it.
pub(super) fn signed_bytes(mut params: Vec<(&str, &[u8])>) -> Vec<u8> {
    params.sort_unstable_by_key(|(name, _)| *name);
    let mut bytes = SCHEME.as_bytes().to_vec();
    for (name, value) in params {
        push_varint(&mut bytes, name.len() + 1 + value.len());
        bytes.extend([name.as_bytes(), b"=", value].concat());
    }
    bytes
}

fn push_varint(bytes: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;
    use proptest::prelude::*;

    use super::*;

    /// The example of the scheme's own text.
    #[test]
    fn golden_the_example_is_signed_to_the_byte() {
        let server = Keypair::ed25519_from_bytes([1; 32]).unwrap();
        let client = Keypair::ed25519_from_bytes([2; 32]).unwrap().public().encode_protobuf();
        let signed = signed_bytes(vec![
            ("hostname", b"example.com"),
            ("client-public-key", &client),
            ("challenge-server", b"ERERERERERERERERERERERERERERERERERERERERERE="),
        ]);
        let before = b"libp2p-PeerID=challenge-server=ERERERERERERERERERERERERERERERERERERERERERE=6client-public-key=";
        assert_eq!(signed, [&before[..], &client, b"\x14hostname=example.com"].concat());
        let expected = "UA88qZbLUzmAxrD9KECbDCgSKAUBAvBHrOCF2X0uPLR1uUCF7qGfLPc7dw3Olo-LaFCDpk5sXN7TkLWPVvuXAA==";
        assert_eq!(encode(&server.sign(&signed).unwrap()), expected);
        assert_eq!(decode(expected), decode(expected.trim_end_matches('=')));
    }

    #[test]
    fn a_header_is_read_with_commas_or_without_and_in_any_case() {
        for header in ["libp2p-PeerID a=\"1\", b=\"2\"", "LIBP2P-peerid a=\"1\" b=\"2\"", "libp2p-PeerID  b=\"2\",a=\"1\","] {
            let params = Params::read(header).unwrap();
            assert_eq!((params.text("a"), params.text("b"), params.text("c")), (Some("1"), Some("2"), None), "{header}");
        }
        let long = format!("libp2p-PeerID a=\"{}\"", "1".repeat(MAX_HEADER));
        for header in
            ["libp2p-PeerIDa=\"1\"", "Basic a=\"1\"", "libp2p-PeerID a=1", "libp2p-PeerID a=\"1", "libp2p-PeerID a=\"1\",a=\"1\"", &long]
        {
            assert_eq!(Params::read(header), None, "{header}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_anything_else_does_no_harm(a in "[a-zA-Z0-9_=-]{1,80}", junk in ".{0,200}") {
            let written = write(&[("one", &a), ("other", "x")]);
            prop_assert_eq!(Params::read(&written).unwrap().text("one"), Some(a.as_str()));
            let _ = Params::read(&junk);
            let _ = Params::read(&format!("{SCHEME} {junk}"));
        }
    }
}
