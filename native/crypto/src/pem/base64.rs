//! Base64 (RFC 4648 §4) by arithmetic, so that no table is indexed by key bytes.

use crate::CryptoError;

/// Standard alphabet with padding, one line.
pub(super) fn encode(data: &[u8]) -> String {
    let mut out = String::with_capacity(data.len().div_ceil(3) * 4);
    for chunk in data.chunks(3) {
        let mut group = 0u32;
        for at in 0..3 {
            group = group << 8 | u32::from(chunk.get(at).copied().unwrap_or(0));
        }
        for at in 0..4 {
            out.push(if at <= chunk.len() {
                char::from(digit(group >> (18 - 6 * at) & 63))
            } else {
                '='
            });
        }
    }
    out
}

/// Character of a value below 64.
fn digit(value: u32) -> u8 {
    let v = value as i32;
    let after = |last: i32| (last - v) >> 8;
    (v + 65 + (after(25) & 6) - (after(51) & 75) - (after(61) & 15) + (after(62) & 3)) as u8
}

/// Value of a character, −1 when it is none of the alphabet.
fn value(character: u8) -> i32 {
    let c = i32::from(character);
    let within = |first: u8, last: u8| ((i32::from(first) - 1 - c) & (c - i32::from(last) - 1)) >> 8;
    -1 + (within(b'A', b'Z') & (c - 64))
        + (within(b'a', b'z') & (c - 70))
        + (within(b'0', b'9') & (c + 5))
        + (within(b'+', b'+') & 63)
        + (within(b'/', b'/') & 64)
}

/// Appends the bytes of canonical, padded base64.
///
/// # Errors
/// `Pem` for a foreign character, a length that is no multiple of 4, padding elsewhere than at the end, or unused bits
/// that are not zero.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> Result<(), CryptoError> {
    const BAD: CryptoError = CryptoError::Pem("base64 is not canonical");
    let (groups, rest) = text.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(BAD);
    }
    for (index, group) in groups.iter().enumerate() {
        let padding = group.iter().rev().take_while(|&&c| c == b'=').count();
        if padding > 2 || (padding > 0 && index + 1 != groups.len()) {
            return Err(BAD);
        }
        let mut bits = 0i32;
        let mut invalid = 0i32;
        for &c in &group[..4 - padding] {
            let v = value(c);
            invalid |= v;
            bits = bits << 6 | (v & 63);
        }
        bits <<= 6 * padding;
        let bytes = (bits as u32).to_be_bytes();
        if invalid < 0 || bytes[4 - padding..].iter().any(|&b| b != 0) {
            return Err(BAD);
        }
        out.extend_from_slice(&bytes[1..4 - padding]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_round_trips() {
        let data: Vec<u8> = (0..=255u8).rev().chain(0..=255).collect();
        for length in 0..data.len() {
            let mut back = Vec::new();
            decode(encode(&data[..length]).as_bytes(), &mut back).unwrap();
            assert_eq!(back, &data[..length]);
        }
        assert_eq!(encode(b"light w"), "bGlnaHQgdw==");
    }

    #[test]
    fn what_is_not_canonical_is_refused() {
        for text in [
            "A", "AAA", "A===", "====", "AA==AAAA", "AB==", "AAB=", "AA=A", "AA*A", "AAA\n", "AA A",
        ] {
            assert!(decode(text.as_bytes(), &mut Vec::new()).is_err(), "{text}");
        }
    }
}
