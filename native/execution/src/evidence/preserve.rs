//! Preserving: a hash, the root over a batch, and a hash together with how it was collected.

use std::borrow::Cow;

use hn_primitives::{Hash32, codes};
use serde::Deserialize;

use super::circumstances::{Circumstances, TimeToken};
use super::fields::Stamp;
use super::keys::{EvidenceKey, batch_key, record_key};
use super::record::{Algorithm, EvidenceRecord};
use super::{CIRCUMSTANCE_BYTES_MAX, NAME_BYTES_MAX, TOKEN_SKEW_MS_MAX};
use crate::application::{Failure, Operation, TxContext};
use crate::json::{Hex, HexText, ObjectWriter, decode_payload, present};
use crate::overlay::{KeySink, Overlay};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreservePayload<'a> {
    hash: Hex<32>,
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    #[serde(default, deserialize_with = "present")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    previous: Option<Hex<32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PreserveBatchPayload<'a> {
    root: Hex<32>,
    leaf_count: u64,
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenPayload {
    time_ms: u64,
    hash: Hex<32>,
    #[serde(default, deserialize_with = "present")]
    issuer: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CollectPayload<'a> {
    hash: Hex<32>,
    #[serde(borrow)]
    algorithm: Cow<'a, str>,
    #[serde(default, deserialize_with = "present")]
    size: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    previous: Option<Hex<32>>,
    #[serde(default, deserialize_with = "present")]
    mime: Option<String>,
    #[serde(default, deserialize_with = "present")]
    collector: Option<String>,
    #[serde(default, deserialize_with = "present")]
    environment: Option<Hex<32>>,
    #[serde(default, deserialize_with = "present")]
    owner_ref: Option<Hex<34>>,
    #[serde(default, deserialize_with = "present")]
    token: Option<TokenPayload>,
}

/// A record to write: of one hash, or of the root over a batch.
struct Preserve {
    hash: Hash32,
    algorithm: Algorithm,
    size: u64,
    name: String,
    previous: Option<Hash32>,
    batch: bool,
}

/// A record with its circumstances.
struct Collect {
    record: Preserve,
    circumstances: Circumstances,
}

pub(super) fn checked_name(name: Option<String>) -> Result<String, Failure> {
    let name = name.unwrap_or_default();
    if name.len() > NAME_BYTES_MAX {
        return Err(Failure::new(codes::PAYLOAD_INVALID));
    }
    Ok(name)
}

fn checked_circumstance(text: Option<String>) -> Result<String, Failure> {
    let text = text.unwrap_or_default();
    if text.len() > CIRCUMSTANCE_BYTES_MAX {
        return Err(Failure::new(codes::PAYLOAD_INVALID));
    }
    Ok(text)
}

pub(super) fn prepare(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: PreservePayload<'_> = decode_payload(tx.payload)?;
    let algorithm = Algorithm::from_name(&payload.algorithm).ok_or(Failure::new(codes::PAYLOAD_INVALID))?;
    let name = checked_name(payload.name)?;
    let hash = payload.hash.0;
    keys.declare(&record_key(&hash, tx.sender))?;
    let previous = payload.previous.map(|Hex(previous)| previous);
    if let Some(previous) = &previous {
        keys.declare(&record_key(previous, tx.sender))?;
    }
    Ok(Box::new(Preserve {
        hash,
        algorithm,
        size: payload.size.unwrap_or_default(),
        name,
        previous,
        batch: false,
    }))
}

pub(super) fn prepare_batch(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: PreserveBatchPayload<'_> = decode_payload(tx.payload)?;
    let name = checked_name(payload.name)?;
    if payload.leaf_count == 0 || payload.algorithm != Algorithm::Sm3.name() {
        return Err(Failure::new(codes::PAYLOAD_INVALID));
    }
    let hash = payload.root.0;
    keys.declare(&batch_key(&hash, tx.sender))?;
    Ok(Box::new(Preserve {
        hash,
        algorithm: Algorithm::Sm3,
        size: payload.leaf_count,
        name,
        previous: None,
        batch: true,
    }))
}

pub(super) fn prepare_collect(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: CollectPayload<'_> = decode_payload(tx.payload)?;
    let (hash, owner) = (payload.hash.0, *tx.sender);
    let previous = payload.previous.map(|Hex(previous)| previous);
    let token = payload.token.map(|token| {
        Ok(TimeToken {
            time_ms: token.time_ms,
            hash: token.hash.0,
            issuer: checked_circumstance(token.issuer)?,
        })
    });
    let collect = Collect {
        record: Preserve {
            hash,
            algorithm: Algorithm::from_name(&payload.algorithm).ok_or(Failure::new(codes::PAYLOAD_INVALID))?,
            size: payload.size.unwrap_or_default(),
            name: checked_name(payload.name)?,
            previous,
            batch: false,
        },
        circumstances: Circumstances {
            stamp: Stamp::of(tx),
            mime: checked_circumstance(payload.mime)?,
            collector: checked_circumstance(payload.collector)?,
            environment: payload.environment.map(|Hex(hash)| hash),
            owner_ref: payload.owner_ref.map(|Hex(reference)| reference),
            token: token.transpose()?,
        },
    };
    keys.declare(&record_key(&hash, &owner))?;
    keys.declare(&EvidenceKey::Circumstances { hash, owner }.encode())?;
    if let Some(previous) = &previous {
        keys.declare(&record_key(previous, &owner))?;
    }
    Ok(Box::new(collect))
}

impl Operation for Preserve {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        let key = match self.batch {
            true => batch_key(&self.hash, tx.sender),
            false => record_key(&self.hash, tx.sender),
        };
        if state.get(&key)?.is_some() {
            return Ok(());
        }
        if let Some(previous) = &self.previous
            && state.get(&record_key(previous, tx.sender))?.is_none()
        {
            return Err(Failure::rule("evidence.previous_unknown"));
        }
        let record = EvidenceRecord {
            height: tx.height,
            time_ms: tx.time_ms,
            tx_id: *tx.tx_id,
            algorithm: self.algorithm,
            size: self.size,
            name: self.name.clone(),
            previous: self.previous,
        };
        state.put(&key, record.encode().map_err(|_| Failure::new(codes::PAYLOAD_INVALID))?)?;
        let data = ObjectWriter::new(224 + self.name.len()).text("algorithm", self.algorithm.name());
        if self.batch {
            let data = data
                .number("leaf_count", self.size)
                .text("name", &self.name)
                .hex("owner", tx.sender)
                .finish();
            return state.emit("evidence.batch_preserved", HexText::new(&self.hash).as_str(), &data);
        }
        let mut data = data.text("name", &self.name).hex("owner", tx.sender);
        if let Some(previous) = &self.previous {
            data = data.hex("previous", previous);
        }
        state.emit(
            "evidence.preserved",
            HexText::new(&self.hash).as_str(),
            &data.number("size", self.size).finish(),
        )
    }
}

impl Operation for Collect {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        let (hash, owner) = (self.record.hash, *tx.sender);
        let key = EvidenceKey::Circumstances { hash, owner }.encode();
        if state.get(&record_key(&hash, &owner))?.is_some() {
            // What is known of the collection cannot be said afterwards.
            return match state.get(&key)? {
                Some(_) => Ok(()),
                None => Err(Failure::rule("evidence.already_preserved")),
            };
        }
        let token = self.circumstances.token.as_ref();
        if token.is_some_and(|token| token.time_ms.abs_diff(tx.time_ms) > TOKEN_SKEW_MS_MAX) {
            return Err(Failure::rule("evidence.token_skew"));
        }
        self.record.execute(tx, state)?;
        state.put(&key, self.circumstances.encode())?;
        let facts = &self.circumstances;
        let mut data = ObjectWriter::new(256).text("collector", &facts.collector);
        if let Some(environment) = &facts.environment {
            data = data.hex("environment", environment);
        }
        data = data.text("mime", &facts.mime).hex("owner", &owner);
        if let Some(token) = token {
            data = data.number("token_time_ms", token.time_ms);
        }
        state.emit("evidence.collected", HexText::new(&hash).as_str(), &data.finish())
    }
}
