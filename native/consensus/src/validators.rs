//! The validator set of one height as the core sees it, with its proposer order.

use core::fmt;
use std::sync::Arc;

use hn_crypto::sm2::PublicKey;
use hn_primitives::{Account, ValidatorSet};
use malachitebft_core_types as core_types;
use malachitebft_core_types::VotingPower;

use crate::context::{Address, Context};
use crate::proposer::ProposerOrder;

/// A member of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Validator {
    pub address: Address,
    pub key: [u8; 65],
    pub power: u64,
}

impl core_types::Validator<Context> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &[u8; 65] {
        &self.key
    }

    fn voting_power(&self) -> VotingPower {
        self.power
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Members {
    set: ValidatorSet,
    validators: Vec<Validator>,
    order: ProposerOrder,
    total: u64,
}

/// The set of one height with its proposer order; clones share.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Validators(Arc<Members>);

impl fmt::Debug for Validators {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.validators.iter().map(|v| (v.address, v.power)))
            .finish()
    }
}

impl Validators {
    pub(crate) fn new(set: ValidatorSet, demoted: &[Account]) -> Self {
        let order = ProposerOrder::new(&set, demoted);
        let total = set.total_power();
        let validators = set
            .validators()
            .iter()
            .map(|v| Validator {
                address: Address(v.account),
                key: v.key,
                power: v.power,
            })
            .collect();
        Self(Arc::new(Members {
            set,
            validators,
            order,
            total,
        }))
    }

    /// The set as formats §6 writes it.
    pub(crate) fn set(&self) -> &ValidatorSet {
        &self.0.set
    }

    pub(crate) fn members(&self) -> &[Validator] {
        &self.0.validators
    }

    pub(crate) fn member(&self, account: &Account) -> Option<&Validator> {
        self.0.validators.get(self.0.set.index_of(account)?)
    }

    /// The checked key of a member.
    pub(crate) fn public_key(&self, account: &Account) -> Option<&PublicKey> {
        self.0.set.public_key(self.0.set.index_of(account)?)
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.total
    }

    /// The proposer of (height, round). The set is never empty: no decoder accepts an empty one.
    #[allow(clippy::indexing_slicing)]
    pub(crate) fn select(&self, height: u64, round: u32) -> &Validator {
        &self.0.validators[self.0.order.index(height, round)]
    }

    pub(crate) fn proposer(&self, height: u64, round: u32) -> Option<&Validator> {
        self.0.validators.get(self.0.order.index(height, round))
    }
}

impl core_types::ValidatorSet<Context> for Validators {
    fn count(&self) -> usize {
        self.0.validators.len()
    }

    fn total_voting_power(&self) -> VotingPower {
        self.0.total
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        self.member(&address.0)
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.0.validators.get(index)
    }
}
