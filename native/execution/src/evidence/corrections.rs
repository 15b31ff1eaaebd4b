//! What comes after a record: the record that corrects it, and certificates issued about it.

use hn_primitives::{Account, Hash32};
use serde::Deserialize;

use super::fields::{Stamp, Value};
use super::keys::{EvidenceKey, record_key};
use crate::application::{Failure, Operation, TxContext};
use crate::json::{Hex, HexText, ObjectWriter, decode_payload, present};
use crate::overlay::{KeySink, Overlay};

const CORRECTION_VERSION: u8 = 1;
const CERTIFICATE_VERSION: u8 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LinkCorrectionPayload {
    hash: Hex<32>,
    by: Hex<32>,
    #[serde(default, deserialize_with = "present")]
    reason: Option<Hex<32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IssueCertificatePayload {
    hash: Hex<32>,
    owner: Hex<20>,
    certificate: Hex<32>,
}

struct LinkCorrection {
    hash: Hash32,
    by: Hash32,
    reason: Option<Hash32>,
}

struct IssueCertificate {
    hash: Hash32,
    owner: Account,
    certificate: Hash32,
}

pub(super) fn prepare(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: LinkCorrectionPayload = decode_payload(tx.payload)?;
    let (hash, by, owner) = (payload.hash.0, payload.by.0, *tx.sender);
    for one in [hash, by] {
        keys.declare(&record_key(&one, &owner))?;
        keys.declare(&EvidenceKey::Correction { hash: one, owner }.encode())?;
    }
    Ok(Box::new(LinkCorrection {
        hash,
        by,
        reason: payload.reason.map(|Hex(reason)| reason),
    }))
}

pub(super) fn prepare_certificate(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: IssueCertificatePayload = decode_payload(tx.payload)?;
    let (hash, owner, certificate) = (payload.hash.0, payload.owner.0, payload.certificate.0);
    keys.declare(&record_key(&hash, &owner))?;
    keys.declare(
        &EvidenceKey::Certificate {
            hash,
            owner,
            certificate,
        }
        .encode(),
    )?;
    Ok(Box::new(IssueCertificate {
        hash,
        owner,
        certificate,
    }))
}

impl Operation for LinkCorrection {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        let owner = *tx.sender;
        for hash in [self.hash, self.by] {
            if state.get(&record_key(&hash, &owner))?.is_none() {
                return Err(Failure::rule("evidence.record_unknown"));
            }
        }
        let key = EvidenceKey::Correction { hash: self.hash, owner }.encode();
        if state.get(&key)?.is_some() {
            return Err(Failure::rule("evidence.already_corrected"));
        }
        // A cycle would have to be closed by a link to a record that is corrected already.
        let next = EvidenceKey::Correction { hash: self.by, owner }.encode();
        if self.hash == self.by || state.get(&next)?.is_some() {
            return Err(Failure::rule("evidence.correction_invalid"));
        }
        let value = Value::new(CORRECTION_VERSION)
            .stamp(&Stamp::of(tx))
            .bytes(&self.by)
            .maybe(self.reason.as_ref());
        state.put(&key, value.finish())?;
        let data = ObjectWriter::new(160).hex("by", &self.by).hex("owner", &owner).finish();
        state.emit("evidence.corrected", HexText::new(&self.hash).as_str(), &data)
    }
}

impl Operation for IssueCertificate {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        let (hash, owner, certificate) = (self.hash, self.owner, self.certificate);
        if state.get(&record_key(&hash, &owner))?.is_none() {
            return Err(Failure::rule("evidence.record_unknown"));
        }
        let key = EvidenceKey::Certificate {
            hash,
            owner,
            certificate,
        }
        .encode();
        if state.get(&key)?.is_some() {
            return Ok(());
        }
        let value = Value::new(CERTIFICATE_VERSION).stamp(&Stamp::of(tx)).bytes(tx.sender);
        state.put(&key, value.finish())?;
        let data = ObjectWriter::new(208)
            .hex("certificate", &certificate)
            .hex("issuer", tx.sender)
            .hex("owner", &owner)
            .finish();
        state.emit("evidence.certified", HexText::new(&hash).as_str(), &data)
    }
}
