//! The sign guard: at most one statement a (height, round, step) leaves this key, whatever replay or restore does.

use std::collections::BTreeMap;

use hn_primitives::Sig64;

use crate::statement::{Statement, Step};

/// Heights that one floor reservation covers.
pub const FLOOR_STRIDE: u64 = 16;

/// What the guard answers to a sign request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Never signed: sign and log.
    Sign,
    /// The same was signed: this is the signature.
    Reuse(Sig64),
    /// Something else was signed: stop.
    Conflict,
}

/// Signatures of this key since the lowest height of the log, and the height up to which it may sign.
#[derive(Debug, Default)]
pub(crate) struct SignGuard {
    signed: BTreeMap<(u64, u32, Step), (Statement, Sig64)>,
    /// Heights up to this one are never signed: signatures may exist that no log remembers.
    refused: u64,
    /// Heights up to this one are reserved on disk.
    reserved: u64,
}

impl SignGuard {
    pub(crate) fn request(&self, statement: &Statement) -> Verdict {
        match self.signed.get(&(statement.height, statement.round, statement.step)) {
            None => Verdict::Sign,
            Some((signed, signature)) if signed == statement => Verdict::Reuse(*signature),
            Some(_) => Verdict::Conflict,
        }
    }

    /// Remember an own signature; false when it contradicts one that is remembered.
    pub(crate) fn learn(&mut self, statement: Statement, signature: Sig64) -> bool {
        let key = (statement.height, statement.round, statement.step);
        self.signed.entry(key).or_insert((statement, signature)).0 == statement
    }

    pub(crate) fn prune(&mut self, height: u64) {
        self.signed = self.signed.split_off(&(height, 0, Step::Prevote));
    }

    /// Adopt the floor on disk. `logged` is the highest reservation in the log: a log that does not hold the floor's
    /// own reservation is not the log this key signed with last.
    pub(crate) fn adopt_floor(&mut self, floor: u64, logged: u64) {
        self.refused = if logged >= floor { 0 } else { floor };
        self.reserved = floor.max(logged);
    }

    pub(crate) fn may_sign(&self, height: u64) -> bool {
        height > self.refused
    }

    /// The new floor to write before the first signature at `height`, if it is not covered yet.
    pub(crate) fn reserve(&mut self, height: u64) -> Option<u64> {
        if height <= self.reserved {
            return None;
        }
        self.reserved = height.saturating_add(FLOOR_STRIDE - 1);
        Some(self.reserved)
    }
}
