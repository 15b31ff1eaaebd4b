//! Hexadecimal text and a small deterministic source of test bytes.

use hn_crypto::sm3::sm3;

/// Bytes of hexadecimal text; white space is skipped.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).unwrap())
        .collect();
    digits
        .chunks_exact(2)
        .map(|pair| (pair[0] * 16 + pair[1]) as u8)
        .collect()
}

/// [`unhex`] of a known length.
pub fn hex<const N: usize>(text: &str) -> [u8; N] {
    unhex(text).try_into().unwrap()
}

/// 32 bytes that differ for each label and index.
pub fn seed(label: &str, index: u64) -> [u8; 32] {
    sm3(&[label.as_bytes(), &index.to_be_bytes()].concat())
}
