//! Accounts and their records in the state of application `identity` (formats §12).

use crate::codec::{CodecError, Fault, Object, Reader, put_count8, put_name, put_text16};
use crate::limits::ROLE_COUNT_MAX;
use crate::text::{Name, Text16};
use crate::{Account, Key65};
use hn_crypto::sm2::{self, PublicKey};

/// The account of a key: the first 20 bytes of its tagged hash.
pub fn account_of(key: &PublicKey) -> Account {
    sm2::address(key)
}

/// What the chain knows about an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountRecord {
    /// The account's public key.
    pub key: Key65,
    /// False once the account is revoked.
    pub active: bool,
    /// Height of registration, or of the last change.
    pub since_height: u64,
    /// Readable name of the organisation.
    pub organisation: Text16,
    /// Ascending, no duplicates, at most 16.
    pub roles: Vec<Name>,
}

impl AccountRecord {
    /// The value in the state.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96 + self.organisation.len() + 33 * self.roles.len());
        out.push(1);
        out.extend_from_slice(&self.key);
        out.push(u8::from(self.active));
        out.extend_from_slice(&self.since_height.to_be_bytes());
        put_text16(&mut out, &self.organisation);
        put_count8(&mut out, self.roles.len());
        for role in &self.roles {
            put_name(&mut out, role);
        }
        out
    }

    /// Reads a record; the key is checked to be a point of the curve.
    ///
    /// # Errors
    /// Any broken rule of formats §1 and §12, code `STORAGE_CORRUPT`: records are written by the chain alone.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut reader = Reader::new(Object::Account, bytes);
        reader.version()?;
        let key = reader.key("key")?.to_bytes();
        let active = reader.flag("active")?;
        let since_height = reader.u64("since_height")?;
        let organisation = reader.text16("organisation")?;
        let count = usize::from(reader.u8("role_count")?);
        if count > ROLE_COUNT_MAX {
            return Err(reader.fail(Fault::TooLong {
                field: "roles",
                got: count,
                max: ROLE_COUNT_MAX,
            }));
        }
        let mut roles: Vec<Name> = Vec::with_capacity(count);
        for _ in 0..count {
            let role = reader.name("role")?;
            if roles.last().is_some_and(|last| *last >= role) {
                return Err(reader.fail(Fault::Order("roles")));
            }
            roles.push(role);
        }
        reader.finish()?;
        Ok(Self {
            key,
            active,
            since_height,
            organisation,
            roles,
        })
    }
}
