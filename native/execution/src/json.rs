//! JSON as payloads and events use it: strict typed decoding, and objects written by hand with ascending keys.

use std::fmt;

use hn_primitives::codes;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::application::Failure;

/// Decodes a payload that must be one JSON object of exactly the fields of `T`.
///
/// # Errors
/// `PAYLOAD_INVALID` for anything else: no object, unknown, repeated or missing field, wrong type, text behind the object.
pub(crate) fn decode_payload<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T, Failure> {
    // A derived decoder would also take the fields from an array.
    let first = payload
        .iter()
        .find(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    if first != Some(&b'{') {
        return Err(Failure::new(codes::PAYLOAD_INVALID));
    }
    serde_json::from_slice(payload).map_err(|_| Failure::new(codes::PAYLOAD_INVALID))
}

/// For an optional field: absent is `None`, present must be a value; JSON `null` is refused.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// `N` bytes written as 2·N lowercase hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(HexText::new(&self.0).as_str())
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HexVisitor<const N: usize>;
        impl<const N: usize> Visitor<'_> for HexVisitor<N> {
            type Value = Hex<N>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} lowercase hexadecimal digits", 2 * N)
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                parse_hex(text.as_bytes())
                    .map(Hex)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(HexVisitor)
    }
}

fn parse_hex<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = text.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut out = [0; N];
    let mut wrong = 0;
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        let (high, low) = (DIGITS[usize::from(*high)], DIGITS[usize::from(*low)]);
        wrong |= high | low;
        *byte = high << 4 | low;
    }
    (wrong <= 15).then_some(out)
}

/// The value of each digit, 255 for what is none.
const DIGITS: [u8; 256] = {
    let mut table = [255; 256];
    let mut digit = 0u8;
    while digit < 16 {
        let text = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        table[text as usize] = digit;
        digit += 1;
    }
    table
};

/// `N` bytes as lowercase hexadecimal text, without allocation.
pub(crate) struct HexText<const N: usize>([[u8; 2]; N]);

impl<const N: usize> HexText<N> {
    pub fn new(bytes: &[u8; N]) -> Self {
        let mut text = [[0; 2]; N];
        for (digits, byte) in text.iter_mut().zip(bytes) {
            *digits = HEX[usize::from(*byte)];
        }
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.0.as_flattened()).unwrap_or_default()
    }
}

/// The two digits of each byte.
const HEX: [[u8; 2]; 256] = {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [DIGITS[byte >> 4], DIGITS[byte & 15]];
        byte += 1;
    }
    table
};

fn push_hex(text: &mut Vec<u8>, bytes: &[u8]) {
    let start = text.len();
    text.resize(start + 2 * bytes.len(), 0);
    let fresh = text.get_mut(start..).unwrap_or_default().as_chunks_mut::<2>().0;
    for (digits, byte) in fresh.iter_mut().zip(bytes) {
        *digits = HEX[usize::from(*byte)];
    }
}

/// Writes one JSON object. The caller adds the fields in ascending order of their names, so that equal facts have
/// equal bytes; names are constants of the program that need no escape.
pub(crate) struct ObjectWriter {
    text: Vec<u8>,
    last: &'static str,
}

impl ObjectWriter {
    /// Starts an object of about `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        let mut text = Vec::with_capacity(capacity);
        text.push(b'{');
        Self { text, last: "" }
    }

    fn name(&mut self, name: &'static str) {
        debug_assert!(self.last < name, "fields ascend: {} before {name}", self.last);
        if !self.last.is_empty() {
            self.text.push(b',');
        }
        self.last = name;
        self.text.push(b'"');
        self.text.extend_from_slice(name.as_bytes());
        self.text.extend_from_slice(b"\":");
    }

    /// Adds an integer.
    pub fn number(mut self, name: &'static str, value: u64) -> Self {
        self.name(name);
        let mut digits = [0; 20];
        let (mut start, mut rest) = (digits.len(), value);
        for (at, digit) in digits.iter_mut().enumerate().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
            start = at;
            if rest == 0 {
                break;
            }
        }
        self.text.extend_from_slice(digits.get(start..).unwrap_or_default());
        self
    }

    /// Adds bytes as lowercase hexadecimal text.
    pub fn hex(mut self, name: &'static str, bytes: &[u8]) -> Self {
        self.name(name);
        self.text.push(b'"');
        push_hex(&mut self.text, bytes);
        self.text.push(b'"');
        self
    }

    /// Adds a text.
    pub fn text(mut self, name: &'static str, value: &str) -> Self {
        self.name(name);
        self.push_text(value);
        self
    }

    /// Adds a list of texts.
    pub fn texts<'a>(mut self, name: &'static str, values: impl IntoIterator<Item = &'a str>) -> Self {
        self.name(name);
        self.text.push(b'[');
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                self.text.push(b',');
            }
            self.push_text(value);
        }
        self.text.push(b']');
        self
    }

    /// The finished object.
    pub fn finish(mut self) -> Vec<u8> {
        self.text.push(b'}');
        self.text
    }

    // The shortest escapes of RFC 8259; everything that needs none stays UTF-8.
    fn push_text(&mut self, value: &str) {
        self.text.push(b'"');
        let mut rest = value.as_bytes();
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
            let (plain, tail) = rest.split_at(at);
            self.text.extend_from_slice(plain);
            let Some((byte, tail)) = tail.split_first() else { break };
            match byte {
                b'"' => self.text.extend_from_slice(b"\\\""),
                b'\\' => self.text.extend_from_slice(b"\\\\"),
                0x08 => self.text.extend_from_slice(b"\\b"),
                b'\t' => self.text.extend_from_slice(b"\\t"),
                b'\n' => self.text.extend_from_slice(b"\\n"),
                0x0c => self.text.extend_from_slice(b"\\f"),
                b'\r' => self.text.extend_from_slice(b"\\r"),
                _ => {
                    self.text.extend_from_slice(b"\\u");
                    push_hex(&mut self.text, &[0, *byte]);
                }
            }
            rest = tail;
        }
        self.text.extend_from_slice(rest);
        self.text.push(b'"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn test_hex_accepts_exactly_lowercase_digits_of_the_right_count() {
        for (text, want) in [
            ("\"0aff\"", Some([0x0a, 0xff])),
            ("\"\\u0030aff\"", Some([0x0a, 0xff])),
            ("\"0AFF\"", None),
            ("\"0af\"", None),
            ("\"0aff00\"", None),
            ("\"0x0a\"", None),
            ("\" aff\"", None),
            ("12", None),
            ("null", None),
        ] {
            let got = serde_json::from_str::<Hex<2>>(text).ok().map(|hex| hex.0);
            assert_eq!(got, want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn prop_text_equals_a_second_writer(text in any::<String>(), control in "[\u{0}-\u{7f}]{0,12}") {
            for value in [text, control] {
                let got = ObjectWriter::new(0).text("k", &value).finish();
                let want = serde_json::to_vec(&serde_json::json!({ "k": value })).unwrap();
                prop_assert_eq!(got, want);
            }
        }

        #[test]
        fn prop_hex_round_trip(bytes in any::<[u8; 20]>()) {
            let text = HexText::new(&bytes);
            prop_assert_eq!(parse_hex::<20>(text.as_str().as_bytes()), Some(bytes));
            let want: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            prop_assert_eq!(text.as_str(), want);
        }

        #[test]
        fn prop_numbers_equal_a_second_writer(number in any::<u64>(), shift in 0u32..64) {
            for value in [number >> shift, 0, 9, 10, u64::MAX] {
                let got = ObjectWriter::new(0).number("k", value).finish();
                prop_assert_eq!(got, format!("{{\"k\":{value}}}").into_bytes());
            }
        }
    }
}
