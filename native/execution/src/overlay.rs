//! State of one native application during one block: prefetched values, and a journal for the transaction that runs.
//!
//! Invariants:
//! 1. A handler reaches the keys its transaction declared and no other.
//! 2. Writes stay in the journal until the transaction has succeeded; a failure drops the journal and its events.
//! 3. Transactions run one after another in block order, so that each sees the writes of all before it.

use std::ops::Range;

use hn_primitives::{Hash32, Name, Write, codes, put_event, put_write};

use crate::application::Failure;
use crate::declared::DeclaredKeys;
use crate::foreign::front;
use crate::limits::{
    EVENT_COUNT_MAX, EVENT_DATA_BYTES_MAX, KEY_BYTES_MAX, TX_DECLARED_KEY_COUNT_MAX, TX_WRITE_COUNT_MAX,
    VALUE_BYTES_MAX,
};
use crate::writes::{StateKey, StateWrite, StateWrites};

/// Bytes of an ordinary write as its digest takes it; only room is made by them.
const WRITE_BYTES: usize = 192;

/// What stands under a declared key.
enum Held {
    /// The value before the block.
    Before(Option<Vec<u8>>),
    /// A value of this block, a part of the write sets.
    Written(Range<usize>),
    Deleted,
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
    keys: DeclaredKeys,
    /// What stands under each of them.
    slots: Vec<Held>,
    /// Hashes of the row keys, and which of them are known to have no value before the block; of the first keys, when
    /// somebody has asked.
    hashes: Vec<Hash32>,
    absent: Vec<bool>,
    /// Numbers of keys, those of all transactions behind each other.
    declared: Vec<usize>,
    current: Declared,
    /// (key, value) of the running transaction, one entry a key.
    journal: Vec<(usize, Option<Vec<u8>>)>,
    /// Events of the running transaction, encoded.
    events: Vec<u8>,
    event_count: usize,
    /// Writes of the succeeded transactions as their digests take them, behind each other.
    write_sets: Vec<u8>,
}

impl Overlay {
    fn new(application: Name) -> Self {
        Self {
            application,
            keys: DeclaredKeys::new(&application),
            slots: Vec::new(),
            hashes: Vec::new(),
            absent: Vec::new(),
            declared: Vec::new(),
            current: 0..0,
            journal: Vec::new(),
            events: Vec::new(),
            event_count: 0,
            write_sets: Vec::new(),
        }
    }

    /// Starts the declaration of the next transaction.
    pub(crate) fn declare(&mut self) -> KeySink<'_> {
        let start = self.declared.len();
        KeySink { overlay: self, start }
    }

    /// Row key of every declared key, once, in order of first declaration.
    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.keys.rows()
    }

    /// Takes the hash of every key of [`Overlay::rows`], and whether it is known to be absent.
    pub(crate) fn learn(&mut self, hashes: Vec<Hash32>, absent: Vec<bool>) {
        self.hashes = hashes;
        self.absent = absent;
    }

    /// Numbers of the declared keys whose values are asked for, in order of first declaration.
    fn open(&self) -> impl Iterator<Item = usize> {
        let absent = |number: &usize| self.absent.get(*number) == Some(&true);
        (0..self.slots.len()).filter(move |number| !absent(number))
    }

    /// The declared keys whose values are asked for, in order of first declaration.
    pub(crate) fn keys(&self) -> impl Iterator<Item = StateKey<'_>> {
        self.open().map(|number| StateKey::from_row(self.keys.row(number)))
    }

    /// Number of [`Overlay::keys`].
    pub(crate) fn key_count(&self) -> usize {
        self.open().count()
    }

    /// Fills in the values before the block, in the order of [`Overlay::keys`]; takes as many as there are keys.
    pub(crate) fn supply(&mut self, values: &mut impl Iterator<Item = Option<Vec<u8>>>) {
        for number in 0..self.slots.len() {
            if self.absent.get(number) != Some(&true)
                && let Some(slot) = self.slots.get_mut(number)
            {
                *slot = Held::Before(values.next().flatten());
            }
        }
        self.write_sets.reserve(WRITE_BYTES * self.declared.len());
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
            keys,
            slots,
            journal,
            write_sets,
            ..
        } = self;
        // One application's row keys stand in the order of their keys.
        journal.sort_unstable_by(|(a, _), (b, _)| keys.row(*a).cmp(keys.row(*b)));
        let start = write_sets.len();
        for (number, value) in journal.drain(..) {
            let write = Write {
                application,
                key: keys.key(number),
                value: value.as_deref(),
            };
            put_write(write_sets, &write);
            if let Some(slot) = slots.get_mut(number) {
                let end = write_sets.len();
                *slot = match value {
                    Some(value) => Held::Written(end - value.len()..end),
                    None => Held::Deleted,
                };
            }
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

    /// The number of a key that the running transaction declared.
    fn number(&self, key: &[u8]) -> Result<usize, Failure> {
        let declared = self.declared.get(self.current.clone()).unwrap_or_default();
        let found = declared.iter().copied().find(|number| self.keys.key(*number) == key);
        found.ok_or(Failure::new(codes::UNDECLARED_ACCESS))
    }

    /// What stands under key `number` after the transactions that have succeeded.
    fn held(&self, number: usize) -> Option<&[u8]> {
        match self.slots.get(number)? {
            Held::Before(value) => value.as_deref(),
            Held::Written(range) => self.write_sets.get(range.clone()),
            Held::Deleted => None,
        }
    }

    /// The value of `key` as this transaction sees it.
    ///
    /// # Errors
    /// `UNDECLARED_ACCESS` for a key the transaction did not declare.
    pub fn get(&self, key: &[u8]) -> Result<Option<&[u8]>, Failure> {
        let number = self.number(key)?;
        let value = match self.journal.iter().find(|(written, _)| *written == number) {
            Some((_, value)) => value.as_deref(),
            None => self.held(number),
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
        let number = self.number(key)?;
        if let Some((_, written)) = self.journal.iter_mut().find(|(other, _)| *other == number) {
            *written = value;
            return Ok(());
        }
        if key.is_empty() || key.len() > KEY_BYTES_MAX || self.journal.len() >= TX_WRITE_COUNT_MAX {
            return Err(Failure::new(codes::WRITE_LIMIT_EXCEEDED));
        }
        self.journal.push((number, value));
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
    /// Writes of the plugin host, each key once, ascending; none beside those of a native application.
    pub foreign_writes: StateWrites,
    /// Keys of the work at the end of the block.
    pub block_keys: Declared,
    /// Positions of the transactions that the plugin host has not answered, ascending.
    pub foreign_open: Vec<usize>,
}

impl Namespace {
    pub fn new(application: Name) -> Self {
        Self {
            overlay: Overlay::new(application),
            foreign_writes: StateWrites::default(),
            block_keys: 0..0,
            foreign_open: Vec::new(),
        }
    }

    /// Appends the written keys with their last values, ascending, and the hash of each key where it is known.
    pub fn append_writes(self, writes: &mut StateWrites, key_hashes: &mut Vec<Option<Hash32>>) {
        let overlay = &self.overlay;
        let changed = |slot: &Held| !matches!(slot, Held::Before(_));
        let written = (0..).zip(&overlay.slots).filter(|(_, slot)| changed(slot));
        // The first bytes of the key decide nearly always, and are at hand.
        let mut order: Vec<(u64, usize)> = written
            .map(|(number, _)| (front(overlay.keys.key(number)), number))
            .collect();
        order.sort_unstable_by(|(a, one), (b, other)| {
            a.cmp(b)
                .then_with(|| overlay.keys.row(*one).cmp(overlay.keys.row(*other)))
        });
        writes.reserve(order.len(), overlay.keys.byte_count() + overlay.write_sets.len());
        for (_, number) in order {
            writes.push(StateWrite {
                key: StateKey::from_row(overlay.keys.row(number)),
                value: overlay.held(number),
            });
            key_hashes.push(overlay.hashes.get(number).copied());
        }
        key_hashes.extend(self.foreign_writes.iter().map(|_| None));
        self.foreign_writes.iter().for_each(|write| writes.push(write));
    }
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
        let number = overlay.keys.declare(key);
        if number == overlay.slots.len() {
            overlay.slots.push(Held::Before(None));
        }
        let own = overlay.declared.get(self.start..).unwrap_or_default();
        if own.contains(&number) {
            return Ok(());
        }
        if own.len() >= TX_DECLARED_KEY_COUNT_MAX {
            return Err(Failure::new(codes::WRITE_LIMIT_EXCEEDED));
        }
        overlay.declared.push(number);
        Ok(())
    }

    /// Ends the declaration.
    pub(crate) fn finish(self) -> Declared {
        self.start..self.overlay.declared.len()
    }
}
