//! Validator sets (formats §6).

use crate::account::account_of;
use crate::codec::{CodecError, Fault, Object, Reader, put_count16};
use crate::limits::{TOTAL_POWER_MAX, VALIDATOR_COUNT_MAX};
use crate::{Account, Hash32, Key65, tag};
use hn_crypto::sm2::PublicKey;

/// A member of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validator {
    /// Uncompressed public key.
    pub key: Key65,
    /// Account of the key.
    pub account: Account,
    /// Voting weight, at least 1.
    pub power: u64,
}

/// A set that kept every rule: not empty, strictly ascending by account, bounded power.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidatorSet {
    epoch: u64,
    validators: Vec<Validator>,
    /// The checked keys, in the order of `validators`.
    public_keys: Vec<PublicKey>,
    total_power: u64,
}

/// Bytes of one entry.
const ENTRY_BYTES: usize = 65 + 8;

impl ValidatorSet {
    /// Sorts members given in any order.
    ///
    /// # Errors
    /// `GENESIS_INVALID`: no member, a bad key, an account twice, power 0 or a total over 2³².
    pub fn new(epoch: u64, members: &[(Key65, u64)]) -> Result<Self, CodecError> {
        let fail = |fault| CodecError {
            object: Object::Validators,
            fault,
        };
        let mut entries = Vec::with_capacity(members.len());
        for (key, power) in members {
            entries.push((PublicKey::from_bytes(key).map_err(|_| fail(Fault::Key("key")))?, *power));
        }
        entries.sort_by_cached_key(|(key, _)| account_of(key));
        Self::from_sorted(epoch, entries).map_err(fail)
    }

    /// Checks order and power of members.
    fn from_sorted(epoch: u64, entries: Vec<(PublicKey, u64)>) -> Result<Self, Fault> {
        if entries.is_empty() || entries.len() > VALIDATOR_COUNT_MAX {
            return Err(Fault::Range {
                field: "count",
                got: entries.len() as u64,
            });
        }
        let mut validators: Vec<Validator> = Vec::with_capacity(entries.len());
        let mut public_keys = Vec::with_capacity(entries.len());
        let mut total_power = 0u64;
        for (public_key, power) in entries {
            let account = account_of(&public_key);
            if validators.last().is_some_and(|last| last.account >= account) {
                return Err(Fault::Order("validators"));
            }
            total_power = total_power.saturating_add(power);
            if power == 0 || total_power > TOTAL_POWER_MAX {
                return Err(Fault::Range {
                    field: "power",
                    got: power,
                });
            }
            validators.push(Validator {
                key: public_key.to_bytes(),
                account,
                power,
            });
            public_keys.push(public_key);
        }
        Ok(Self {
            epoch,
            validators,
            public_keys,
            total_power,
        })
    }

    /// `epoch ‖ count ‖ entries`.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(10 + self.validators.len() * ENTRY_BYTES);
        out.extend_from_slice(&self.epoch.to_be_bytes());
        put_count16(&mut out, self.validators.len());
        for validator in &self.validators {
            out.extend_from_slice(&validator.key);
            out.extend_from_slice(&validator.power.to_be_bytes());
        }
        out
    }

    /// Reads a set.
    ///
    /// # Errors
    /// Any broken rule of formats §1 and §6, code `GENESIS_INVALID`.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Validators, bytes);
        let epoch = reader.u64("epoch")?;
        let count = reader.count16("count", VALIDATOR_COUNT_MAX)?;
        if reader.remaining() != count * ENTRY_BYTES {
            return Err(reader.fail(Fault::Mismatch("count")));
        }
        let mut entries = Vec::with_capacity(count);
        for _ in 0..count {
            entries.push((reader.key("key")?, reader.u64("power")?));
        }
        let object = Object::Validators;
        Self::from_sorted(epoch, entries).map_err(|fault| CodecError { object, fault })
    }

    /// What headers and the genesis carry.
    pub fn hash(&self) -> Hash32 {
        tag::VALIDATORS.hash(&[&self.encode()])
    }

    /// Number of the set; rises with every change.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The members, ascending by account.
    pub fn validators(&self) -> &[Validator] {
        &self.validators
    }

    /// Count of members, at least 1.
    pub fn count(&self) -> usize {
        self.validators.len()
    }

    /// Summed power, at most 2³².
    pub const fn total_power(&self) -> u64 {
        self.total_power
    }

    /// The power that decides: more than two thirds.
    pub const fn quorum(&self) -> u64 {
        2 * self.total_power / 3 + 1
    }

    /// Member `index`.
    pub fn get(&self, index: usize) -> Option<&Validator> {
        self.validators.get(index)
    }

    /// The checked key of member `index`.
    pub fn public_key(&self, index: usize) -> Option<&PublicKey> {
        self.public_keys.get(index)
    }

    /// Where an account stands in the set. Cost: O(log n).
    pub fn index_of(&self, account: &Account) -> Option<usize> {
        self.validators
            .binary_search_by(|validator| validator.account.cmp(account))
            .ok()
    }
}
