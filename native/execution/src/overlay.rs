//! State of one native application during one block: prefetched values, and a journal for the transaction that runs.
//!
//! Invariants:
//! 1. A handler reaches the keys its transaction declared and no other.
//! 2. Writes stay in the journal until the transaction has succeeded; a failure drops the journal and its events.
//! 3. Transactions run one after another in block order, so that each sees the writes of all before it.

use std::ops::Range;
use std::sync::Arc;

use hn_primitives::codec::put_name;
use hn_primitives::{Hash32, KeyedMap, Name, Write, codes, put_event, put_write};

use crate::application::Failure;
use crate::foreign::front;
use crate::limits::{
    EVENT_COUNT_MAX, EVENT_DATA_BYTES_MAX, KEY_BYTES_MAX, TX_DECLARED_KEY_COUNT_MAX, TX_WRITE_COUNT_MAX,
    VALUE_BYTES_MAX,
};
use crate::result::{StateKey, StateWrite};

struct Slot {
    /// Row key, see [`StateKey`].
    row: Arc<[u8]>,
    /// Hash of the row key, once somebody needed it.
    hash: Option<Hash32>,
    /// Known to have no value before the block.
    absent: bool,
    value: Option<Vec<u8>>,
    written: bool,
}

/// Keys that one transaction declared, as a range of the overlay's declaration list.
pub(crate) type Declared = Range<usize>;

/// What a succeeded transaction leaves behind for its receipt.
pub(crate) struct Committed<'a> {
    /// Its writes as their digest takes them, a part of [`Overlay::write_sets`]; empty without writes.
    pub write_set: Range<usize>,
    /// Its events, encoded.
    pub events: &'a [u8],
    pub event_count: usize,
}

/// Overlay state of one application; see the module.
pub struct Overlay {
    application: Name,
    /// A row key that is being looked up; what it begins with, the application's name, always stays.
    row: Vec<u8>,
    slots: Vec<Slot>,
    index: KeyedMap<Arc<[u8]>, usize>,
    /// Slot numbers, the declared keys of all transactions behind each other.
    declared: Vec<usize>,
    current: Declared,
    /// (slot, value) of the running transaction, one entry a key.
    journal: Vec<(usize, Option<Vec<u8>>)>,
    /// Events of the running transaction, encoded.
    events: Vec<u8>,
    event_count: usize,
    /// Writes of the succeeded transactions as their digests take them, behind each other.
    write_sets: Vec<u8>,
}

impl Overlay {
    fn new(application: Name) -> Self {
        let mut row = Vec::new();
        put_name(&mut row, &application);
        Self {
            application,
            row,
            slots: Vec::new(),
            index: KeyedMap::default(),
            declared: Vec::new(),
            current: 0..0,
            journal: Vec::new(),
            events: Vec::new(),
            event_count: 0,
            write_sets: Vec::new(),
        }
    }

    /// Bytes of a row key before the key.
    fn prefix_bytes(&self) -> usize {
        1 + self.application.as_bytes().len()
    }

    /// Starts the declaration of the next transaction.
    pub(crate) fn declare(&mut self) -> KeySink<'_> {
        let start = self.declared.len();
        KeySink { overlay: self, start }
    }

    /// Row key of every declared key, once, in order of first declaration.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &[u8]> {
        self.slots.iter().map(|slot| &*slot.row)
    }

    /// Takes the hash of every key of [`Overlay::rows`], and whether it is known to be absent.
    pub(crate) fn learn(&mut self, facts: impl Iterator<Item = (Hash32, bool)>) {
        for (slot, (hash, absent)) in self.slots.iter_mut().zip(facts) {
            slot.hash = Some(hash);
            slot.absent = absent;
        }
    }

    /// The declared keys whose values are asked for, in order of first declaration.
    pub(crate) fn keys(&self) -> impl Iterator<Item = StateKey> {
        let open = self.slots.iter().filter(|slot| !slot.absent);
        open.map(|slot| StateKey::from_row(slot.row.clone()))
    }

    /// Number of [`Overlay::keys`].
    pub(crate) fn key_count(&self) -> usize {
        self.slots.iter().filter(|slot| !slot.absent).count()
    }

    /// Fills in the values before the block, in the order of [`Overlay::keys`]; takes as many as there are keys.
    pub(crate) fn supply(&mut self, values: &mut impl Iterator<Item = Option<Vec<u8>>>) {
        for slot in self.slots.iter_mut().filter(|slot| !slot.absent) {
            slot.value = values.next().flatten();
        }
    }

    /// Makes `declared` the keys that the next calls may reach.
    pub(crate) fn enter(&mut self, declared: Declared) {
        self.rollback();
        self.current = declared;
    }

    /// Drops what the running transaction wrote and emitted.
    pub(crate) fn rollback(&mut self) {
        self.journal.clear();
        self.events.clear();
        self.event_count = 0;
    }

    /// Moves the journal into the state.
    pub(crate) fn commit(&mut self) -> Committed<'_> {
        let Self {
            application,
            slots,
            journal,
            write_sets,
            ..
        } = self;
        // One application's row keys stand in the order of their keys.
        journal.sort_unstable_by(|(a, _), (b, _)| row_of(slots, *a).cmp(row_of(slots, *b)));
        let (start, prefix) = (write_sets.len(), 1 + application.as_bytes().len());
        for (slot, value) in journal.drain(..) {
            let Some(slot) = slots.get_mut(slot) else { continue };
            let write = Write {
                application,
                key: slot.row.get(prefix..).unwrap_or_default(),
                value: value.as_deref(),
            };
            put_write(write_sets, &write);
            slot.value = value;
            slot.written = true;
        }
        Committed {
            write_set: start..write_sets.len(),
            events: &self.events,
            event_count: self.event_count,
        }
    }

    /// Where the write sets of the plugin host's transactions go.
    pub(crate) fn write_sets_mut(&mut self) -> &mut Vec<u8> {
        &mut self.write_sets
    }

    /// Writes of a succeeded transaction as their digest takes them.
    pub(crate) fn write_set(&self, range: Range<usize>) -> &[u8] {
        self.write_sets.get(range).unwrap_or_default()
    }

    fn slot(&self, key: &[u8]) -> Result<usize, Failure> {
        let declared = self.declared.get(self.current.clone()).unwrap_or_default();
        let prefix = self.prefix_bytes();
        declared
            .iter()
            .copied()
            .find(|slot| row_of(&self.slots, *slot).get(prefix..) == Some(key))
            .ok_or(Failure::new(codes::UNDECLARED_ACCESS))
    }

    /// The value of `key` as this transaction sees it.
    ///
    /// # Errors
    /// `UNDECLARED_ACCESS` for a key the transaction did not declare.
    pub fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, Failure> {
        let slot = self.slot(key)?;
        let value = match self.journal.iter().find(|(written, _)| *written == slot) {
            Some((_, value)) => value.as_deref(),
            None => self.slots.get(slot).and_then(|slot| slot.value.as_deref()),
        };
        Ok(value)
    }

    /// Sets `key` to `value`.
    ///
    /// # Errors
    /// `UNDECLARED_ACCESS` for a key the transaction did not declare, `WRITE_LIMIT_EXCEEDED` past a bound of
    /// [`crate::limits`].
    pub fn put(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), Failure> {
        if value.len() > VALUE_BYTES_MAX {
            return Err(Failure::new(codes::WRITE_LIMIT_EXCEEDED));
        }
        self.write(key, Some(value))
    }

    /// Removes `key`.
    ///
    /// # Errors
    /// As [`Overlay::put`].
    pub fn delete(&mut self, key: &[u8]) -> Result<(), Failure> {
        self.write(key, None)
    }

    /// Sets a key that was not declared, because only the work at the end of a block knew it. Whatever stood there is not
    /// looked at.
    ///
    /// # Errors
    /// As [`Overlay::put`].
    pub(crate) fn put_new(&mut self, key: &[u8], value: Vec<u8>) -> Result<(), Failure> {
        let (before, start) = (self.current.clone(), self.declared.len());
        self.declare().declare(key)?;
        self.current = start..self.declared.len();
        let put = self.put(key, value);
        self.current = before;
        put
    }

    fn write(&mut self, key: &[u8], value: Option<Vec<u8>>) -> Result<(), Failure> {
        let slot = self.slot(key)?;
        if let Some((_, written)) = self.journal.iter_mut().find(|(written, _)| *written == slot) {
            *written = value;
            return Ok(());
        }
        if key.is_empty() || key.len() > KEY_BYTES_MAX || self.journal.len() >= TX_WRITE_COUNT_MAX {
            return Err(Failure::new(codes::WRITE_LIMIT_EXCEEDED));
        }
        self.journal.push((slot, value));
        Ok(())
    }

    /// Emits an event; `data` is JSON with ascending keys.
    ///
    /// # Errors
    /// `WRITE_LIMIT_EXCEEDED` past a bound of [`crate::limits`].
    pub fn emit(&mut self, name: &str, entity: &str, data: &[u8]) -> Result<(), Failure> {
        if self.event_count >= EVENT_COUNT_MAX
            || data.len() > EVENT_DATA_BYTES_MAX
            || name.len() > usize::from(u8::MAX)
            || entity.len() > usize::from(u16::MAX)
        {
            return Err(Failure::new(codes::WRITE_LIMIT_EXCEEDED));
        }
        put_event(&mut self.events, name, entity, data);
        self.event_count += 1;
        Ok(())
    }
}

/// State and writes of one application during one block.
pub(crate) struct Namespace {
    pub overlay: Overlay,
    /// Writes of the plugin host, each key once.
    pub foreign_writes: Vec<StateWrite>,
    /// Keys of the work at the end of the block.
    pub block_keys: Declared,
    /// Positions of the transactions that the plugin host has not answered, ascending.
    pub foreign_open: Vec<usize>,
}

impl Namespace {
    pub fn new(application: Name) -> Self {
        Self {
            overlay: Overlay::new(application),
            foreign_writes: Vec::new(),
            block_keys: 0..0,
            foreign_open: Vec::new(),
        }
    }

    /// Appends the written keys with their last values, ascending, and the hash of each key where it is known.
    pub fn append_writes(self, writes: &mut Vec<StateWrite>, key_hashes: &mut Vec<Option<Hash32>>) {
        let prefix = self.overlay.prefix_bytes();
        let written = self.overlay.slots.into_iter().filter(|slot| slot.written);
        let native = written.map(|slot| {
            let write = StateWrite {
                key: StateKey::from_row(slot.row),
                value: slot.value,
            };
            (write, slot.hash)
        });
        let foreign = self.foreign_writes.into_iter().map(|write| (write, None));
        // The first bytes of the key decide nearly always, and are at hand.
        let mut sorted: Vec<(u64, StateWrite, Option<Hash32>)> = native
            .chain(foreign)
            .map(|(write, hash)| (front(write.key.row().get(prefix..).unwrap_or_default()), write, hash))
            .collect();
        sorted.sort_unstable_by(|(a, one, _), (b, other, _)| a.cmp(b).then_with(|| one.key.row().cmp(other.key.row())));
        for (_, write, hash) in sorted {
            writes.push(write);
            key_hashes.push(hash);
        }
    }
}

fn row_of(slots: &[Slot], slot: usize) -> &[u8] {
    slots.get(slot).map_or(&[], |slot| &slot.row)
}

/// Takes the keys that one transaction will read or write.
pub struct KeySink<'a> {
    overlay: &'a mut Overlay,
    start: usize,
}

impl KeySink<'_> {
    /// Declares `key` for reading and writing; a repeated declaration changes nothing.
    ///
    /// # Errors
    /// `WRITE_LIMIT_EXCEEDED` for an empty or too long key, or one key too many.
    pub fn declare(&mut self, key: &[u8]) -> Result<(), Failure> {
        let overlay = &mut *self.overlay;
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err(Failure::new(codes::WRITE_LIMIT_EXCEEDED));
        }
        let prefix = overlay.prefix_bytes();
        overlay.row.truncate(prefix);
        overlay.row.extend_from_slice(key);
        let slot = match overlay.index.get(overlay.row.as_slice()) {
            Some(slot) => *slot,
            None => {
                let slot = overlay.slots.len();
                let row: Arc<[u8]> = overlay.row.as_slice().into();
                overlay.slots.push(Slot {
                    row: row.clone(),
                    hash: None,
                    absent: false,
                    value: None,
                    written: false,
                });
                overlay.index.insert(row, slot);
                slot
            }
        };
        let own = overlay.declared.get(self.start..).unwrap_or_default();
        if own.contains(&slot) {
            return Ok(());
        }
        if own.len() >= TX_DECLARED_KEY_COUNT_MAX {
            return Err(Failure::new(codes::WRITE_LIMIT_EXCEEDED));
        }
        overlay.declared.push(slot);
        Ok(())
    }

    /// Ends the declaration.
    pub(crate) fn finish(self) -> Declared {
        self.start..self.overlay.declared.len()
    }
}
