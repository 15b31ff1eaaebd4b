//! Several segments of a level become one of the next, a chunk at a time.

use std::sync::Arc;

use crate::entry::{ENTRY_BYTES, Entry};
use crate::error::IndexError;
use crate::filter::{CHUNK_PARTS, Chunk};
use crate::index::Row;
use crate::segment::{Facts, Kind, Segment, chunk_rows, entries, key};

/// A merge on its way.
pub(crate) struct Merge {
    pub facts: Facts,
    pub sources: Vec<Arc<Segment>>,
    filters: Vec<Option<Chunk>>,
}

impl Merge {
    /// sources: neighbours, oldest first.
    pub fn new(number: u64, sources: Vec<Arc<Segment>>) -> Option<Self> {
        let (first, last) = (sources.first()?.facts, sources.last()?.facts);
        let count = sources.iter().map(|source| source.facts.count).sum();
        let facts = Facts {
            number,
            level: first.level + 1,
            bits: Facts::bits_for(count),
            first_height: first.first_height,
            last_height: last.last_height,
            count,
        };
        Some(Self {
            facts,
            sources,
            filters: Vec::new(),
        })
    }

    /// Ids of a chunk, on average.
    pub fn chunk_ids(&self) -> usize {
        usize::try_from(self.facts.count >> self.facts.chunk_bits()).unwrap_or(usize::MAX)
    }

    pub fn is_done(&self) -> bool {
        self.filters.len() == self.facts.chunk_count()
    }

    pub fn filters(self) -> Vec<Option<Chunk>> {
        self.filters
    }

    /// Keys of the parts that the next chunk is made of, source after source.
    pub fn wanted(&self) -> Vec<Vec<u8>> {
        let chunk = self.filters.len() as u32;
        let parts = |source: &Facts| {
            // A source with fewer parts than the result has chunks gives the same part to several chunks.
            let (finer, coarser) = (
                source.bits.saturating_sub(self.facts.chunk_bits()),
                self.facts.chunk_bits().saturating_sub(source.bits),
            );
            let first = (chunk >> coarser) << finer;
            first..first + (1 << finer)
        };
        let keys = self.sources.iter().flat_map(|source| {
            let number = source.facts.number;
            parts(&source.facts).map(move |part| key(number, Kind::Part, part))
        });
        keys.collect()
    }

    /// Make the next chunk of the parts `wanted` named.
    pub fn step(&mut self, rows: &[Option<&[u8]>]) -> Result<Vec<Row>, IndexError> {
        let chunk = self.filters.len() as u32;
        let mut found = Vec::with_capacity(rows.iter().flatten().map(|row| row.len() / ENTRY_BYTES).sum());
        let missing = IndexError::Missing {
            segment: self.facts.number,
            what: "part for chunk",
            number: chunk,
        };
        for row in rows {
            for bytes in entries(row.ok_or_else(|| missing.clone())?)? {
                let entry = Entry::get(bytes);
                if self.facts.chunk(entry.tag.hash) == chunk {
                    found.push(entry);
                }
            }
        }
        // Equal hashes keep the order of the sources: the oldest place comes first.
        found.sort_by_key(|entry| entry.tag.hash);
        let (rows, filter) = chunk_rows(&self.facts, chunk, &found);
        self.filters.push(Some(filter));
        debug_assert!(rows.len() == CHUNK_PARTS as usize + 1);
        Ok(rows)
    }
}
