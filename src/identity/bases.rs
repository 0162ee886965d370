//! Bytes as digits: the few alphabets in which peer ids and keys are written (multibase).

/// base64, as in RFC 4648 §4.
pub(super) const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// base58, as Bitcoin writes it.
pub(super) const BASE58: &str = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
/// base36, lower case.
pub(super) const BASE36: &str = "0123456789abcdefghijklmnopqrstuvwxyz";
/// base32, as in RFC 4648 §6, lower case.
pub(super) const BASE32: &str = "abcdefghijklmnopqrstuvwxyz234567";

/// Longest text that is decoded, in digits: positional decoding takes quadratic time.
const MAX_DIGITS: usize = 256;

/// Decode digits of `bits` bits each, without padding. `None` for a strange digit, or for set bits after the last byte.
pub(super) fn decode_bits(text: &str, alphabet: &str, bits: u32) -> Option<Vec<u8>> {
    let (mut bytes, mut held, mut kept) = (Vec::new(), 0, 0_u32);
    for digit in text.chars().take(MAX_DIGITS + 1) {
        kept = kept << bits | u32::try_from(alphabet.find(digit)?).ok()?;
        held += bits;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(kept >> held).ok()?);
            kept &= (1 << held) - 1;
        }
    }
    (kept == 0 && held < bits && text.len() <= MAX_DIGITS).then_some(bytes)
}

/// Decode a number written in the positional system of `alphabet`; each leading zero digit is a zero byte.
pub(super) fn decode_number(text: &str, alphabet: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_DIGITS {
        return None;
    }
    let digits = text.chars().map(|digit| alphabet.find(digit)).collect::<Option<Vec<usize>>>()?;
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    let bytes = convert(&digits, alphabet.len(), 256);
    Some(std::iter::repeat_n(0, zeros).chain(bytes.into_iter().map(|byte| byte as u8)).collect())
}

/// Write bytes in the positional system of `alphabet`; each leading zero byte is a zero digit.
pub(super) fn encode_number(bytes: &[u8], alphabet: &str) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = convert(&bytes.iter().map(|byte| usize::from(*byte)).collect::<Vec<usize>>(), 256, alphabet.len());
    let digit = |value: usize| char::from(alphabet.as_bytes()[value]);
    std::iter::repeat_n(0, zeros).chain(digits).map(digit).collect()
}

/// The digits of a number in base `to`, given those in base `from`; both largest first, without leading zeros.
fn convert(digits: &[usize], from: usize, to: usize) -> Vec<usize> {
    let mut smallest_first: Vec<usize> = Vec::new();
    for digit in digits {
        let mut carry = *digit;
        for place in &mut smallest_first {
            carry += *place * from;
            *place = carry % to;
            carry /= to;
        }
        while carry > 0 {
            smallest_first.push(carry % to);
            carry /= to;
        }
    }
    smallest_first.reverse();
    smallest_first
}
