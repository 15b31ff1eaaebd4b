//! State of one native application during one block: prefetched values, and a journal for the transaction that runs.
//!
//! Invariants:
//! 1. A handler reaches the keys its transaction declared and no other.
//! 2. Writes stay in the journal until the transaction has succeeded; a failure drops the journal and its events.
//! 3. Transactions run one after another in block order, so that each sees the writes of all before it.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use hn_primitives::{Event, Hash32, Name, Text8, Text16, Write, codes, write_set_digest};

use crate::application::Failure;
use crate::limits::{
    EVENT_COUNT_MAX, EVENT_DATA_BYTES_MAX, KEY_BYTES_MAX, TX_DECLARED_KEY_COUNT_MAX, TX_WRITE_COUNT_MAX,
    VALUE_BYTES_MAX,
};

struct Slot {
    key: Arc<[u8]>,
    value: Option<Vec<u8>>,
    written: bool,
}

/// Keys that one transaction declared, as a range of the overlay's declaration list.
pub(crate) type Declared = Range<usize>;

/// What a succeeded transaction leaves behind for its receipt.
pub(crate) struct Committed {
    pub write_set_digest: Hash32,
    pub events: Vec<Event>,
}

/// Overlay state of one application; see the module.
#[derive(Default)]
pub struct Overlay {
    slots: Vec<Slot>,
    index: HashMap<Arc<[u8]>, usize>,
    /// Slot numbers, the declared keys of all transactions behind each other.
    declared: Vec<usize>,
    current: Declared,
    /// (slot, value) of the running transaction, one entry a key.
    journal: Vec<(usize, Option<Vec<u8>>)>,
    events: Vec<Event>,
}

impl Overlay {
    /// Starts the declaration of the next transaction.
    pub(crate) fn declare(&mut self) -> KeySink<'_> {
        let start = self.declared.len();
        KeySink { overlay: self, start }
    }

    /// Every declared key once, in order of first declaration.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.slots.iter().map(|slot| &*slot.key)
    }

    /// Number of distinct declared keys.
    pub(crate) fn key_count(&self) -> usize {
        self.slots.len()
    }

    /// Fills in the values before the block, in the order of [`Overlay::keys`].
    pub(crate) fn supply(&mut self, values: impl Iterator<Item = Option<Vec<u8>>>) {
        for (slot, value) in self.slots.iter_mut().zip(values) {
            slot.value = value;
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
    }

    /// Moves the journal into the state of `application`.
    pub(crate) fn commit(&mut self, application: &Name) -> Committed {
        let slots = &self.slots;
        self.journal
            .sort_unstable_by(|(a, _), (b, _)| key_of(slots, *a).cmp(key_of(slots, *b)));
        let writes = self.journal.iter().map(|(slot, value)| {
            let (key, value) = (key_of(slots, *slot), value.as_deref());
            Write {
                application,
                key,
                value,
            }
        });
        let digest = write_set_digest(writes);
        for (slot, value) in self.journal.drain(..) {
            if let Some(slot) = self.slots.get_mut(slot) {
                slot.value = value;
                slot.written = true;
            }
        }
        Committed {
            write_set_digest: digest,
            events: std::mem::take(&mut self.events),
        }
    }

    fn slot(&self, key: &[u8]) -> Result<usize, Failure> {
        let declared = self.declared.get(self.current.clone()).unwrap_or_default();
        declared
            .iter()
            .copied()
            .find(|slot| key_of(&self.slots, *slot) == key)
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
    pub fn emit(&mut self, name: &str, entity: String, data: Vec<u8>) -> Result<(), Failure> {
        let exceeded = |_| Failure::new(codes::WRITE_LIMIT_EXCEEDED);
        if self.events.len() >= EVENT_COUNT_MAX || data.len() > EVENT_DATA_BYTES_MAX {
            return Err(Failure::new(codes::WRITE_LIMIT_EXCEEDED));
        }
        let event = Event {
            name: Text8::new(name).map_err(exceeded)?,
            entity: Text16::new(entity).map_err(exceeded)?,
            data,
        };
        self.events.push(event);
        Ok(())
    }
}

/// State and writes of one application during one block.
#[derive(Default)]
pub(crate) struct Namespace {
    pub overlay: Overlay,
    /// Writes of the plugin host.
    pub foreign_writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Positions of the transactions that the plugin host has not answered, ascending.
    pub foreign_open: Vec<usize>,
}

impl Namespace {
    /// The written keys with their last values, ascending.
    pub fn into_writes(self) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let written = self.overlay.slots.into_iter().filter(|slot| slot.written);
        let mut writes: Vec<_> = written.map(|slot| (slot.key.to_vec(), slot.value)).collect();
        writes.extend(self.foreign_writes);
        writes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        writes
    }
}

fn key_of(slots: &[Slot], slot: usize) -> &[u8] {
    slots.get(slot).map_or(&[], |slot| &slot.key)
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
        let slot = match overlay.index.get(key) {
            Some(slot) => *slot,
            None => {
                let slot = overlay.slots.len();
                let key: Arc<[u8]> = key.into();
                overlay.slots.push(Slot {
                    key: key.clone(),
                    value: None,
                    written: false,
                });
                overlay.index.insert(key, slot);
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
