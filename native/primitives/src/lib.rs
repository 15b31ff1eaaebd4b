//! Types that hnnode signs, hashes and exchanges, each with its one canonical encoding (`docs/reference/formats.md`).
//!
//! Flow: bytes → [`codec::Reader`] (strict, bounded) → value → `encode()` → the same bytes. Ids are tagged SM3 hashes.
//!
//! Invariants:
//! 1. Two different byte strings never decode to the same value; `encode` of a decoded value gives back its bytes.
//! 2. A decoder never panics and never allocates more than a small multiple of its input.
//! 3. A value outside its limits may be built in memory (public fields), but its encoding is refused by every decoder.

#![forbid(unsafe_code)]

pub mod account;
pub mod batch;
pub mod certificate;
pub mod codec;
pub mod codes;
pub mod genesis;
pub mod header;
pub mod limits;
pub mod plugins;
pub mod receipt;
pub mod tag;
pub mod text;
pub mod tx;
pub mod validators;
pub mod vote;

pub use account::{AccountRecord, account_of};
pub use batch::{Batch, BatchHeader, Span, TxEntry, decode_batch};
pub use certificate::{Certificate, CertificateError};
pub use codec::{CodecError, Fault, Object, Reader};
pub use genesis::{ChainRole, Genesis};
pub use header::{BatchRef, Header, Value};
pub use limits::*;
pub use plugins::{PluginEntry, plugins_hash};
pub use receipt::{Event, Receipt, Write, write_set_digest};
pub use text::{Name, Text, Text8, Text16};
pub use tx::{SignedTx, TxBody, TxView, tx_ids};
pub use validators::{Validator, ValidatorSet};
pub use vote::{VoteType, proposal_sign_bytes, vote_sign_bytes};

/// An SM3 value.
pub type Hash32 = [u8; 32];
/// The first 20 bytes of the tagged hash of a public key.
pub type Account = [u8; 20];
/// An uncompressed public key, `04 ‖ x ‖ y`.
pub type Key65 = [u8; 65];
/// An SM2 signature, `r ‖ s`.
pub type Sig64 = [u8; 64];

/// 32 zero bytes: a nil vote's block hash, an empty subtree, the digest of an empty write set.
pub const ZERO_HASH: Hash32 = [0; 32];
