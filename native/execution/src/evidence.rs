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
use crate::json::{Hex, ObjectWriter, decode_payload, hex, present};
use crate::overlay::{KeySink, Overlay};
pub use record::{Algorithm, Cosign, EvidenceKey, EvidenceRecord, RecordError};

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

/// A record to write under `key`: of one hash, or of the root over a batch.
struct Preserve {
    key: Vec<u8>,
    hash: Hash32,
    algorithm: Algorithm,
    size: u64,
    name: String,
    previous: Option<(Hash32, Vec<u8>)>,
    batch: bool,
}

struct CosignRecord {
    key: Vec<u8>,
    record_key: Vec<u8>,
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
    let key = EvidenceKey::Record {
        hash,
        owner: *tx.sender,
    }
    .encode();
    keys.declare(&key)?;
    let previous = match payload.previous {
        Some(Hex(previous)) => {
            let key = EvidenceKey::Record {
                hash: previous,
                owner: *tx.sender,
            }
            .encode();
            keys.declare(&key)?;
            Some((previous, key))
        }
        None => None,
    };
    let size = payload.size.unwrap_or_default();
    Ok(Box::new(Preserve {
        key,
        hash,
        algorithm,
        size,
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
    let key = EvidenceKey::Batch {
        root: hash,
        owner: *tx.sender,
    }
    .encode();
    keys.declare(&key)?;
    let size = payload.leaf_count;
    Ok(Box::new(Preserve {
        key,
        hash,
        algorithm: Algorithm::Sm3,
        size,
        name,
        previous: None,
        batch: true,
    }))
}

fn prepare_cosign(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: CosignPayload = decode_payload(tx.payload)?;
    let (hash, owner) = (payload.hash.0, payload.owner.0);
    let record_key = EvidenceKey::Record { hash, owner }.encode();
    keys.declare(&record_key)?;
    let key = EvidenceKey::Cosign {
        hash,
        owner,
        signer: *tx.sender,
    }
    .encode();
    keys.declare(&key)?;
    Ok(Box::new(CosignRecord {
        key,
        record_key,
        hash,
        owner,
    }))
}

impl Operation for Preserve {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        if state.get(&self.key)?.is_some() {
            return Ok(());
        }
        if let Some((_, previous_key)) = &self.previous
            && state.get(previous_key)?.is_none()
        {
            return Err(Failure::rule("evidence.previous_unknown"));
        }
        let previous = self.previous.as_ref().map(|(hash, _)| *hash);
        let record = EvidenceRecord {
            height: tx.height,
            time_ms: tx.time_ms,
            tx_id: *tx.tx_id,
            algorithm: self.algorithm,
            size: self.size,
            name: self.name.clone(),
            previous,
        };
        state.put(
            &self.key,
            record.encode().map_err(|_| Failure::new(codes::PAYLOAD_INVALID))?,
        )?;
        let data = ObjectWriter::new(192 + self.name.len()).text("algorithm", self.algorithm.name());
        if self.batch {
            let data = data
                .number("leaf_count", self.size)
                .text("name", &self.name)
                .hex("owner", tx.sender)
                .finish();
            return state.emit("evidence.batch_preserved", hex(&self.hash), data);
        }
        let mut data = data.text("name", &self.name).hex("owner", tx.sender);
        if let Some(previous) = &previous {
            data = data.hex("previous", previous);
        }
        state.emit(
            "evidence.preserved",
            hex(&self.hash),
            data.number("size", self.size).finish(),
        )
    }
}

impl Operation for CosignRecord {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        if state.get(&self.record_key)?.is_none() {
            return Err(Failure::rule("evidence.record_unknown"));
        }
        if *tx.sender == self.owner {
            return Err(Failure::rule("evidence.own_record"));
        }
        if state.get(&self.key)?.is_some() {
            return Err(Failure::rule("evidence.already_cosigned"));
        }
        let cosign = Cosign {
            height: tx.height,
            time_ms: tx.time_ms,
            tx_id: *tx.tx_id,
        };
        state.put(&self.key, cosign.encode())?;
        let data = ObjectWriter::new(112)
            .hex("owner", &self.owner)
            .hex("signer", tx.sender)
            .finish();
        state.emit("evidence.cosigned", hex(&self.hash), data)
    }
}
