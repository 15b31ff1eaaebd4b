//! JSON as payloads and events use it: strict typed decoding, and objects written by hand with ascending keys.

use std::fmt;

use hn_primitives::codes;
use serde::de::{self, Deserialize, Deserializer, Visitor};

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
pub(crate) struct Hex<const N: usize>(pub [u8; N]);

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
    for (byte, [high, low]) in out.iter_mut().zip(pairs) {
        *byte = hex_digit(*high)? << 4 | hex_digit(*low)?;
    }
    Some(out)
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Lowercase hexadecimal text of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    push_hex(&mut text, bytes);
    text
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from(DIGITS[usize::from(nibble)]));
        }
    }
}

/// Writes one JSON object. The caller adds the fields in ascending order of their names, so that equal facts have
/// equal bytes; names are constants of the program that need no escape.
pub(crate) struct ObjectWriter {
    text: String,
    last: &'static str,
}

impl ObjectWriter {
    /// Starts an object of about `capacity` bytes.
    pub fn new(capacity: usize) -> Self {
        let mut text = String::with_capacity(capacity);
        text.push('{');
        Self { text, last: "" }
    }

    fn name(&mut self, name: &'static str) {
        debug_assert!(self.last < name, "fields ascend: {} before {name}", self.last);
        if !self.last.is_empty() {
            self.text.push(',');
        }
        self.last = name;
        self.text.push('"');
        self.text.push_str(name);
        self.text.push_str("\":");
    }

    /// Adds an integer.
    pub fn number(mut self, name: &'static str, value: u64) -> Self {
        self.name(name);
        self.text.push_str(&value.to_string());
        self
    }

    /// Adds bytes as lowercase hexadecimal text.
    pub fn hex(mut self, name: &'static str, bytes: &[u8]) -> Self {
        self.name(name);
        self.text.push('"');
        push_hex(&mut self.text, bytes);
        self.text.push('"');
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
        self.text.push('[');
        for (i, value) in values.into_iter().enumerate() {
            if i > 0 {
                self.text.push(',');
            }
            self.push_text(value);
        }
        self.text.push(']');
        self
    }

    /// The finished object.
    pub fn finish(mut self) -> Vec<u8> {
        self.text.push('}');
        self.text.into_bytes()
    }

    // The shortest escapes of RFC 8259; everything that needs none stays UTF-8.
    fn push_text(&mut self, value: &str) {
        self.text.push('"');
        for character in value.chars() {
            match character {
                '"' => self.text.push_str("\\\""),
                '\\' => self.text.push_str("\\\\"),
                '\u{8}' => self.text.push_str("\\b"),
                '\t' => self.text.push_str("\\t"),
                '\n' => self.text.push_str("\\n"),
                '\u{c}' => self.text.push_str("\\f"),
                '\r' => self.text.push_str("\\r"),
                '\0'..='\u{1f}' => {
                    self.text.push_str("\\u");
                    push_hex(&mut self.text, &(character as u16).to_be_bytes());
                }
                _ => self.text.push(character),
            }
        }
        self.text.push('"');
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
            prop_assert_eq!(parse_hex::<20>(hex(&bytes).as_bytes()), Some(bytes));
        }
    }
}
