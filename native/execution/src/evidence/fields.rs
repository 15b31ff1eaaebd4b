//! What the values of `evidence` are made of: fixed integers and hashes, short texts, and the stamp of a block.

use hn_primitives::codec::put_name;
use hn_primitives::{Account, Hash32, Name};
use thiserror::Error;

use crate::application::TxContext;

/// A key or value of `evidence` that does not decode.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("evidence {0} does not decode")]
pub struct RecordError(pub(super) &'static str);

/// Which transaction did something, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Height of its block.
    pub height: u64,
    /// Time of that block, Unix milliseconds.
    pub time_ms: u64,
    /// The transaction.
    pub tx_id: Hash32,
}

impl Stamp {
    pub(super) fn of(tx: &TxContext<'_>) -> Self {
        Self {
            height: tx.height,
            time_ms: tx.time_ms,
            tx_id: *tx.tx_id,
        }
    }
}

/// Fields of a value being written; the bounds of texts and lists were checked when the payload was read.
pub(super) struct Value(Vec<u8>);

impl Value {
    pub fn new(version: u8) -> Self {
        Self(vec![version])
    }

    pub fn byte(mut self, byte: u8) -> Self {
        self.0.push(byte);
        self
    }

    pub fn u64(self, number: u64) -> Self {
        self.bytes(&number.to_be_bytes())
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub fn stamp(self, stamp: &Stamp) -> Self {
        self.u64(stamp.height).u64(stamp.time_ms).bytes(&stamp.tx_id)
    }

    /// Length byte and bytes; at most 255 are kept.
    pub fn short(self, bytes: &[u8]) -> Self {
        let bytes = bytes.get(..usize::from(u8::MAX)).unwrap_or(bytes);
        self.byte(bytes.len() as u8).bytes(bytes)
    }

    /// Flag, then the hash or zeros.
    pub fn maybe(self, hash: Option<&Hash32>) -> Self {
        self.byte(u8::from(hash.is_some())).bytes(hash.unwrap_or(&[0; 32]))
    }

    pub fn accounts(self, accounts: &[Account]) -> Self {
        self.byte(accounts.len() as u8).bytes(accounts.as_flattened())
    }

    pub fn names(mut self, names: &[Name]) -> Self {
        self.0.push(names.len() as u8);
        names.iter().for_each(|name| put_name(&mut self.0, name));
        self
    }

    pub fn finish(self) -> Vec<u8> {
        self.0
    }
}

/// Fields read from the front.
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

impl<'a> Fields<'a> {
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, what }
    }

    pub fn error(&self) -> RecordError {
        RecordError(self.what)
    }

    pub fn take<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (field, rest) = self.bytes.split_first_chunk::<N>().ok_or(RecordError(self.what))?;
        self.bytes = rest;
        Ok(*field)
    }

    pub fn u64(&mut self) -> Result<u64, RecordError> {
        self.take().map(u64::from_be_bytes)
    }

    pub fn slice(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let (field, rest) = self.bytes.split_at_checked(length).ok_or(RecordError(self.what))?;
        self.bytes = rest;
        Ok(field)
    }

    pub fn stamp(&mut self) -> Result<Stamp, RecordError> {
        Ok(Stamp {
            height: self.u64()?,
            time_ms: self.u64()?,
            tx_id: self.take()?,
        })
    }

    pub fn short(&mut self) -> Result<&'a [u8], RecordError> {
        let [length] = self.take()?;
        self.slice(usize::from(length))
    }

    pub fn text(&mut self) -> Result<String, RecordError> {
        let text = std::str::from_utf8(self.short()?).map_err(|_| self.error())?;
        Ok(text.to_owned())
    }

    pub fn name(&mut self) -> Result<Name, RecordError> {
        let text = std::str::from_utf8(self.short()?).map_err(|_| self.error())?;
        Name::new(text).map_err(|_| self.error())
    }

    pub fn flag(&mut self) -> Result<bool, RecordError> {
        match self.take()? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(self.error()),
        }
    }

    pub fn maybe(&mut self) -> Result<Option<Hash32>, RecordError> {
        match (self.flag()?, self.take()?) {
            (true, hash) => Ok(Some(hash)),
            (false, hash) if hash == [0; 32] => Ok(None),
            _ => Err(self.error()),
        }
    }

    /// A list of any length that its count byte allows.
    pub fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T, RecordError>) -> Result<Vec<T>, RecordError> {
        let [count] = self.take()?;
        (0..count).map(|_| item(self)).collect()
    }

    pub fn end(&self) -> Result<(), RecordError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(self.error())
        }
    }
}
