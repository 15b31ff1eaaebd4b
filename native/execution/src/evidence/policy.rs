//! Which co-signatures a record or a case asks for: at least k, by these accounts or by accounts in these roles.

use std::borrow::Cow;

use hn_primitives::{Account, Name, codes};
use serde::Deserialize;

use super::fields::{Fields, RecordError, Stamp, Value};
use crate::application::Failure;
use crate::json::Hex;

/// Accounts that a policy, a case or a submission may name.
pub const ACCOUNT_COUNT_MAX: usize = 16;
/// Roles that a policy may name.
pub const ROLE_COUNT_MAX: usize = 8;

const POLICY_VERSION: u8 = 1;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PolicyPayload<'a> {
    needed: u8,
    #[serde(default)]
    accounts: Vec<Hex<20>>,
    #[serde(borrow, default)]
    roles: Vec<Cow<'a, str>>,
}

/// k of n: `needed` different signers of those that fit. With neither accounts nor roles every signer fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How many signers it takes, 1 to [`ACCOUNT_COUNT_MAX`].
    pub needed: u8,
    /// Accounts that fit, ascending.
    pub accounts: Vec<Account>,
    /// Roles that fit, ascending; a signer counts in the role it co-signed in.
    pub roles: Vec<Name>,
}

impl Policy {
    /// # Errors
    /// `PAYLOAD_INVALID`: a bound is broken, a name is none, something stands twice, or nobody could ever meet it.
    pub(super) fn new(payload: PolicyPayload<'_>) -> Result<Self, Failure> {
        let invalid = Failure::new(codes::PAYLOAD_INVALID);
        let accounts = distinct_accounts(&payload.accounts)?;
        let mut roles: Vec<Name> = payload
            .roles
            .iter()
            .map(|role| Name::new(role))
            .collect::<Result<_, _>>()
            .map_err(|_| invalid)?;
        roles.sort_unstable();
        let needed = usize::from(payload.needed);
        let reachable = !roles.is_empty() || accounts.is_empty() || needed <= accounts.len();
        if roles.len() > ROLE_COUNT_MAX
            || !roles.is_sorted_by(|one, next| one < next)
            || !(1..=ACCOUNT_COUNT_MAX).contains(&needed)
            || !reachable
        {
            return Err(invalid);
        }
        Ok(Self {
            needed: payload.needed,
            accounts,
            roles,
        })
    }

    /// Whether these different signers, each with the role it co-signed in, are enough.
    pub fn met_by(&self, signers: &[(Account, Option<Name>)]) -> bool {
        let anybody = self.accounts.is_empty() && self.roles.is_empty();
        let fitting = signers.iter().filter(|(account, role)| {
            anybody
                || self.accounts.binary_search(account).is_ok()
                || role.is_some_and(|role| self.roles.binary_search(&role).is_ok())
        });
        fitting.count() >= usize::from(self.needed)
    }

    pub(super) fn put(&self, value: Value) -> Value {
        value.byte(self.needed).accounts(&self.accounts).names(&self.roles)
    }

    pub(super) fn take(fields: &mut Fields<'_>) -> Result<Self, RecordError> {
        let [needed] = fields.take()?;
        Ok(Self {
            needed,
            accounts: fields.list(Fields::take)?,
            roles: fields.list(Fields::name)?,
        })
    }

    /// The value under a record's policy key.
    pub fn encode(&self, stamp: &Stamp) -> Vec<u8> {
        self.put(Value::new(POLICY_VERSION).stamp(stamp)).finish()
    }

    /// Reads the value under a record's policy key.
    ///
    /// # Errors
    /// Anything that [`Policy::encode`] does not write.
    pub fn decode(value: &[u8]) -> Result<(Stamp, Self), RecordError> {
        let mut fields = Fields::new(value, "policy");
        if fields.take()? != [POLICY_VERSION] {
            return Err(fields.error());
        }
        let decoded = (fields.stamp()?, Self::take(&mut fields)?);
        fields.end()?;
        Ok(decoded)
    }
}

/// At most [`ACCOUNT_COUNT_MAX`] different accounts, ascending.
///
/// # Errors
/// `PAYLOAD_INVALID`: too many, or one twice.
pub(super) fn distinct_accounts(accounts: &[Hex<20>]) -> Result<Vec<Account>, Failure> {
    let mut accounts: Vec<Account> = accounts.iter().map(|account| account.0).collect();
    accounts.sort_unstable();
    if accounts.len() > ACCOUNT_COUNT_MAX || !accounts.is_sorted_by(|one, next| one < next) {
        return Err(Failure::new(codes::PAYLOAD_INVALID));
    }
    Ok(accounts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn role(text: &str) -> Option<Name> {
        Some(Name::new(text).unwrap())
    }

    #[test]
    fn test_a_policy_counts_the_signers_that_fit() {
        let policy = Policy {
            needed: 2,
            accounts: vec![[1; 20]],
            roles: vec![Name::new("notary").unwrap()],
        };
        assert!(policy.met_by(&[([1; 20], None), ([2; 20], role("notary"))]));
        assert!(policy.met_by(&[([3; 20], role("notary")), ([2; 20], role("notary"))]));
        assert!(!policy.met_by(&[([1; 20], role("notary")), ([2; 20], role("appraiser"))]));
        assert!(!policy.met_by(&[([2; 20], None), ([3; 20], None)]));
        let open = Policy {
            needed: 2,
            accounts: Vec::new(),
            roles: Vec::new(),
        };
        assert!(open.met_by(&[([1; 20], None), ([2; 20], None)]));
        assert!(!open.met_by(&[([1; 20], None)]));
    }

    proptest! {
        #[test]
        fn prop_round_trip(needed in any::<u8>(), accounts in prop::collection::vec(any::<[u8; 20]>(), 0..4),
                           roles in prop::collection::vec("[a-z][a-z0-9_]{0,31}", 0..4), tx_id in any::<[u8; 32]>()) {
            let roles = roles.iter().map(|role| Name::new(role).unwrap()).collect();
            let policy = Policy { needed, accounts, roles };
            let stamp = Stamp { height: 3, time_ms: 9, tx_id };
            let value = policy.encode(&stamp);
            prop_assert_eq!(Policy::decode(&value), Ok((stamp, policy)));
            prop_assert!(Policy::decode(&value[..value.len() - 1]).is_err());
            prop_assert!(Policy::decode(&[value.as_slice(), &[0]].concat()).is_err());
        }
    }
}
