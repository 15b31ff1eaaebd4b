//! Transactions that the plugin host runs: what it is given, and what its results may hold.
//!
//! The host is trusted to run the right code, not to keep the bounds: a result that breaks one becomes a receipt
//! `RESULT_INVALID` without writes, the same on every node, because the same code made it there.

use std::ops::Range;

use hn_pool::AccountState;
use hn_primitives::{Account, Hash32, Name, ReceiptHead, Write, ZERO_HASH, codes, put_event, put_write};
use serde::de::IgnoredAny;

use crate::check::{Outcome, logged};
use crate::digests::OpenDigest;
use crate::error::ExecutionError;
use crate::limits::{EVENT_COUNT_MAX, EVENT_DATA_BYTES_MAX, KEY_BYTES_MAX, TX_WRITE_COUNT_MAX, VALUE_BYTES_MAX};
use crate::packed::{PackedEvent, PackedResult, PackedWrite, ResultPacker, Unpacked};
use crate::writes::StateWrites;

/// A transaction for the plugin host; it passed every check before the handler.
#[derive(Debug, Clone, Copy)]
pub struct ForeignTx<'a> {
    /// Position in the block.
    pub tx_index: u32,
    /// Its id.
    pub tx_id: &'a Hash32,
    /// Its sender.
    pub sender: &'a Account,
    /// The sender's record after the block before.
    pub account: &'a AccountState,
    /// The action.
    pub action: &'a str,
    /// The payload.
    pub payload: &'a [u8],
}

/// One application's transactions, in block order.
#[derive(Debug, Clone)]
pub struct ForeignGroup<'a> {
    /// The application.
    pub application: &'a str,
    /// Its transactions, ascending by `tx_index`.
    pub txs: Vec<ForeignTx<'a>>,
}

/// An event as the host reports it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForeignEvent {
    /// Kind.
    pub name: String,
    /// The thing it is about.
    pub entity: String,
    /// JSON.
    pub data: Vec<u8>,
}

/// Result of one transaction as the host reports it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForeignResult {
    /// Position in the block.
    pub tx_index: u32,
    /// 0 = succeeded, else a code of the range 4xxx.
    pub code: u32,
    /// Rule id; needed with `RULE_VIOLATION`, empty when succeeded.
    pub rule: String,
    /// Metered steps.
    pub steps: u64,
    /// Keys of the application with their new values, `None` = deleted; no key twice, any order.
    pub writes: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Events in the order they were emitted.
    pub events: Vec<ForeignEvent>,
}

impl ForeignResult {
    /// Results as [`crate::BlockExecution::complete`] takes them.
    pub fn pack(results: &[Self]) -> Vec<u8> {
        let mut packer = ResultPacker::default();
        for result in results {
            let counts = (result.writes.len(), result.events.len());
            packer.result(result.tx_index, result.code, result.steps, &result.rule, counts);
            for (key, value) in &result.writes {
                packer.write(key, value.as_deref());
            }
            for event in &result.events {
                packer.event(&event.name, &event.entity, &event.data);
            }
        }
        packer.finish()
    }

    /// Whether these are well-formed results of just these transactions, in this order: what
    /// [`crate::BlockExecution::complete`] takes. What they hold is not judged.
    pub fn matches(packed: &[u8], tx_indices: &[u32]) -> bool {
        Unpacked::read(packed).is_ok_and(|unpacked| {
            let found = unpacked.results.iter().map(|result| &result.tx_index);
            found.eq(tx_indices)
        })
    }

    /// Results that were packed, their writes in key order.
    ///
    /// # Errors
    /// `ResultsMalformed`: the layout is broken, or a text is no UTF-8.
    pub fn unpack(packed: &[u8]) -> Result<Vec<Self>, ExecutionError> {
        let unpacked = Unpacked::read(packed)?;
        let text = |bytes: &[u8]| std::str::from_utf8(bytes).map(str::to_owned);
        let event = |event: &PackedEvent<'_>| {
            Ok(ForeignEvent {
                name: text(event.name)?,
                entity: text(event.entity)?,
                data: event.data.to_vec(),
            })
        };
        let results = unpacked.results.iter().map(|result| {
            let writes = unpacked.writes.get(result.writes.clone()).unwrap_or_default().iter();
            let mut writes: Vec<_> = writes
                .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)))
                .collect();
            writes.sort_unstable();
            let events = unpacked.events.get(result.events.clone()).unwrap_or_default();
            Ok(Self {
                tx_index: result.tx_index,
                code: result.code,
                rule: text(result.rule)?,
                steps: result.steps,
                writes,
                events: events.iter().map(event).collect::<Result<_, std::str::Utf8Error>>()?,
            })
        });
        let results: Result<_, std::str::Utf8Error> = results.collect();
        results.map_err(|_| ExecutionError::ResultsMalformed(packed.len()))
    }
}

/// Turns the results of one application into receipts and writes.
pub(crate) struct Settlement<'a> {
    application: &'a Name,
    index: usize,
    unpacked: &'a Unpacked<'a>,
    log: &'a mut Vec<u8>,
    /// Behind each other what the digests of the write sets cover.
    write_sets: &'a mut Vec<u8>,
    open: Vec<OpenDigest>,
    /// Writes of the transaction at hand, in key order.
    sorted: Vec<PackedWrite<'a>>,
    /// Writes of all transactions, in the order of these.
    written: Vec<Ordered<'a>>,
}

/// A write with what decides its place: the first bytes of its key, and how many writes came before it.
struct Ordered<'a> {
    front: u64,
    number: usize,
    write: PackedWrite<'a>,
}

impl<'a> Settlement<'a> {
    /// For application number `index`; receipts go to `log`, write sets to `write_sets`.
    pub fn new(
        (index, application): (usize, &'a Name),
        unpacked: &'a Unpacked<'a>,
        log: &'a mut Vec<u8>,
        write_sets: &'a mut Vec<u8>,
    ) -> Self {
        Self {
            application,
            index,
            unpacked,
            log,
            write_sets,
            open: Vec::with_capacity(unpacked.results.len()),
            sorted: Vec::new(),
            written: Vec::with_capacity(unpacked.writes.len()),
        }
    }

    /// Writes the receipt of one result; without writes and events when it breaks a bound.
    pub fn settle(&mut self, tx_id: &Hash32, result: &PackedResult<'a>) -> Outcome {
        let unpacked = self.unpacked;
        let events = unpacked.events.get(result.events.clone()).unwrap_or_default();
        self.sorted.clear();
        let writes = unpacked.writes.get(result.writes.clone()).unwrap_or_default();
        let rule = check(result, writes.len(), events).filter(|_| self.take_writes(writes));
        let Some(rule) = rule else {
            let head = ReceiptHead {
                tx_id,
                code: codes::RESULT_INVALID,
                rule: "",
                steps: result.steps,
                write_set_digest: &ZERO_HASH,
                event_count: 0,
            };
            return logged(self.log, head.code, |log| head.put(log));
        };
        let head = ReceiptHead {
            tx_id,
            code: result.code,
            rule,
            steps: result.steps,
            write_set_digest: &ZERO_HASH,
            event_count: events.len(),
        };
        let outcome = logged(self.log, head.code, |log| {
            head.put(log);
            for event in events {
                // Both texts were checked.
                let (name, entity) = (std::str::from_utf8(event.name), std::str::from_utf8(event.entity));
                put_event(log, name.unwrap_or_default(), entity.unwrap_or_default(), event.data);
            }
        });
        if let (Outcome::Done { receipt, .. }, false) = (&outcome, self.sorted.is_empty()) {
            let write_set = self.put_write_set();
            self.open.push(OpenDigest {
                receipt: receipt.clone(),
                application: self.index,
                write_set,
            });
        }
        outcome
    }

    /// Sorts the writes of one transaction; `false` when they break a bound.
    fn take_writes(&mut self, writes: &[PackedWrite<'a>]) -> bool {
        self.sorted.extend_from_slice(writes);
        if !ascending(&self.sorted) {
            self.sorted.sort_unstable_by_key(|(key, _)| *key);
        }
        ascending(&self.sorted)
            && self.sorted.iter().all(|(key, value)| {
                (1..=KEY_BYTES_MAX).contains(&key.len()) && value.is_none_or(|value| value.len() <= VALUE_BYTES_MAX)
            })
    }

    fn put_write_set(&mut self) -> Range<usize> {
        let start = self.write_sets.len();
        for (key, value) in self.sorted.drain(..) {
            let write = Write {
                application: self.application,
                key,
                value,
            };
            put_write(self.write_sets, &write);
            self.written.push(Ordered {
                front: front(key),
                number: self.written.len(),
                write: (key, value),
            });
        }
        start..self.write_sets.len()
    }

    /// The digests that the receipts wait for, and the last write of each key, ascending.
    pub fn finish(mut self) -> (Vec<OpenDigest>, StateWrites) {
        let place = |one: &Ordered<'_>, other: &Ordered<'_>| {
            let keys = one.front.cmp(&other.front).then_with(|| one.write.0.cmp(other.write.0));
            keys.then_with(|| other.number.cmp(&one.number))
        };
        self.written.sort_unstable_by(place);
        self.written.dedup_by(|later, first| later.write.0 == first.write.0);
        let mut writes = StateWrites::default();
        // Row keys and values together are not longer than the write sets.
        writes.reserve(self.written.len(), self.write_sets.len());
        for Ordered {
            write: (key, value), ..
        } in &self.written
        {
            writes.push_key(self.application, key, *value);
        }
        (self.open, writes)
    }
}

/// The first eight bytes of a key, zeros behind a shorter one; they stand in the order of the keys.
pub(crate) fn front(key: &[u8]) -> u64 {
    let mut front = [0; 8];
    front.iter_mut().zip(key).for_each(|(byte, own)| *byte = *own);
    u64::from_be_bytes(front)
}

fn ascending(writes: &[PackedWrite<'_>]) -> bool {
    writes.is_sorted_by(|(a, _), (b, _)| a < b)
}

/// The rule's text when code, rule, counts and events keep their bounds.
fn check<'a>(result: &PackedResult<'a>, write_count: usize, events: &[PackedEvent<'_>]) -> Option<&'a str> {
    let rule = std::str::from_utf8(result.rule).ok()?;
    let code = result.code;
    let bare = write_count == 0 && events.is_empty();
    let fits = code_fits(code, rule)
        && rule.len() <= usize::from(u8::MAX)
        && (code == codes::OK || bare)
        && write_count <= TX_WRITE_COUNT_MAX
        && events.len() <= EVENT_COUNT_MAX
        && events.iter().all(event_fits);
    fits.then_some(rule)
}

fn code_fits(code: u32, rule: &str) -> bool {
    match code {
        codes::OK => rule.is_empty(),
        codes::RULE_VIOLATION => !rule.is_empty() && rule.bytes().all(|byte| byte.is_ascii_graphic()),
        _ => (4_000..5_000).contains(&code) && codes::name(code).is_some() && rule.is_empty(),
    }
}

fn event_fits(event: &PackedEvent<'_>) -> bool {
    let text = |bytes: &[u8], most: usize| bytes.len() <= most && std::str::from_utf8(bytes).is_ok();
    !event.name.is_empty()
        && text(event.name, usize::from(u8::MAX))
        && text(event.entity, usize::from(u16::MAX))
        && event.data.len() <= EVENT_DATA_BYTES_MAX
        && serde_json::from_slice::<IgnoredAny>(event.data).is_ok()
}
