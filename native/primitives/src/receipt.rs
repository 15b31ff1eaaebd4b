//! Receipts (formats §11): the result of a transaction.

use crate::codec::{CodecError, Object, Reader, put_bytes32, put_count8, put_count16, put_name};
use crate::limits::{EVENT_COUNT_MAX, EVENT_DATA_BYTES_MAX};
use crate::text::{Name, Text8, Text16};
use crate::{Hash32, ZERO_HASH, tag};

/// What a transaction emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Kind, such as `evidence.preserved`.
    pub name: Text8,
    /// The thing it is about.
    pub entity: Text16,
    /// JSON, at most 16,384 bytes.
    pub data: Vec<u8>,
}

/// The result of a transaction; leaf of `receipts_root`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction.
    pub tx_id: Hash32,
    /// 0 = succeeded, otherwise an error code.
    pub code: u32,
    /// Rule id such as `coldchain.not_released`, or empty.
    pub rule: Text8,
    /// Metered steps; 0 for native handlers.
    pub steps: u64,
    /// See [`write_set_digest`].
    pub write_set_digest: Hash32,
    /// At most 64.
    pub events: Vec<Event>,
}

impl Receipt {
    /// The leaf bytes.
    pub fn encode(&self) -> Vec<u8> {
        let events: usize = self
            .events
            .iter()
            .map(|e| 7 + e.name.len() + e.entity.len() + e.data.len())
            .sum();
        let mut out = Vec::with_capacity(80 + self.rule.len() + events);
        self.encode_into(&mut out);
        out
    }

    /// Appends [`Receipt::encode`] to `out`.
    pub fn encode_into(&self, out: &mut Vec<u8>) {
        let head = ReceiptHead {
            tx_id: &self.tx_id,
            code: self.code,
            rule: &self.rule,
            steps: self.steps,
            write_set_digest: &self.write_set_digest,
            event_count: self.events.len(),
        };
        head.put(out);
        for event in &self.events {
            put_event(out, &event.name, &event.entity, &event.data);
        }
    }

    /// Where the write set's digest stands in an encoded receipt, so that digests can be computed many at once;
    /// `None` when the bytes end before.
    pub fn write_set_digest_mut(encoded: &mut [u8]) -> Option<&mut Hash32> {
        let place = Self::write_set_digest_place(|offset| encoded.get(offset).copied())?;
        encoded.get_mut(place..)?.first_chunk_mut()
    }

    /// Offset of the write set's digest in an encoded receipt, whose byte at an offset `byte` tells.
    pub fn write_set_digest_place(byte: impl FnOnce(usize) -> Option<u8>) -> Option<usize> {
        Some(RULE_AT + 1 + usize::from(byte(RULE_AT)?) + 8)
    }

    /// Reads a receipt.
    ///
    /// # Errors
    /// Any broken rule of formats §1 and §11, code `RESULT_INVALID`.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Receipt, bytes);
        reader.version()?;
        let tx_id = reader.array("tx_id")?;
        let code = reader.u32("code")?;
        let rule = reader.text8("rule")?;
        let steps = reader.u64("steps")?;
        let write_set_digest = reader.array("write_set_digest")?;
        let count = reader.count16("events", EVENT_COUNT_MAX)?;
        let mut events = Vec::with_capacity(count.min(reader.remaining() / 7));
        for _ in 0..count {
            events.push(Event {
                name: reader.text8("event name")?,
                entity: reader.text16("entity")?,
                data: reader.bytes32("data", EVENT_DATA_BYTES_MAX)?.to_vec(),
            });
        }
        reader.finish()?;
        Ok(Self {
            tx_id,
            code,
            rule,
            steps,
            write_set_digest,
            events,
        })
    }
}

/// Place of the rule in an encoded receipt: behind version, id and code.
const RULE_AT: usize = 1 + 32 + 4;

/// What an encoded receipt begins with; `event_count` events follow, see [`put_event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptHead<'a> {
    /// As [`Receipt::tx_id`].
    pub tx_id: &'a Hash32,
    /// As [`Receipt::code`].
    pub code: u32,
    /// As [`Receipt::rule`], at most 255 bytes.
    pub rule: &'a str,
    /// As [`Receipt::steps`].
    pub steps: u64,
    /// As [`Receipt::write_set_digest`].
    pub write_set_digest: &'a Hash32,
    /// Events that follow.
    pub event_count: usize,
}

impl ReceiptHead<'_> {
    /// Appends the head.
    pub fn put(&self, out: &mut Vec<u8>) {
        out.push(1);
        out.extend_from_slice(self.tx_id);
        out.extend_from_slice(&self.code.to_be_bytes());
        put_count8(out, self.rule.len());
        out.extend_from_slice(self.rule.as_bytes());
        out.extend_from_slice(&self.steps.to_be_bytes());
        out.extend_from_slice(self.write_set_digest);
        put_count16(out, self.event_count);
    }
}

/// Appends an event: name of at most 255 bytes, entity of at most 65,535.
pub fn put_event(out: &mut Vec<u8>, name: &str, entity: &str, data: &[u8]) {
    put_count8(out, name.len());
    out.extend_from_slice(name.as_bytes());
    put_count16(out, entity.len());
    out.extend_from_slice(entity.as_bytes());
    put_bytes32(out, data);
}

/// One write of a transaction; `value: None` deletes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Write<'a> {
    /// The namespace.
    pub application: &'a Name,
    /// The key inside the namespace.
    pub key: &'a [u8],
    /// The new value.
    pub value: Option<&'a [u8]>,
}

/// Appends a write as the digest of a write set takes it; a deleted key with an empty value.
pub fn put_write(out: &mut Vec<u8>, write: &Write<'_>) {
    put_name(out, write.application);
    put_bytes32(out, write.key);
    out.push(u8::from(write.value.is_some()));
    put_bytes32(out, write.value.unwrap_or_default());
}

/// The digest of a transaction's writes, which the caller gives in key order; zeros when there are none. It is the hash
/// of [`put_write`] of each, under [`tag::WRITE_SET`].
pub fn write_set_digest<'a>(writes: impl IntoIterator<Item = Write<'a>>) -> Hash32 {
    let mut bytes = Vec::new();
    writes.into_iter().for_each(|write| put_write(&mut bytes, &write));
    if bytes.is_empty() {
        ZERO_HASH
    } else {
        tag::WRITE_SET.hash(&[&bytes])
    }
}
