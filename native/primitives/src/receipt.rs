//! Receipts (formats §11): the result of a transaction.

use crate::codec::{CodecError, Object, Reader, put_bytes32, put_count16, put_name, put_text8, put_text16};
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
        out.push(1);
        out.extend_from_slice(&self.tx_id);
        out.extend_from_slice(&self.code.to_be_bytes());
        put_text8(&mut out, &self.rule);
        out.extend_from_slice(&self.steps.to_be_bytes());
        out.extend_from_slice(&self.write_set_digest);
        put_count16(&mut out, self.events.len());
        for event in &self.events {
            put_text8(&mut out, &event.name);
            put_text16(&mut out, &event.entity);
            put_bytes32(&mut out, &event.data);
        }
        out
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

/// The digest of a transaction's writes, which the caller gives in key order; zeros when there are none.
/// A deleted key is written with an empty value.
pub fn write_set_digest<'a>(writes: impl IntoIterator<Item = Write<'a>>) -> Hash32 {
    let mut hasher = tag::WRITE_SET.start();
    let mut empty = true;
    let mut entry = Vec::new();
    for write in writes {
        empty = false;
        entry.clear();
        put_name(&mut entry, write.application);
        put_bytes32(&mut entry, write.key);
        entry.push(u8::from(write.value.is_some()));
        put_bytes32(&mut entry, write.value.unwrap_or_default());
        hasher.update(&entry);
    }
    if empty { ZERO_HASH } else { hasher.finalize() }
}
