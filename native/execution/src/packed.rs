//! Results of the plugin host as one run of bytes, so that a block crosses the boundary to it once and as a whole.
//!
//! Layout, big-endian, results behind each other: `u32 tx_index ‖ u32 code ‖ u64 steps ‖ u32 rule ‖ u32 write count ‖
//! u32 event count ‖ rule`, then for each write `u32 key ‖ u8 present ‖ u32 value ‖ key ‖ value`, then for each event
//! `u32 name ‖ u32 entity ‖ u32 data ‖ name ‖ entity ‖ data`; a part named alone is its number of bytes.
//!
//! Reading checks the layout alone. What a result may hold is checked when it becomes a receipt.

use std::ops::Range;

use crate::error::ExecutionError;

/// Bytes of the shortest write and event: a count larger than what is left could hold is refused before any
/// room is made for it.
const WRITE_BYTES_MIN: usize = 9;
const EVENT_BYTES_MIN: usize = 12;

/// Writes the layout. Each [`ResultPacker::result`] is followed by as many writes and events as it announces.
#[derive(Debug, Default)]
pub struct ResultPacker {
    bytes: Vec<u8>,
}

impl ResultPacker {
    /// With room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
        }
    }

    /// Begins the next result; `counts` are those of its writes and its events.
    pub fn result(&mut self, tx_index: u32, code: u32, steps: u64, rule: &str, counts: (usize, usize)) {
        self.bytes.extend_from_slice(&tx_index.to_be_bytes());
        self.bytes.extend_from_slice(&code.to_be_bytes());
        self.bytes.extend_from_slice(&steps.to_be_bytes());
        for number in [rule.len(), counts.0, counts.1] {
            self.number(number);
        }
        self.bytes.extend_from_slice(rule.as_bytes());
    }

    /// A write; `None` deletes.
    pub fn write(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.number(key.len());
        self.bytes.push(u8::from(value.is_some()));
        let value = value.unwrap_or_default();
        self.number(value.len());
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
    }

    /// An event.
    pub fn event(&mut self, name: &str, entity: &str, data: &[u8]) {
        for number in [name.len(), entity.len(), data.len()] {
            self.number(number);
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.extend_from_slice(entity.as_bytes());
        self.bytes.extend_from_slice(data);
    }

    /// Bytes written so far.
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// A number that does not fit is written as the largest one, which no reader accepts.
    fn number(&mut self, number: usize) {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&number.to_be_bytes());
    }
}

/// A key with its new value, `None` = deleted.
pub(crate) type PackedWrite<'a> = (&'a [u8], Option<&'a [u8]>);

/// An event whose texts have not been checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PackedEvent<'a> {
    pub name: &'a [u8],
    pub entity: &'a [u8],
    pub data: &'a [u8],
}

/// One result; its writes and events are parts of the lists of [`Unpacked`].
#[derive(Debug)]
pub(crate) struct PackedResult<'a> {
    pub tx_index: u32,
    pub code: u32,
    pub steps: u64,
    pub rule: &'a [u8],
    pub writes: Range<usize>,
    pub events: Range<usize>,
}

/// The results of one application, read but not judged.
#[derive(Debug, Default)]
pub(crate) struct Unpacked<'a> {
    pub results: Vec<PackedResult<'a>>,
    pub writes: Vec<PackedWrite<'a>>,
    pub events: Vec<PackedEvent<'a>>,
}

impl<'a> Unpacked<'a> {
    /// Reads all results. Memory is bounded by the bytes given.
    ///
    /// # Errors
    /// `ResultsMalformed`: the bytes end early or go on, or a flag is neither 0 nor 1.
    pub fn read(packed: &'a [u8]) -> Result<Self, ExecutionError> {
        let mut reader = Reader { rest: packed };
        let mut found = Self::default();
        while !reader.rest.is_empty() {
            let result = found.read_result(&mut reader).ok_or_else(|| {
                let place = packed.len() - reader.rest.len();
                ExecutionError::ResultsMalformed(place)
            })?;
            found.results.push(result);
        }
        Ok(found)
    }

    fn read_result(&mut self, reader: &mut Reader<'a>) -> Option<PackedResult<'a>> {
        let (tx_index, code, steps) = (reader.u32()?, reader.u32()?, reader.u64()?);
        let (rule, write_count, event_count) = (reader.size()?, reader.size()?, reader.size()?);
        let rule = reader.take(rule)?;
        let (first_write, first_event) = (self.writes.len(), self.events.len());
        if write_count > reader.rest.len() / WRITE_BYTES_MIN || event_count > reader.rest.len() / EVENT_BYTES_MIN {
            return None;
        }
        for _ in 0..write_count {
            let (key, present, value) = (reader.size()?, reader.u8()?, reader.size()?);
            let (key, value) = (reader.take(key)?, reader.take(value)?);
            let value = match present {
                0 if value.is_empty() => None,
                1 => Some(value),
                _ => return None,
            };
            self.writes.push((key, value));
        }
        for _ in 0..event_count {
            let (name, entity, data) = (reader.size()?, reader.size()?, reader.size()?);
            self.events.push(PackedEvent {
                name: reader.take(name)?,
                entity: reader.take(entity)?,
                data: reader.take(data)?,
            });
        }
        Some(PackedResult {
            tx_index,
            code,
            steps,
            rule,
            writes: first_write..self.writes.len(),
            events: first_event..self.events.len(),
        })
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }
}
