//! The bounded reader behind every decoder, and the writers behind every encoder.

use crate::codes;
use crate::text::{Name, Text};
use hn_crypto::sm2::PublicKey;
use std::fmt;

/// What was being decoded; it decides the numeric code of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object {
    /// Transaction body or signed transaction.
    Tx,
    /// Batch or batch header.
    Batch,
    /// Block header.
    Header,
    /// Consensus value.
    Value,
    /// Validator set.
    Validators,
    /// Commit certificate.
    Certificate,
    /// Receipt.
    Receipt,
    /// Genesis.
    Genesis,
    /// Account record of the state.
    Account,
    /// Plugin set.
    Plugins,
    /// Inclusion proof, state proof or proof bundle.
    Proof,
    /// Page of the state tree.
    Page,
    /// A text or name by itself, such as one that a caller hands in.
    Text,
}

impl Object {
    /// The words an error message uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tx => "tx",
            Self::Batch => "batch",
            Self::Header => "header",
            Self::Value => "value",
            Self::Validators => "validator set",
            Self::Certificate => "certificate",
            Self::Receipt => "receipt",
            Self::Genesis => "genesis",
            Self::Account => "account record",
            Self::Plugins => "plugin set",
            Self::Proof => "proof",
            Self::Page => "state page",
            Self::Text => "text",
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The rule that the bytes break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The input ends inside a field.
    #[error("{field}: got {got} bytes, want {want}")]
    Truncated {
        /// Field being read.
        field: &'static str,
        /// Bytes left.
        got: usize,
        /// Bytes needed.
        want: usize,
    },
    /// Bytes follow the last field.
    #[error("got {0} trailing bytes, want none")]
    Trailing(usize),
    /// The version is not 1.
    #[error("version: got {0}, want 1")]
    Version(u8),
    /// A length or count is over its limit.
    #[error("{field}: got length {got}, want at most {max}")]
    TooLong {
        /// Field being read.
        field: &'static str,
        /// Length received.
        got: usize,
        /// Largest allowed.
        max: usize,
    },
    /// A number is outside its range, or a flag is neither 0 nor 1.
    #[error("{field}: got {got}, outside its range")]
    Range {
        /// Field being read.
        field: &'static str,
        /// Number received.
        got: u64,
    },
    /// A name is empty, too long or outside `[a-z][a-z0-9_]*`.
    #[error("{0}: not a name of 1-32 characters [a-z][a-z0-9_]*")]
    Name(&'static str),
    /// A text is not UTF-8.
    #[error("{0}: not UTF-8")]
    Utf8(&'static str),
    /// Bytes are no public key.
    #[error("{0}: not a point of the SM2 curve in uncompressed form")]
    Key(&'static str),
    /// Entries are not strictly ascending.
    #[error("{0}: not strictly ascending")]
    Order(&'static str),
    /// A field contradicts another one or a hash over them.
    #[error("{0}: does not match the content")]
    Mismatch(&'static str),
    /// An unused bit is set, or a form other than the canonical one is used.
    #[error("{0}: not canonical")]
    NotCanonical(&'static str),
}

/// Bytes that are refused: which object, which rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{object}: {fault}")]
pub struct CodecError {
    /// What was being decoded.
    pub object: Object,
    /// The rule that was broken.
    pub fault: Fault,
}

impl CodecError {
    /// The numeric code of the failure.
    pub const fn code(&self) -> u32 {
        match (self.object, self.fault) {
            (Object::Tx, Fault::TooLong { .. }) => codes::TX_TOO_LARGE,
            (Object::Tx, _) => codes::TX_MALFORMED,
            (Object::Batch, _) => codes::BATCH_MALFORMED,
            (Object::Header | Object::Value, _) => codes::PROPOSAL_MALFORMED,
            (Object::Certificate, _) => codes::CERTIFICATE_MALFORMED,
            (Object::Receipt, _) => codes::RESULT_INVALID,
            (Object::Validators | Object::Genesis, _) => codes::GENESIS_INVALID,
            (Object::Account | Object::Page, _) => codes::STORAGE_CORRUPT,
            (Object::Plugins, _) => codes::PLUGIN_SET_INVALID,
            (Object::Proof, _) => codes::PROOF_MALFORMED,
            (Object::Text, _) => codes::PARAMETER_INVALID,
        }
    }
}

/// Reads fields from the front of a byte string. It allocates nothing by itself; all slices borrow from the input.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    object: Object,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte; failures name `object`.
    pub const fn new(object: Object, bytes: &'a [u8]) -> Self {
        Self { object, rest: bytes }
    }

    /// Bytes not read yet.
    pub const fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// The failure of this reader's object.
    pub const fn fail(&self, fault: Fault) -> CodecError {
        CodecError {
            object: self.object,
            fault,
        }
    }

    /// Ends the decoding.
    ///
    /// # Errors
    /// `Trailing` when bytes are left.
    pub const fn finish(self) -> Result<(), CodecError> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.fail(Fault::Trailing(self.rest.len())))
        }
    }

    /// The next `count` bytes.
    pub fn take(&mut self, field: &'static str, count: usize) -> Result<&'a [u8], CodecError> {
        match self.rest.split_at_checked(count) {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(self.fail(Fault::Truncated {
                field,
                got: self.rest.len(),
                want: count,
            })),
        }
    }

    /// The next `N` bytes in place.
    pub fn array_ref<const N: usize>(&mut self, field: &'static str) -> Result<&'a [u8; N], CodecError> {
        match self.rest.split_first_chunk::<N>() {
            Some((head, tail)) => {
                self.rest = tail;
                Ok(head)
            }
            None => Err(self.fail(Fault::Truncated {
                field,
                got: self.rest.len(),
                want: N,
            })),
        }
    }

    /// The next `N` bytes, copied.
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], CodecError> {
        self.array_ref(field).copied()
    }

    /// `u8`.
    pub fn u8(&mut self, field: &'static str) -> Result<u8, CodecError> {
        self.array(field).map(u8::from_be_bytes)
    }

    /// `u16`.
    pub fn u16(&mut self, field: &'static str) -> Result<u16, CodecError> {
        self.array(field).map(u16::from_be_bytes)
    }

    /// `u32`.
    pub fn u32(&mut self, field: &'static str) -> Result<u32, CodecError> {
        self.array(field).map(u32::from_be_bytes)
    }

    /// `u64`.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, CodecError> {
        self.array(field).map(u64::from_be_bytes)
    }

    /// A `u8` that must be 1.
    pub fn version(&mut self) -> Result<(), CodecError> {
        match self.u8("version")? {
            1 => Ok(()),
            other => Err(self.fail(Fault::Version(other))),
        }
    }

    /// A `u8` that must be 0 or 1.
    pub fn flag(&mut self, field: &'static str) -> Result<bool, CodecError> {
        match self.u8(field)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.fail(Fault::Range {
                field,
                got: u64::from(other),
            })),
        }
    }

    /// `name8` in place; the alphabet is checked.
    pub fn name_str(&mut self, field: &'static str) -> Result<&'a str, CodecError> {
        let length = usize::from(self.u8(field)?);
        let bytes = self.take(field, length)?;
        Name::check(bytes).ok_or(self.fail(Fault::Name(field)))
    }

    /// `name8`.
    pub fn name(&mut self, field: &'static str) -> Result<Name, CodecError> {
        let fail = self.fail(Fault::Name(field));
        Name::from_checked(self.name_str(field)?).ok_or(fail)
    }

    /// `text8`.
    pub fn text8(&mut self, field: &'static str) -> Result<Text<{ u8::MAX as usize }>, CodecError> {
        let length = usize::from(self.u8(field)?);
        self.text(field, length)
    }

    /// `text16`.
    pub fn text16(&mut self, field: &'static str) -> Result<Text<{ u16::MAX as usize }>, CodecError> {
        let length = usize::from(self.u16(field)?);
        self.text(field, length)
    }

    fn text<const MAX: usize>(&mut self, field: &'static str, length: usize) -> Result<Text<MAX>, CodecError> {
        let bytes = self.take(field, length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| self.fail(Fault::Utf8(field)))?;
        Text::new(text).map_err(|error| self.fail(error.fault))
    }

    /// `bytes32` of at most `max` bytes, in place.
    pub fn bytes32(&mut self, field: &'static str, max: usize) -> Result<&'a [u8], CodecError> {
        let length = self.u32(field)? as usize;
        if length > max {
            return Err(self.fail(Fault::TooLong {
                field,
                got: length,
                max,
            }));
        }
        self.take(field, length)
    }

    /// A `u16` count of at most `max`.
    pub fn count16(&mut self, field: &'static str, max: usize) -> Result<usize, CodecError> {
        let count = usize::from(self.u16(field)?);
        if count > max {
            Err(self.fail(Fault::TooLong { field, got: count, max }))
        } else {
            Ok(count)
        }
    }

    /// `key`: checked to be a point of the curve.
    pub fn key(&mut self, field: &'static str) -> Result<PublicKey, CodecError> {
        let bytes: &[u8; 65] = self.array_ref(field)?;
        PublicKey::from_bytes(bytes).map_err(|_| self.fail(Fault::Key(field)))
    }

    /// A bitmap of `bits` bits (bit `i` is byte `i/8`, value `1 << (i%8)`); unused bits must be zero.
    pub fn bitmap(&mut self, field: &'static str, bits: usize) -> Result<&'a [u8], CodecError> {
        let bytes = self.take(field, bits.div_ceil(8))?;
        let unused = bits % 8;
        match bytes.last() {
            Some(last) if unused != 0 && last >> unused != 0 => Err(self.fail(Fault::NotCanonical(field))),
            _ => Ok(bytes),
        }
    }
}

/// Whether bit `index` of a bitmap is set; `false` beyond its end.
pub fn bit(bitmap: &[u8], index: usize) -> bool {
    bitmap.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 == 1)
}

/// Appends a bitmap over `bits`.
pub fn put_bitmap(out: &mut Vec<u8>, bits: impl Iterator<Item = bool>) {
    let mut byte = 0;
    let mut used = 0;
    for set in bits {
        byte |= u8::from(set) << used;
        used += 1;
        if used == 8 {
            out.push(byte);
            (byte, used) = (0, 0);
        }
    }
    if used > 0 {
        out.push(byte);
    }
}

/// Appends `name8`.
pub fn put_name(out: &mut Vec<u8>, name: &Name) {
    put_count8(out, name.as_bytes().len());
    out.extend_from_slice(name.as_bytes());
}

/// Appends `text8`.
pub fn put_text8(out: &mut Vec<u8>, text: &Text<{ u8::MAX as usize }>) {
    put_count8(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Appends `text16`.
pub fn put_text16(out: &mut Vec<u8>, text: &Text<{ u16::MAX as usize }>) {
    put_count16(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// Appends `bytes32`.
pub fn put_bytes32(out: &mut Vec<u8>, bytes: &[u8]) {
    put_count32(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends a `u8` count; one that does not fit is written as the largest, which every decoder refuses.
pub fn put_count8(out: &mut Vec<u8>, count: usize) {
    out.push(u8::try_from(count).unwrap_or(u8::MAX));
}

/// Appends a `u16` count, as [`put_count8`] does.
pub fn put_count16(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes());
}

/// Appends a `u32` count, as [`put_count8`] does.
pub fn put_count32(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}
