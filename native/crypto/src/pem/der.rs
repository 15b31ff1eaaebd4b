//! The few pieces of DER (X.690) that keys and signatures need, read strictly: minimal lengths, minimal integers, no
//! trailing bytes, no indefinite form.

use crate::CryptoError;

/// Tags that occur.
pub(super) mod tag {
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const CONTEXT_0: u8 = 0xa0;
    pub(crate) const CONTEXT_1: u8 = 0xa1;
}

/// Reads elements one after another from a byte string.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether the next element has this tag.
    pub(super) fn next_is(&self, tag: u8) -> bool {
        self.rest.first() == Some(&tag)
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn read(&mut self, tag: u8) -> Result<&'a [u8], CryptoError> {
        const SHORT: CryptoError = CryptoError::Der("element is cut off");
        let (&first, rest) = self.rest.split_first().ok_or(SHORT)?;
        if first != tag {
            return Err(CryptoError::Der("unexpected tag"));
        }
        let (&length, rest) = rest.split_first().ok_or(SHORT)?;
        let (length, rest) = if length < 0x80 {
            (usize::from(length), rest)
        } else {
            let count = usize::from(length & 0x7f);
            if !(1..=2).contains(&count) {
                return Err(CryptoError::Der("length form is indefinite or above 65,535"));
            }
            let (bytes, rest) = rest.split_at_checked(count).ok_or(SHORT)?;
            let length = bytes.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
            if length < 0x80 || (count == 2 && length < 0x100) {
                return Err(CryptoError::Der("length is not minimal"));
            }
            (length, rest)
        };
        let (content, rest) = rest.split_at_checked(length).ok_or(SHORT)?;
        self.rest = rest;
        Ok(content)
    }

    /// A reader of the next element's content.
    pub(super) fn nested(&mut self, tag: u8) -> Result<Reader<'a>, CryptoError> {
        self.read(tag).map(Reader::new)
    }

    /// A non-negative integer: its minimal big-endian bytes without sign byte (empty for 0).
    pub(super) fn unsigned(&mut self) -> Result<&'a [u8], CryptoError> {
        match self.read(tag::INTEGER)? {
            [] => Err(CryptoError::Der("integer is empty")),
            [0] => Ok(&[]),
            [0, second, ..] if *second < 0x80 => Err(CryptoError::Der("integer has a needless leading zero")),
            [0, rest @ ..] => Ok(rest),
            [first, ..] if *first >= 0x80 => Err(CryptoError::Der("integer is negative")),
            bytes => Ok(bytes),
        }
    }

    /// A non-negative integer of at most 32 bits.
    pub(super) fn small(&mut self) -> Result<u32, CryptoError> {
        let bytes = self.unsigned()?;
        if bytes.len() > 4 {
            return Err(CryptoError::Der("integer is above 32 bits"));
        }
        Ok(bytes.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)))
    }

    /// Nothing may follow.
    pub(super) fn finish(self) -> Result<(), CryptoError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(CryptoError::Der("trailing bytes"))
        }
    }
}

/// One element with the joined parts as content; contents are below 65,536 bytes.
pub(super) fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    // Reserved in one piece: growth would leave copies of key bytes behind.
    let mut out = Vec::with_capacity(length + 4);
    out.push(tag);
    let [.., high, low] = length.to_be_bytes();
    match length {
        0..0x80 => out.push(low),
        0x80..0x100 => out.extend_from_slice(&[0x81, low]),
        _ => out.extend_from_slice(&[0x82, high, low]),
    }
    for part in parts {
        out.extend_from_slice(part);
    }
    out
}

/// A non-negative integer from big-endian bytes.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let skip = bytes.iter().take_while(|&&byte| byte == 0).count();
    match &bytes[skip..] {
        [] => element(tag::INTEGER, &[&[0]]),
        minimal @ [0x80..=0xff, ..] => element(tag::INTEGER, &[&[0], minimal]),
        minimal => element(tag::INTEGER, &[minimal]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_around_the_forms_round_trip() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff] {
            let content = vec![7; length];
            let der = element(tag::OCTET_STRING, &[&content]);
            let mut reader = Reader::new(&der);
            assert_eq!(reader.read(tag::OCTET_STRING).unwrap(), content);
            reader.finish().unwrap();
        }
    }

    #[test]
    fn loose_lengths_are_refused() {
        for der in [
            &[0x04][..],
            &[0x04, 0x80],
            &[0x04, 0x81, 0x01, 7],
            &[0x04, 0x82, 0x00, 0x80],
            &[0x04, 0x83, 0, 0, 1],
            &[0x04, 2, 7],
            &[0x04, 0x81],
        ] {
            assert!(Reader::new(der).read(tag::OCTET_STRING).is_err(), "{der:02x?}");
        }
    }

    #[test]
    fn integers_are_minimal_and_not_negative() {
        for bytes in [&[0][..], &[1], &[0x7f], &[0x80], &[0, 0, 0x80, 1], &[0xff; 5]] {
            let der = integer(bytes);
            let skip = bytes.iter().take_while(|&&b| b == 0).count();
            assert_eq!(Reader::new(&der).unsigned().unwrap(), &bytes[skip..]);
        }
        for der in [
            &[2, 0][..],
            &[2, 2, 0, 1],
            &[2, 1, 0x80],
            &[2, 2, 0xff, 0xff],
            &[2, 2, 0, 0],
        ] {
            assert!(Reader::new(der).unsigned().is_err(), "{der:02x?}");
        }
        assert!(Reader::new(&[2, 5, 1, 0, 0, 0, 0]).small().is_err());
    }
}
