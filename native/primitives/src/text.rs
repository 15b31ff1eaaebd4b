//! Bounded texts: a text that exists fits its field.

use crate::codec::{CodecError, Fault, Object};
use crate::limits::NAME_BYTES_MAX;
use std::fmt;
use std::ops::Deref;

/// A `name8`: 1–32 characters `[a-z][a-z0-9_]*`, held inline. Order is that of its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    // Zero padded: a padding byte sorts before every character of the alphabet, so the derived order is the text's.
    bytes: [u8; NAME_BYTES_MAX],
    length: u8,
}

impl Name {
    /// Checks and copies a name.
    ///
    /// # Errors
    /// `Name` when the length or the alphabet is wrong.
    pub fn new(text: &str) -> Result<Self, CodecError> {
        Self::check(text.as_bytes())
            .and_then(Self::from_checked)
            .ok_or(CodecError {
                object: Object::Text,
                fault: Fault::Name("name"),
            })
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }

    /// The text's bytes; cheaper than [`Name::as_str`].
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.length)).unwrap_or_default()
    }

    /// The bytes as text when they are a name.
    pub(crate) fn check(bytes: &[u8]) -> Option<&str> {
        let (first, rest) = bytes.split_first()?;
        let valid = bytes.len() <= NAME_BYTES_MAX
            && first.is_ascii_lowercase()
            && rest
                .iter()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'_');
        if valid { std::str::from_utf8(bytes).ok() } else { None }
    }

    pub(crate) fn from_checked(text: &str) -> Option<Self> {
        let mut bytes = [0; NAME_BYTES_MAX];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        Some(Self {
            bytes,
            length: u8::try_from(text.len()).ok()?,
        })
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl TryFrom<&str> for Name {
    type Error = CodecError;

    fn try_from(text: &str) -> Result<Self, CodecError> {
        Self::new(text)
    }
}

/// A text of at most `MAX` bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text<const MAX: usize>(String);

/// A `text8`.
pub type Text8 = Text<{ u8::MAX as usize }>;
/// A `text16`.
pub type Text16 = Text<{ u16::MAX as usize }>;

impl<const MAX: usize> Text<MAX> {
    /// Checks the length.
    ///
    /// # Errors
    /// `TooLong` over `MAX` bytes.
    pub fn new(text: impl Into<String>) -> Result<Self, CodecError> {
        let text = text.into();
        if text.len() > MAX {
            let fault = Fault::TooLong {
                field: "text",
                got: text.len(),
                max: MAX,
            };
            return Err(CodecError {
                object: Object::Text,
                fault,
            });
        }
        Ok(Self(text))
    }

    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const MAX: usize> TryFrom<&str> for Text<MAX> {
    type Error = CodecError;

    fn try_from(text: &str) -> Result<Self, CodecError> {
        Self::new(text)
    }
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = CodecError;

    fn try_from(text: String) -> Result<Self, CodecError> {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_alphabet_and_order() {
        let longest = "a".repeat(32);
        for good in ["a", "z9", "cold_chain", longest.as_str()] {
            assert_eq!(Name::new(good).unwrap().as_str(), good);
        }
        let too_long = "a".repeat(33);
        for bad in ["", "A", "9a", "_a", "a-b", "a.b", "é", "a\0", too_long.as_str()] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        let mut names: Vec<_> = ["b", "ab", "a", "a_", "a0", "aa"]
            .map(|text| Name::new(text).unwrap())
            .to_vec();
        names.sort();
        let mut texts: Vec<_> = names.iter().map(|name| name.as_str().to_owned()).collect();
        let sorted = texts.clone();
        texts.sort();
        assert_eq!(sorted, texts);
    }

    #[test]
    fn texts_stop_at_their_limit() {
        assert!(Text8::new("x".repeat(255)).is_ok());
        assert!(Text8::new("x".repeat(256)).is_err());
        assert!(Text16::new("x".repeat(65_535)).is_ok());
        assert!(Text16::new("x".repeat(65_536)).is_err());
    }
}
