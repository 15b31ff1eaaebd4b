//! Action `vote`: a validator says with its key whether a proposal's code is installed and approved.
//!
//! The transaction may come from any administrator or operator; what counts is the signature inside, which is bound to
//! the chain and to everything that the proposal says: number, kind, plugin, code and height.

use std::sync::Arc;

use hn_crypto::sm2::{self, PublicKey, VerifyStatus};
use hn_primitives::{Account, Sig64, ValidatorSet, codes};
use serde::Deserialize;

use crate::application::{Failure, Operation, TxContext};
use crate::governance::{OPEN_KEY, open_proposals, vote_message};
use crate::json::{Hex, ObjectWriter, decode_payload};
use crate::overlay::{KeySink, Overlay};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VotePayload {
    approve: bool,
    proposal: u64,
    signature: Hex<64>,
    validator: Hex<20>,
}

struct Vote {
    approve: bool,
    number: u64,
    signature: Sig64,
    validator: Account,
    key: PublicKey,
    power: u64,
}

/// Key of a validator's vote.
fn vote_key(number: u64, validator: &Account) -> [u8; 29] {
    let mut key = [0; 29];
    key[0] = b'v';
    key[1..9].copy_from_slice(&number.to_be_bytes());
    key[9..].copy_from_slice(validator);
    key
}

pub(super) fn prepare(
    validators: &Arc<ValidatorSet>,
    tx: &TxContext<'_>,
    keys: &mut KeySink<'_>,
) -> Result<Box<dyn Operation>, Failure> {
    let payload: VotePayload = decode_payload(tx.payload)?;
    let validator = payload.validator.0;
    let index = validators.index_of(&validator);
    let member = index.and_then(|index| Some((validators.get(index)?, validators.public_key(index)?)));
    let (member, key) = member.ok_or(Failure::rule("governance.not_validator"))?;
    keys.declare(OPEN_KEY)?;
    keys.declare(&vote_key(payload.proposal, &validator))?;
    Ok(Box::new(Vote {
        approve: payload.approve,
        number: payload.proposal,
        signature: payload.signature.0,
        validator,
        key: key.clone(),
        power: member.power,
    }))
}

impl Operation for Vote {
    fn execute(&self, tx: &TxContext<'_>, state: &mut Overlay) -> Result<(), Failure> {
        let mut proposals = open_proposals(state)?;
        let found = proposals.open.iter_mut().find(|other| other.number == self.number);
        let proposal = found.ok_or(Failure::rule("governance.proposal_unknown"))?;
        let key = vote_key(self.number, &self.validator);
        if state.get(&key)?.is_some() {
            return Err(Failure::rule("governance.already_voted"));
        }
        let code_hash = proposal.code.code_hash.0;
        let message = vote_message(tx.chain_id, proposal, self.approve).ok_or(Failure::new(codes::HANDLER_FAILED))?;
        match sm2::verify_single(&self.key, &message, &self.signature) {
            VerifyStatus::Valid => {}
            VerifyStatus::OutOfRange => return Err(Failure::new(codes::SIGNATURE_OUT_OF_RANGE)),
            VerifyStatus::BadSignature | VerifyStatus::BadKey => return Err(Failure::new(codes::SIGNATURE_INVALID)),
        }
        if self.approve {
            proposal.power_for += self.power;
        } else {
            proposal.power_against += self.power;
        }
        let data = ObjectWriter::new(192)
            .number("approve", u64::from(self.approve))
            .hex("code_hash", &code_hash)
            .number("power_against", proposal.power_against)
            .number("power_for", proposal.power_for)
            .number("proposal", self.number)
            .hex("validator", &self.validator)
            .finish();
        state.emit("governance.voted", &proposal.name, &data)?;
        state.put(&key, vec![u8::from(self.approve)])?;
        state.put(OPEN_KEY, proposals.encode())
    }
}
