//! How what was preserved was collected: by what, in which environment, and a time from outside the chain.

use hn_primitives::Hash32;

use super::fields::{Stamp, Value};

const CIRCUMSTANCES_VERSION: u8 = 1;

/// A time stated by somebody else than the validators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeToken {
    /// The time it states, Unix milliseconds.
    pub time_ms: u64,
    /// SM3 of the token itself, which stays with the owner.
    pub hash: Hash32,
    /// Who issued it, may be empty.
    pub issuer: String,
}

/// Circumstances of a collection, stated by the one who preserves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circumstances {
    /// When they were stated: with the record itself.
    pub stamp: Stamp,
    /// Media type, may be empty.
    pub mime: String,
    /// The tool or organisation that collected, may be empty; never a person.
    pub collector: String,
    /// Hash of a description of the environment.
    pub environment: Option<Hash32>,
    /// Whose it is, as a keyed reference: epoch of the key and HMAC.
    pub owner_ref: Option<[u8; 34]>,
    /// Time from outside.
    pub token: Option<TimeToken>,
}

impl Circumstances {
    /// The bytes stored in the state.
    pub fn encode(&self) -> Vec<u8> {
        let value = Value::new(CIRCUMSTANCES_VERSION)
            .stamp(&self.stamp)
            .short(self.mime.as_bytes())
            .short(self.collector.as_bytes())
            .maybe(self.environment.as_ref())
            .short(self.owner_ref.as_ref().map_or(&[], <[u8; 34]>::as_slice))
            .byte(u8::from(self.token.is_some()));
        match &self.token {
            Some(token) => value
                .u64(token.time_ms)
                .bytes(&token.hash)
                .short(token.issuer.as_bytes())
                .finish(),
            None => value.finish(),
        }
    }
}
