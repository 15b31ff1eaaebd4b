//! Sorted, immutable sets of entries: their rows, their keys, the filters of them that are in memory.

use std::sync::{PoisonError, RwLock};

use crate::entry::{ENTRY_BYTES, Entry, Place, Tag};
use crate::error::IndexError;
use crate::filter::{CHUNK_BYTES, CHUNK_PART_BITS, CHUNK_PARTS, Chunk};
use crate::index::Row;
use crate::search::Open;

/// Entries a part has at most, on average.
const PART_IDS: u64 = 256;
const BITS_MAX: u32 = 31;
const VERSION: u8 = 2;
const ROW_BYTES: usize = 27;

/// What a row's key says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub(crate) enum Kind {
    Part = 1,
    Filter = 2,
    Segment = 3,
}

/// Key of a row.
pub(crate) fn key(segment: u64, kind: Kind, number: u32) -> Vec<u8> {
    let mut key = Vec::with_capacity(13);
    key.extend_from_slice(&segment.to_be_bytes());
    key.push(kind as u8);
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// Key below every row of a segment and above every row of those before.
pub(crate) fn first_key(segment: u64) -> Vec<u8> {
    segment.to_be_bytes().to_vec()
}

/// The one row that makes a segment one.
pub(crate) fn row_range(segment: u64) -> (Vec<u8>, Vec<u8>) {
    (key(segment, Kind::Segment, 0), key(segment, Kind::Segment, 1))
}

/// Facts of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Numbers rise; the segment made of older ones has a higher number than they.
    pub number: u64,
    pub level: u8,
    /// log2 of its parts, at least `CHUNK_PART_BITS`.
    pub bits: u32,
    pub first_height: u64,
    pub last_height: u64,
    pub count: u64,
}

impl Facts {
    /// Parts for so many entries.
    pub fn bits_for(count: u64) -> u32 {
        let parts = count.div_ceil(PART_IDS).max(1).next_power_of_two();
        parts.ilog2().clamp(CHUNK_PART_BITS, BITS_MAX)
    }

    pub fn chunk_bits(&self) -> u32 {
        self.bits - CHUNK_PART_BITS
    }

    pub fn chunk_count(&self) -> usize {
        1 << self.chunk_bits()
    }

    pub fn part(&self, hash: u64) -> u32 {
        (hash >> (64 - self.bits)) as u32
    }

    pub fn chunk(&self, hash: u64) -> u32 {
        self.part(hash) >> CHUNK_PART_BITS
    }

    pub fn row(&self) -> (Vec<u8>, Vec<u8>) {
        let mut value = Vec::with_capacity(ROW_BYTES);
        value.extend_from_slice(&[VERSION, self.level, self.bits as u8]);
        for number in [self.first_height, self.last_height, self.count] {
            value.extend_from_slice(&number.to_be_bytes());
        }
        (key(self.number, Kind::Segment, 0), value)
    }

    /// `None` for the row of a part or filter.
    pub fn from_row(key: &[u8], value: &[u8]) -> Result<Option<Self>, IndexError> {
        let wrong = |got, want| IndexError::Length {
            what: "the row of a segment",
            got,
            want,
        };
        let Some((number, kind)) = key.split_first_chunk::<8>().filter(|_| key.len() == 13) else {
            return Err(wrong(key.len(), 13));
        };
        if kind.first() != Some(&(Kind::Segment as u8)) {
            return Ok(None);
        }
        let number = u64::from_be_bytes(*number);
        let Some((&[version, level, bits], rest)) = value.split_first_chunk::<3>() else {
            return Err(wrong(value.len(), ROW_BYTES));
        };
        let (&[first, last, count], []) = rest.as_chunks::<8>() else {
            return Err(wrong(value.len(), ROW_BYTES));
        };
        let facts = Self {
            number,
            level,
            bits: u32::from(bits),
            first_height: u64::from_be_bytes(first),
            last_height: u64::from_be_bytes(last),
            count: u64::from_be_bytes(count),
        };
        let field = |what, got| {
            Err(IndexError::Field {
                segment: number,
                what,
                got,
            })
        };
        if version != VERSION {
            return field("version", u64::from(version));
        }
        if facts.bits != Self::bits_for(facts.count) {
            return field("bits", u64::from(bits));
        }
        if facts.last_height < facts.first_height {
            return field("last height", facts.last_height);
        }
        Ok(Some(facts))
    }
}

/// A segment whose rows are in the database, with the filters of it that are in memory.
pub(crate) struct Segment {
    pub facts: Facts,
    filters: RwLock<Vec<Option<Chunk>>>,
}

impl Segment {
    pub fn new(facts: Facts) -> Self {
        Self::with_filters(facts, vec![None; facts.chunk_count()])
    }

    pub fn with_filters(facts: Facts, filters: Vec<Option<Chunk>>) -> Self {
        Self {
            facts,
            filters: RwLock::new(filters),
        }
    }

    /// Whether the id with this hash may be here; `None` when the filter is not in memory.
    pub fn may_hold(&self, hash: u64) -> Option<bool> {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        let chunk = filters.get(self.facts.chunk(hash) as usize)?.as_ref()?;
        Some(chunk.contains(hash, self.facts.chunk_bits()))
    }

    /// Takes the segment from what is still to be asked for the ids that it surely lacks.
    pub fn pass_by<'o>(&self, open: impl Iterator<Item = &'o mut Open>) {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        let chunk_bits = self.facts.chunk_bits();
        for (_, tag, left) in open {
            let chunk = filters
                .get(self.facts.chunk(tag.hash) as usize)
                .and_then(Option::as_ref);
            if chunk.is_some_and(|chunk| !chunk.contains(tag.hash, chunk_bits)) {
                *left -= 1;
            }
        }
    }

    /// Keep a filter in memory. Returns the bytes that this adds.
    pub fn keep(&self, number: u32, chunk: Chunk) -> usize {
        let mut filters = self.filters.write().unwrap_or_else(PoisonError::into_inner);
        match filters.get_mut(number as usize) {
            Some(place) => usize::from(place.replace(chunk).is_none()) * CHUNK_BYTES,
            None => 0,
        }
    }

    /// Let go of all filters. Returns their bytes.
    pub fn forget_filters(&self) -> usize {
        let mut filters = self.filters.write().unwrap_or_else(PoisonError::into_inner);
        let kept = filters.iter_mut().filter_map(Option::take).count();
        kept * CHUNK_BYTES
    }

    pub fn filter_bytes(&self) -> usize {
        let filters = self.filters.read().unwrap_or_else(PoisonError::into_inner);
        filters.iter().flatten().count() * CHUNK_BYTES
    }

    pub fn missing(&self, what: &'static str, number: u32) -> IndexError {
        IndexError::Missing {
            segment: self.facts.number,
            what,
            number,
        }
    }
}

/// Entries of a part's row.
pub(crate) fn entries(row: &[u8]) -> Result<&[[u8; ENTRY_BYTES]], IndexError> {
    match row.as_chunks::<ENTRY_BYTES>() {
        (entries, []) => Ok(entries),
        _ => Err(IndexError::Length {
            what: "a part",
            got: row.len(),
            want: row.len().next_multiple_of(ENTRY_BYTES),
        }),
    }
}

/// Place of an id in a part's row.
pub(crate) fn find(row: &[u8], tag: Tag) -> Result<Option<Place>, IndexError> {
    let entries = entries(row)?;
    let start = entries.partition_point(|bytes| Entry::get(bytes).tag.hash < tag.hash);
    let rest = entries.get(start..).unwrap_or_default().iter().map(Entry::get);
    let mut same = rest.take_while(|entry| entry.tag.hash == tag.hash);
    Ok(same.find(|entry| entry.tag == tag).map(|entry| entry.place))
}

/// Rows of one chunk: its parts and its filter. entries: in order of their hash, all of this chunk.
pub(crate) fn chunk_rows(facts: &Facts, chunk: u32, entries: &[Entry]) -> (Vec<Row>, Chunk) {
    let mut filter = Chunk::new();
    let mut rows = Vec::with_capacity(CHUNK_PARTS as usize + 1);
    let mut rest = entries;
    for part in chunk * CHUNK_PARTS..(chunk + 1) * CHUNK_PARTS {
        let own = rest.partition_point(|entry| facts.part(entry.tag.hash) <= part);
        let (mine, after) = rest.split_at(own);
        rest = after;
        let mut row = Vec::with_capacity(mine.len() * ENTRY_BYTES);
        for entry in mine {
            filter.insert(entry.tag.hash, facts.chunk_bits());
            entry.put(&mut row);
        }
        rows.push((key(facts.number, Kind::Part, part), row));
    }
    rows.push((key(facts.number, Kind::Filter, chunk), filter.encode()));
    (rows, filter)
}
