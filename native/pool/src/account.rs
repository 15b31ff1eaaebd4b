//! The registered accounts as admission and execution see them: one table, one cache of prepared keys.
//!
//! The table mirrors the state of application `identity` after the last executed block. It is loaded once at start and
//! then follows the write set of every block, so that a lookup never touches the database.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use hn_crypto::sm2::{self, KeyCache, PublicKey};
use hn_primitives::{Account, AccountRecord, KeyedMap, Name};

use crate::error::PoolError;

/// One registered account. The key never changes: the account is its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    /// The registered key, checked to be a point of the curve.
    pub public_key: PublicKey,
    /// False after a revocation.
    pub active: bool,
    /// Height at which `active` took its value.
    pub since_height: u64,
    /// Name of the organisation.
    pub organisation: Box<str>,
    /// Roles, ascending.
    pub roles: Vec<Name>,
}

impl AccountState {
    /// Builds the state of `account` from the bytes stored under its key.
    ///
    /// # Errors
    /// [`PoolError::AccountRecordInvalid`] when the record does not decode, or its key is no point or another account's.
    pub fn decode(account: &[u8], value: &[u8]) -> Result<(Account, Self), PoolError> {
        let invalid = |reason| PoolError::AccountRecordInvalid {
            account: hex(account),
            reason,
        };
        let account: Account = account.try_into().map_err(|_| invalid("key is not 20 bytes"))?;
        let record = AccountRecord::decode(value).map_err(|_| invalid("value does not decode"))?;
        let public_key = PublicKey::from_bytes(&record.key).map_err(|_| invalid("public key is no point"))?;
        if sm2::address(&public_key) != account {
            return Err(invalid("public key belongs to another account"));
        }
        let AccountRecord {
            active,
            since_height,
            organisation,
            roles,
            ..
        } = record;
        let organisation = organisation.as_str().into();
        Ok((
            account,
            Self {
                public_key,
                active,
                since_height,
                organisation,
                roles,
            },
        ))
    }

    /// Whether the account holds `role`.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|held| held.as_str() == role)
    }
}

/// Table of the registered accounts, shared by admission, batch verification and execution.
///
/// Thread-safe: every method takes `&self`. Memory: one entry a registered account (about 300 bytes), plus the bytes
/// granted to the cache of prepared keys.
pub struct Accounts {
    table: RwLock<KeyedMap<Account, Arc<AccountState>>>,
    keys: KeyCache,
}

impl Accounts {
    /// An empty table that verifies through `keys`.
    pub fn new(keys: KeyCache) -> Self {
        Self {
            table: RwLock::new(KeyedMap::default()),
            keys,
        }
    }

    /// Replaces the table by the (key, value) pairs of application `identity` and returns how many there are.
    ///
    /// # Errors
    /// The first invalid record; the table is then unchanged.
    pub fn load<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<usize, PoolError> {
        let mut table = KeyedMap::default();
        for (key, value) in entries {
            let (account, state) = AccountState::decode(key.as_ref(), value.as_ref())?;
            table.insert(account, Arc::new(state));
        }
        let count = table.len();
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = table;
        Ok(count)
    }

    /// Follows one block: the writes of application `identity` as (key, value or deleted).
    ///
    /// # Errors
    /// The first invalid record; the table is then unchanged.
    pub fn update<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &self,
        writes: impl IntoIterator<Item = (K, Option<V>)>,
    ) -> Result<(), PoolError> {
        let mut changes = Vec::new();
        for (key, value) in writes {
            let key = key.as_ref();
            match value {
                Some(value) => {
                    let (account, state) = AccountState::decode(key, value.as_ref())?;
                    changes.push((account, Some(Arc::new(state))));
                }
                None => {
                    let account = key.try_into().map_err(|_| PoolError::AccountRecordInvalid {
                        account: hex(key),
                        reason: "key is not 20 bytes",
                    })?;
                    changes.push((account, None));
                }
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        for (account, state) in changes {
            match state {
                Some(state) => table.insert(account, state),
                None => table.remove(&account),
            };
        }
        Ok(())
    }

    /// The state of one account.
    pub fn get(&self, account: &Account) -> Option<Arc<AccountState>> {
        self.read().get(account).cloned()
    }

    /// One consistent view for many lookups; updates wait until it is dropped, so keep it short.
    pub fn read(&self) -> AccountsView<'_> {
        AccountsView {
            table: self.table.read().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// The cache of prepared keys for [`sm2::verify_batch`].
    pub fn key_cache(&self) -> &KeyCache {
        &self.keys
    }

    /// Number of registered accounts, revoked ones included.
    pub fn count(&self) -> usize {
        self.read().table.len()
    }
}

/// A consistent view of [`Accounts`].
pub struct AccountsView<'a> {
    table: RwLockReadGuard<'a, KeyedMap<Account, Arc<AccountState>>>,
}

impl AccountsView<'_> {
    /// The state of one account.
    pub fn get(&self, account: &Account) -> Option<&Arc<AccountState>> {
        self.table.get(account)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(32).map(|byte| format!("{byte:02x}")).collect()
}
