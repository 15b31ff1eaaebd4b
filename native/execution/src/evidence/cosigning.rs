//! Co-signing a record, in a role or in none, and saying which co-signatures a record needs.

use std::borrow::Cow;

use hn_primitives::{Account, Hash32, Name, codes};
use serde::Deserialize;

use super::fields::Stamp;
use super::keys::{EvidenceKey, cosign_key, record_key};
use super::policy::{Policy, PolicyPayload};
use super::record::Cosign;
use crate::application::{Failure, Operation, TxContext};
use crate::json::{Hex, HexText, ObjectWriter, decode_payload};
use crate::overlay::{KeySink, Overlay};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CosignPayload {
    hash: Hex<32>,
    owner: Hex<20>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CosignAsPayload<'a> {
    hash: Hex<32>,
    owner: Hex<20>,
    #[serde(borrow)]
    role: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetPolicyPayload<'a> {
    hash: Hex<32>,
    #[serde(borrow)]
    policy: PolicyPayload<'a>,
}

struct CosignRecord {
    hash: Hash32,
    owner: Account,
    role: Option<Name>,
}

struct SetPolicy {
    hash: Hash32,
    policy: Policy,
}

pub(super) fn prepare(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: CosignPayload = decode_payload(tx.payload)?;
    declare(tx, keys, payload.hash.0, payload.owner.0, None)
}

pub(super) fn prepare_in_role(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: CosignAsPayload<'_> = decode_payload(tx.payload)?;
    let role = Name::new(&payload.role).map_err(|_| Failure::new(codes::PAYLOAD_INVALID))?;
    declare(tx, keys, payload.hash.0, payload.owner.0, Some(role))
}

fn declare(
    tx: &TxContext<'_>,
    keys: &mut KeySink<'_>,
    hash: Hash32,
    owner: Account,
    role: Option<Name>,
) -> Result<Box<dyn Operation>, Failure> {
    keys.declare(&record_key(&hash, &owner))?;
    keys.declare(&cosign_key(&hash, &owner, tx.sender))?;
    Ok(Box::new(CosignRecord { hash, owner, role }))
}

pub(super) fn prepare_policy(tx: &TxContext<'_>, keys: &mut KeySink<'_>) -> Result<Box<dyn Operation>, Failure> {
    let payload: SetPolicyPayload<'_> = decode_payload(tx.payload)?;
    let (hash, policy) = (payload.hash.0, Policy::new(payload.policy)?);
    let owner = *tx.sender;
    keys.declare(&record_key(&hash, &owner))?;
    keys.declare(&EvidenceKey::Policy { hash, owner }.encode())?;
    Ok(Box::new(SetPolicy { hash, policy }))
}

impl Operation for CosignRecord {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        if state.get(&record_key(&self.hash, &self.owner))?.is_none() {
            return Err(Failure::rule("evidence.record_unknown"));
        }
        if *tx.sender == self.owner {
            return Err(Failure::rule("evidence.own_record"));
        }
        if self.role.is_some_and(|role| !tx.account.has_role(&role)) {
            return Err(Failure::rule("evidence.role_not_held"));
        }
        let key = cosign_key(&self.hash, &self.owner, tx.sender);
        if state.get(&key)?.is_some() {
            return Err(Failure::rule("evidence.already_cosigned"));
        }
        let cosign = Cosign {
            height: tx.height,
            time_ms: tx.time_ms,
            tx_id: *tx.tx_id,
            role: self.role,
        };
        state.put(&key, cosign.encode())?;
        let mut data = ObjectWriter::new(112).hex("owner", &self.owner);
        if let Some(role) = &self.role {
            data = data.text("role", role);
        }
        let data = data.hex("signer", tx.sender).finish();
        state.emit("evidence.cosigned", HexText::new(&self.hash).as_str(), &data)
    }
}

impl Operation for SetPolicy {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        let (hash, owner) = (self.hash, *tx.sender);
        if state.get(&record_key(&hash, &owner))?.is_none() {
            return Err(Failure::rule("evidence.record_unknown"));
        }
        if self.policy.accounts.binary_search(&owner).is_ok() {
            return Err(Failure::rule("evidence.own_record"));
        }
        let key = EvidenceKey::Policy { hash, owner }.encode();
        if state.get(&key)?.is_some() {
            return Err(Failure::rule("evidence.policy_already_set"));
        }
        state.put(&key, self.policy.encode(&Stamp::of(tx)))?;
        let data = ObjectWriter::new(128)
            .number("needed", u64::from(self.policy.needed))
            .hex("owner", &owner)
            .texts("roles", self.policy.roles.iter().map(Name::as_str))
            .finish();
        state.emit("evidence.policy_set", HexText::new(&hash).as_str(), &data)
    }
}
