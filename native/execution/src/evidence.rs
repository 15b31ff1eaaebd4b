//! Application `evidence` (judicial preservation): hashes, roots over many hashes, and co-signatures. Append-only.
//!
//! Rules: a second preservation of the same hash by the same sender succeeds and changes nothing; `previous` names an
//! existing record of the sender (`evidence.previous_unknown`); a co-signature needs the record
//! (`evidence.record_unknown`), another account than the owner (`evidence.own_record`), and happens once
//! (`evidence.already_cosigned`).

mod record;
mod schema;

use std::borrow::Cow;

use hn_primitives::{Account, Hash32, codes};
use serde::Deserialize;

use crate::application::{ActionSpec, Failure, NativeApplication, Operation, TxContext};
use crate::json::{Hex, HexText, ObjectWriter, decode_payload, present};
use crate::overlay::{KeySink, Overlay};
pub use record::{Algorithm, Cosign, EvidenceKey, EvidenceRecord, RecordError};
use record::{batch_key, cosign_key, record_key};

/// Name of the application.
pub const NAME: &str = "evidence";
/// Bytes of UTF-8 in a record's name.
pub const NAME_BYTES_MAX: usize = 200;

const ACTIONS: &[ActionSpec] = &[
    ActionSpec {
        name: "cosign",
        schema_json: schema::COSIGN,
        roles: &[],
    },
    ActionSpec {
        name: "preserve",
        schema_json: schema::PRESERVE,
        roles: &[],
    },
    ActionSpec {
        name: "preserve_batch",
        schema_json: schema::PRESERVE_BATCH,
        roles: &[],
    },
];

/// The application; see the module.
#[derive(Debug, Clone, Copy, Default)]
pub struct Evidence;

impl NativeApplication for Evidence {
    fn name(&self) -> &'static str {
        NAME
    }

    fn actions(&self) -> &'static [ActionSpec] {
        ACTIONS
    }

    fn prepare(&self, tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
        match tx.action {
            "preserve" => prepare_preserve(tx, keys),
            "preserve_batch" => prepare_preserve_batch(tx, keys),
            "cosign" => prepare_cosign(tx, keys),
            _ => Err(Failure::new(codes::ACTION_UNKNOWN)),
        }
    }
}

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
struct CosignPayload {
    hash: Hex<32>,
    owner: Hex<20>,
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

struct CosignRecord {
    hash: Hash32,
    owner: Account,
}

fn checked_name(name: Option<String>) -> Result<String, Failure> {
    let name = name.unwrap_or_default();
    if name.len() > NAME_BYTES_MAX {
        return Err(Failure::new(codes::PAYLOAD_INVALID));
    }
    Ok(name)
}

fn prepare_preserve(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
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

fn prepare_preserve_batch(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
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

fn prepare_cosign(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: CosignPayload = decode_payload(tx.payload)?;
    let (hash, owner) = (payload.hash.0, payload.owner.0);
    keys.declare(&record_key(&hash, &owner))?;
    keys.declare(&cosign_key(&hash, &owner, tx.sender))?;
    Ok(Box::new(CosignRecord { hash, owner }))
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

impl Operation for CosignRecord {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        if state.get(&record_key(&self.hash, &self.owner))?.is_none() {
            return Err(Failure::rule("evidence.record_unknown"));
        }
        if *tx.sender == self.owner {
            return Err(Failure::rule("evidence.own_record"));
        }
        let key = cosign_key(&self.hash, &self.owner, tx.sender);
        if state.get(&key)?.is_some() {
            return Err(Failure::rule("evidence.already_cosigned"));
        }
        let cosign = Cosign {
            height: tx.height,
            time_ms: tx.time_ms,
            tx_id: *tx.tx_id,
        };
        state.put(&key, cosign.encode())?;
        let data = ObjectWriter::new(112)
            .hex("owner", &self.owner)
            .hex("signer", tx.sender)
            .finish();
        state.emit("evidence.cosigned", HexText::new(&self.hash).as_str(), &data)
    }
}
