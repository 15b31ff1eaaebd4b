//! The index: newest ids in a table, all others in segments.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hn_primitives::{Hash32, codes};

use crate::entry::{Entry, Place, SALT_BYTES, Salt, Tag};
use crate::error::IndexError;
use crate::filter::Chunk;
use crate::merge::Merge;
use crate::search::Search;
use crate::segment::{Facts, Segment, chunk_rows, first_key, row_range};

/// Segments of a level that become one of the next.
pub const FAN_IN: usize = 8;

/// Ids that the merges go through with a block, however small it is.
const CREDIT_MIN: usize = 256;
/// Ids that the merges of one block go through at most, about 10 ms.
const CREDIT_MAX: usize = 1 << 17;

const RECEIPT_CODE_END: usize = 37;

/// Key and value of a row to write.
pub type Row = (Vec<u8>, Vec<u8>);
/// First key and the key after the last of rows to delete.
pub type Range = (Vec<u8>, Vec<u8>);

/// Sizes of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Ids that become a segment together.
    pub segment_ids: usize,
    /// Blocks that become a segment together, however few transactions they have: the receipts of so many are read at a
    /// start.
    pub segment_blocks: u64,
    /// Bytes of filters in memory, 2–4 an id.
    pub filter_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_ids: 1 << 16,
            segment_blocks: 1 << 16,
            filter_bytes_max: 64 << 20,
        }
    }
}

/// What a block must write for the index: the ranges first, then the rows.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Rows to delete.
    pub ranges: Vec<Range>,
    /// Rows to put.
    pub rows: Vec<Row>,
}

/// See the crate. One thread writes ([`TxIndex::seal`] → [`TxIndex::merge`] → rows into the database →
/// [`TxIndex::written`] → [`TxIndex::add`], in this order for each block), any thread searches.
pub struct TxIndex {
    salt: Salt,
    inner: Mutex<Inner>,
}

struct Inner {
    recent: Recent,
    segments: Arc<Vec<Arc<Segment>>>,
    /// First height that no segment holds.
    first_height: u64,
    next_height: u64,
    next_number: u64,
    /// Rows that no segment in use owns, for the next write to delete. Never those of segments that searches may still ask:
    /// a row that is missing in a segment in use is damage.
    unused: Vec<Range>,
    sealed: Option<Segment>,
    merge: Option<Merge>,
    credit: usize,
    filter_bytes: usize,
    limits: Limits,
}

/// Newest ids by their hash.
#[derive(Default)]
struct Recent {
    by_hash: HashMap<u64, Entry, BuildHasherDefault<Keep>>,
    /// Others with the hash of one above; two of 2^32 ids share a hash once.
    same_hash: Vec<Entry>,
}

impl Recent {
    fn insert(&mut self, entry: Entry) {
        let first = self.by_hash.entry(entry.tag.hash).or_insert(entry);
        if first.tag != entry.tag {
            self.same_hash.push(entry);
        }
    }

    fn get(&self, tag: Tag) -> Option<Place> {
        let first = self.by_hash.get(&tag.hash)?;
        let others = self.same_hash.iter();
        let found = std::iter::once(first).chain(others).find(|entry| entry.tag == tag);
        found.map(|entry| entry.place)
    }

    fn len(&self) -> usize {
        self.by_hash.len() + self.same_hash.len()
    }

    fn sorted(&self) -> Vec<Entry> {
        let mut all: Vec<_> = self.by_hash.values().chain(&self.same_hash).copied().collect();
        all.sort_unstable_by_key(|entry| (entry.tag.hash, entry.place));
        all
    }
}

/// The key is a hash already.
#[derive(Default)]
struct Keep(u64);

impl Hasher for Keep {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl TxIndex {
    /// The index of a database. rows: those of its segments, in any order (others are passed over).
    ///
    /// # Errors
    /// Rows that do not fit together. A segment that is missing at the end is none: its ids are added again.
    pub fn new<'a>(
        salt: &[u8; SALT_BYTES],
        limits: Limits,
        rows: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Result<Self, IndexError> {
        let mut all = Vec::new();
        for (key, value) in rows {
            all.extend(Facts::from_row(key, value)?);
        }
        all.sort_by_key(|facts| facts.first_height);
        let mut next_height = 1;
        for facts in &all {
            if facts.first_height != next_height {
                return Err(IndexError::Gap {
                    segment: facts.number,
                    got: facts.first_height,
                    want: next_height,
                });
            }
            next_height = facts.last_height + 1;
        }
        let mut numbers: Vec<_> = all.iter().map(|facts| facts.number).collect();
        numbers.sort_unstable();
        let next_number = numbers.last().map_or(0, |last| last + 1);
        // What a process left that ended during a merge or right after one.
        let mut unused = vec![(first_key(next_number), vec![0xff; 8])];
        let below = std::iter::once(0).chain(numbers.iter().map(|number| number + 1));
        let gaps = below.zip(&numbers).filter(|(start, end)| start < end);
        unused.extend(gaps.map(|(start, end)| (first_key(start), first_key(*end))));
        Ok(Self {
            salt: Salt::new(salt),
            inner: Mutex::new(Inner {
                recent: Recent::default(),
                segments: Arc::new(all.into_iter().map(|facts| Arc::new(Segment::new(facts))).collect()),
                first_height: next_height,
                next_height,
                next_number,
                unused,
                sealed: None,
                merge: None,
                credit: 0,
                filter_bytes: 0,
                limits,
            }),
        })
    }

    /// The height whose receipts [`TxIndex::add`] takes next; after a start, the first that is in no segment.
    pub fn next_height(&self) -> u64 {
        self.lock().next_height
    }

    /// Segments, and ids that are in none yet.
    pub fn counts(&self) -> (usize, usize) {
        let inner = self.lock();
        (inner.segments.len(), inner.recent.len())
    }

    /// Bytes of the filters in memory.
    pub fn filter_bytes(&self) -> usize {
        self.lock().filter_bytes
    }

    /// Take up a block. packed: `u32 count ‖ count × u32 end ‖ receipts`, as storage keeps them, of the next height.
    ///
    /// Receipts that do not decide their transaction give no place: a duplicate stands at an earlier one, and the signature
    /// of an unknown account could not be verified, so that anybody could have made it to spoil the id of a transaction
    /// whose account is registered later. Cost: about 0.1 µs a receipt.
    ///
    /// # Errors
    /// Another height, or a row that is none; nothing was taken up then.
    pub fn add(&self, height: u64, packed: &[u8]) -> Result<(), IndexError> {
        let mut inner = self.lock();
        if height != inner.next_height {
            return Err(IndexError::Height {
                got: height,
                want: inner.next_height,
            });
        }
        let entries = decided(height, packed, &self.salt)?;
        let count = entries.len();
        for entry in entries {
            inner.recent.insert(entry);
        }
        inner.next_height = height + 1;
        // A merge of each level must be over before the next is due.
        let levels = inner
            .segments
            .first()
            .map_or(0, |oldest| usize::from(oldest.facts.level))
            + 2;
        inner.credit = (inner.credit + count * levels + CREDIT_MIN).min(CREDIT_MAX);
        Ok(())
    }

    /// Begin the changes of the next block: rows that are not used any more, and a new segment when there is enough for one. Cost then: about 10 ms.
    pub fn seal(&self) -> Changes {
        let mut inner = self.lock();
        let mut changes = Changes {
            ranges: std::mem::take(&mut inner.unused),
            rows: Vec::new(),
        };
        let span = inner.next_height - inner.first_height;
        if inner.recent.len() < inner.limits.segment_ids && span < inner.limits.segment_blocks {
            return changes;
        }
        let entries = inner.recent.sorted();
        let facts = Facts {
            number: inner.take_number(),
            level: 0,
            bits: Facts::bits_for(entries.len() as u64),
            first_height: inner.first_height,
            last_height: inner.next_height - 1,
            count: entries.len() as u64,
        };
        let mut filters = Vec::with_capacity(facts.chunk_count());
        let mut rest = entries.as_slice();
        for chunk in 0..facts.chunk_count() as u32 {
            let (own, after) = rest.split_at(rest.partition_point(|entry| facts.chunk(entry.tag.hash) <= chunk));
            rest = after;
            let (rows, filter) = chunk_rows(&facts, chunk, own);
            changes.rows.extend(rows);
            filters.push(Some(filter));
        }
        changes.rows.push(facts.row());
        inner.sealed = Some(Segment::with_filters(facts, filters));
        changes
    }

    /// Keys of the rows that [`TxIndex::merge`] wants next; none when there is no more to do with this block.
    pub fn wanted(&self) -> Vec<Vec<u8>> {
        let mut inner = self.lock();
        if inner.merge.is_none() {
            inner.merge = inner.due();
        }
        let Some(merge) = inner.merge.as_ref().filter(|merge| !merge.is_done()) else {
            return Vec::new();
        };
        let Some(left) = inner.credit.checked_sub(merge.chunk_ids()) else {
            return Vec::new();
        };
        let keys = merge.wanted();
        inner.credit = left;
        keys
    }

    /// Go on with the merge, with the rows that [`TxIndex::wanted`] named.
    ///
    /// # Errors
    /// A row is missing or damaged.
    pub fn merge(&self, rows: &[Option<&[u8]>]) -> Result<Changes, IndexError> {
        let mut inner = self.lock();
        let mut changes = Changes::default();
        let Some(mut merge) = inner.merge.take() else {
            return Ok(changes);
        };
        changes.rows = merge.step(rows)?;
        if merge.is_done() {
            changes.rows.push(merge.facts.row());
            let ranges = merge.sources.iter().map(|source| row_range(source.facts.number));
            changes.ranges.extend(ranges);
        }
        inner.merge = Some(merge);
        Ok(changes)
    }

    /// The changes are in the database: searches find them there from here on.
    pub fn written(&self) {
        let mut inner = self.lock();
        if inner.sealed.is_none() && !inner.merge.as_ref().is_some_and(Merge::is_done) {
            return;
        }
        let mut segments: Vec<_> = inner.segments.iter().cloned().collect();
        if let Some(merge) = inner.merge.take_if(|merge| merge.is_done()) {
            let at = segments.partition_point(|segment| segment.facts.first_height < merge.facts.first_height);
            let made = Arc::new(Segment::with_filters(merge.facts, merge.filters()));
            inner.filter_bytes += made.filter_bytes();
            for gone in segments.splice(at..at + FAN_IN, [made]) {
                inner.filter_bytes -= gone.forget_filters();
                let number = gone.facts.number;
                inner.unused.push((first_key(number), first_key(number + 1)));
            }
        }
        if let Some(sealed) = inner.sealed.take() {
            inner.filter_bytes += sealed.filter_bytes();
            inner.first_height = sealed.facts.last_height + 1;
            inner.recent = Recent::default();
            segments.push(Arc::new(sealed));
        }
        inner.segments = Arc::new(segments);
        inner.keep_within(None);
    }

    /// Look for ids, however old: an id counts as committed for ever, also one that was too early when it was committed,
    /// and where segments begin differs from node to node.
    pub fn search(&self, ids: Vec<Hash32>) -> Search {
        Search::new(ids)
    }

    pub(crate) fn salt(&self) -> &Salt {
        &self.salt
    }

    /// Places of the ids among the newest, into `places`, and the segments that hold all others, newest first.
    pub(crate) fn begin(&self, tags: &[Tag], places: &mut [Option<Place>]) -> Arc<Vec<Arc<Segment>>> {
        let inner = self.lock();
        for (place, tag) in places.iter_mut().zip(tags) {
            *place = inner.recent.get(*tag);
        }
        Arc::clone(&inner.segments)
    }

    /// Whether a segment is still in use, so that its rows must be there.
    pub(crate) fn uses(&self, number: u64) -> bool {
        let inner = self.lock();
        inner.segments.iter().any(|segment| segment.facts.number == number)
    }

    /// Keep a filter that was read, when there is room.
    pub(crate) fn keep(&self, segment: &Arc<Segment>, chunk: u32, filter: Chunk) {
        let mut inner = self.lock();
        if inner.segments.iter().any(|used| Arc::ptr_eq(used, segment)) {
            inner.filter_bytes += segment.keep(chunk, filter);
            inner.keep_within(Some(segment));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn take_number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number - 1
    }

    /// The merge to begin: of the lowest level that has enough segments.
    fn due(&mut self) -> Option<Merge> {
        let mut end = self.segments.len();
        while end > 0 {
            let level = self.segments[end - 1].facts.level;
            let start = self.segments.partition_point(|segment| segment.facts.level > level);
            if end - start >= FAN_IN {
                let sources = self.segments[start..start + FAN_IN].to_vec();
                return Merge::new(self.take_number(), sources);
            }
            end = start;
        }
        None
    }

    /// Forget filters of the oldest segments until the rest is within bounds; `last` goes last.
    fn keep_within(&mut self, last: Option<&Arc<Segment>>) {
        let segments = Arc::clone(&self.segments);
        let others = segments
            .iter()
            .filter(|segment| last.is_none_or(|last| !Arc::ptr_eq(last, segment)));
        for segment in others.chain(last) {
            if self.filter_bytes <= self.limits.filter_bytes_max {
                return;
            }
            self.filter_bytes -= segment.forget_filters();
        }
    }
}

/// Entries of the receipts that decide their transactions.
fn decided(height: u64, packed: &[u8], salt: &Salt) -> Result<Vec<Entry>, IndexError> {
    let damaged = |receipt| IndexError::Receipts { height, receipt };
    let number = |at: usize| -> Option<usize> {
        let bytes = packed.get(at..at + 4)?.first_chunk::<4>()?;
        Some(u32::from_be_bytes(*bytes) as usize)
    };
    let count = number(0).ok_or_else(|| damaged(0))?;
    let data = 4 + 4 * count;
    if packed.len() < data {
        return Err(damaged(0));
    }
    let mut entries = Vec::with_capacity(count);
    let mut start = data;
    for index in 0..count {
        let end = number(4 + 4 * index).ok_or_else(|| damaged(index))? + data;
        let receipt = packed
            .get(start..end)
            .filter(|receipt| receipt.len() >= RECEIPT_CODE_END);
        // A receipt begins with u8 version ‖ tx id ‖ u32 code (formats §11).
        let head = receipt.and_then(|receipt| receipt.first_chunk::<RECEIPT_CODE_END>());
        let head = head.ok_or_else(|| damaged(index))?;
        let (mut id, mut code) = ([0; 32], [0; 4]);
        id.copy_from_slice(&head[1..33]);
        code.copy_from_slice(&head[33..]);
        if !matches!(u32::from_be_bytes(code), codes::TX_DUPLICATE | codes::ACCOUNT_UNKNOWN) {
            let place = u32::try_from(index).ok().and_then(|index| Place::new(height, index));
            let place = place.ok_or_else(|| damaged(index))?;
            let tag = salt.tag(&id);
            entries.push(Entry { tag, place });
        }
        start = end;
    }
    if start != packed.len() {
        return Err(damaged(count));
    }
    Ok(entries)
}
