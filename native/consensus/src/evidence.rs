//! Proof that one validator signed two different things for one step.
//!
//! `u8 version (1) ‖ u8 step (1 prevote, 2 precommit, 3 proposal) ‖ u64 height ‖ u32 round ‖ account ‖ 2 × (hash block ‖
//! u32 pol_round (votes and none: ff ff ff ff) ‖ signature)`, 226 bytes; the two statements ascend by (block, pol_round).

use std::collections::BTreeMap;

use hn_crypto::sm2::{PublicKey, VerifyStatus, verify_single};
use hn_primitives::{Account, Hash32, Sig64};

use crate::cursor::Cursor;
use crate::statement::{Statement, Step};

/// A pair of conflicting signatures of one validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    first: (Statement, Sig64),
    second: (Statement, Sig64),
}

impl Evidence {
    /// `None` unless the statements share height, round, step and signer and differ otherwise.
    pub(crate) fn new(a: (Statement, Sig64), b: (Statement, Sig64)) -> Option<Self> {
        let slot = |s: &Statement| (s.height, s.round, s.step, s.signer);
        if slot(&a.0) != slot(&b.0) || a.0 == b.0 {
            return None;
        }
        let (first, second) = if a.0 < b.0 { (a, b) } else { (b, a) };
        Some(Self { first, second })
    }

    /// Account that signed twice.
    pub fn signer(&self) -> &Account {
        &self.first.0.signer
    }

    /// Height it happened at.
    pub fn height(&self) -> u64 {
        self.first.0.height
    }

    /// Round it happened in.
    pub fn round(&self) -> u32 {
        self.first.0.round
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let statement = &self.first.0;
        let mut out = Vec::with_capacity(226);
        let step = match statement.step {
            Step::Prevote => 1,
            Step::Precommit => 2,
            Step::Proposal => 3,
        };
        out.extend_from_slice(&[1, step]);
        out.extend_from_slice(&statement.height.to_be_bytes());
        out.extend_from_slice(&statement.round.to_be_bytes());
        out.extend_from_slice(&statement.signer);
        for (statement, signature) in [&self.first, &self.second] {
            out.extend_from_slice(&statement.block_hash);
            out.extend_from_slice(&statement.pol_round.unwrap_or(u32::MAX).to_be_bytes());
            out.extend_from_slice(signature);
        }
        out
    }

    /// The evidence, or `None` when `bytes` is not exactly one canonical encoding. Signatures are not verified here.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes);
        if cursor.u8()? != 1 {
            return None;
        }
        let step = match cursor.u8()? {
            1 => Step::Prevote,
            2 => Step::Precommit,
            3 => Step::Proposal,
            _ => return None,
        };
        let (height, round, signer) = (cursor.u64()?, cursor.u32()?, cursor.array()?);
        let mut signed = || -> Option<(Statement, Sig64)> {
            let block_hash = cursor.array()?;
            let pol_round = Some(cursor.u32()?).filter(|round| *round != u32::MAX);
            if pol_round.is_some() && step != Step::Proposal {
                return None;
            }
            Some((
                Statement {
                    height,
                    round,
                    step,
                    signer,
                    block_hash,
                    pol_round,
                },
                cursor.array()?,
            ))
        };
        let (first, second) = (signed()?, signed()?);
        cursor.end()?;
        (first.0 < second.0).then_some(Self { first, second })
    }

    /// Whether both signatures are `key`'s on this chain. Cost: two verifications.
    pub fn verify(&self, chain_id: &Hash32, key: &PublicKey) -> bool {
        [&self.first, &self.second].into_iter().all(|(statement, signature)| {
            verify_single(key, &statement.sign_bytes(chain_id), signature) == VerifyStatus::Valid
        })
    }
}

#[derive(Clone, Debug)]
struct Seen {
    statement: Statement,
    signature: Sig64,
    is_spent: bool,
}

/// What the watch says about a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// Nothing was signed for this step yet.
    Fresh,
    /// The same was signed before.
    Known,
    /// Something else was signed before: with a valid signature this is evidence.
    Conflicting,
    /// Evidence for this step was reported already.
    Spent,
}

/// Who signed what at recent heights.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: BTreeMap<(u64, u32, Step, Account), Seen>,
}

impl Watch {
    pub(crate) fn sight(&self, statement: &Statement) -> Sighting {
        match self.seen.get(&slot(statement)) {
            None => Sighting::Fresh,
            Some(seen) if seen.statement == *statement => Sighting::Known,
            Some(seen) if seen.is_spent => Sighting::Spent,
            Some(_) => Sighting::Conflicting,
        }
    }

    /// Record a verified statement; the first conflict of a step yields evidence.
    pub(crate) fn record(&mut self, statement: Statement, signature: Sig64) -> Option<Evidence> {
        let seen = self.seen.entry(slot(&statement)).or_insert_with(|| Seen {
            statement,
            signature,
            is_spent: false,
        });
        if seen.is_spent {
            return None;
        }
        let evidence = Evidence::new((seen.statement, seen.signature), (statement, signature))?;
        seen.is_spent = true;
        Some(evidence)
    }

    /// Forget heights below `floor`, and the oldest heights until at most `entries_max` remain.
    pub(crate) fn prune(&mut self, floor: u64, entries_max: usize) {
        self.seen = self.seen.split_off(&(floor, 0, Step::Prevote, [0; 20]));
        while self.seen.len() > entries_max {
            let Some((oldest, ..)) = self.seen.first_key_value().map(|(key, _)| *key) else {
                return;
            };
            self.seen = self
                .seen
                .split_off(&(oldest.saturating_add(1), 0, Step::Prevote, [0; 20]));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }
}

fn slot(statement: &Statement) -> (u64, u32, Step, Account) {
    (statement.height, statement.round, statement.step, statement.signer)
}
