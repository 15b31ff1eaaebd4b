//! Who proposes: round-robin over the validators in account order; demoted ones come after all the others.
//!
//! A pure function of committed data (set, height, demotions), so every node computes the same answer. The order of a
//! height starts at `height mod m` of the m validators that are not demoted, so the load is even without randomness.

use hn_primitives::{Account, ValidatorSet};

/// Indices of a validator set in the order of proposing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProposerOrder {
    first: Vec<usize>,
    last: Vec<usize>,
}

impl ProposerOrder {
    /// Split the set. When every validator is demoted nobody is: somebody has to propose.
    pub(crate) fn new(validators: &ValidatorSet, demoted: &[Account]) -> Self {
        let (last, first): (Vec<usize>, Vec<usize>) = (0..validators.validators().len()).partition(|index| {
            validators
                .validators()
                .get(*index)
                .is_some_and(|v| demoted.contains(&v.account))
        });
        if first.is_empty() {
            Self {
                first: last,
                last: Vec::new(),
            }
        } else {
            Self { first, last }
        }
    }

    /// Index of the proposer of (height, round); 0 for an empty set, which no decoder accepts.
    pub(crate) fn index(&self, height: u64, round: u32) -> usize {
        let first_count = self.first.len() as u64;
        let total = first_count + self.last.len() as u64;
        if total == 0 {
            return 0;
        }
        let position = u64::from(round) % total;
        let chosen = if position < first_count {
            self.first
                .get(((height % first_count + position) % first_count) as usize)
        } else {
            self.last.get((position - first_count) as usize)
        };
        chosen.copied().unwrap_or(0)
    }
}

/// The account that proposes at (height, round); `None` only for an empty set.
///
/// Cost: O(validators × demoted). The engine keeps the order of its height instead of calling this.
pub fn proposer(height: u64, round: u32, validators: &ValidatorSet, demoted: &[Account]) -> Option<Account> {
    let order = ProposerOrder::new(validators, demoted);
    validators
        .validators()
        .get(order.index(height, round))
        .map(|validator| validator.account)
}
