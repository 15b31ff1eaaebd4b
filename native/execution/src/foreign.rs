//! Transactions that the plugin host runs: what it is given, and what its results may hold.
//!
//! The host is trusted to run the right code, not to keep the bounds: a result that breaks one becomes a receipt
//! `RESULT_INVALID` without writes, the same on every node, because the same code made it there.

use hn_pool::AccountState;
use hn_primitives::{Account, Event, Hash32, Name, Receipt, Text8, Text16, Write, ZERO_HASH, codes, write_set_digest};
use serde::de::IgnoredAny;

use crate::limits::{EVENT_COUNT_MAX, EVENT_DATA_BYTES_MAX, KEY_BYTES_MAX, TX_WRITE_COUNT_MAX, VALUE_BYTES_MAX};

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

/// Writes of one transaction in key order.
pub(crate) type KeyWrites = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// Turns a result into its receipt and the writes to apply.
pub(crate) fn settle(application: &Name, tx_id: &Hash32, result: ForeignResult) -> (Receipt, KeyWrites) {
    let steps = result.steps;
    check(application, tx_id, result).unwrap_or_else(|| {
        let receipt = Receipt {
            tx_id: *tx_id,
            code: codes::RESULT_INVALID,
            rule: Text8::default(),
            steps,
            write_set_digest: ZERO_HASH,
            events: Vec::new(),
        };
        (receipt, Vec::new())
    })
}

/// `None` when the result breaks a bound.
fn check(application: &Name, tx_id: &Hash32, result: ForeignResult) -> Option<(Receipt, KeyWrites)> {
    let ForeignResult {
        code,
        rule,
        steps,
        mut writes,
        events,
        ..
    } = result;
    if !code_fits(code, &rule) || (code != codes::OK && !(writes.is_empty() && events.is_empty())) {
        return None;
    }
    if writes.len() > TX_WRITE_COUNT_MAX || events.len() > EVENT_COUNT_MAX {
        return None;
    }
    writes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    let ascending = writes.is_sorted_by(|(a, _), (b, _)| a < b);
    let bounded = writes.iter().all(|(key, value)| {
        (1..=KEY_BYTES_MAX).contains(&key.len()) && value.as_ref().is_none_or(|value| value.len() <= VALUE_BYTES_MAX)
    });
    if !ascending || !bounded {
        return None;
    }
    let write_set_digest = write_set_digest(writes.iter().map(|(key, value)| Write {
        application,
        key,
        value: value.as_deref(),
    }));
    let events = events.into_iter().map(check_event).collect::<Option<_>>()?;
    let rule = Text8::new(rule).ok()?;
    Some((
        Receipt {
            tx_id: *tx_id,
            code,
            rule,
            steps,
            write_set_digest,
            events,
        },
        writes,
    ))
}

fn code_fits(code: u32, rule: &str) -> bool {
    match code {
        codes::OK => rule.is_empty(),
        codes::RULE_VIOLATION => !rule.is_empty() && rule.bytes().all(|byte| byte.is_ascii_graphic()),
        _ => (4_000..5_000).contains(&code) && codes::name(code).is_some() && rule.is_empty(),
    }
}

fn check_event(event: ForeignEvent) -> Option<Event> {
    let ForeignEvent { name, entity, data } = event;
    if data.len() > EVENT_DATA_BYTES_MAX || name.is_empty() || serde_json::from_slice::<IgnoredAny>(&data).is_err() {
        return None;
    }
    Some(Event {
        name: Text8::new(name).ok()?,
        entity: Text16::new(entity).ok()?,
        data,
    })
}
