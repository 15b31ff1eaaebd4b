//! Keys of application `evidence`: what stands where.

use hn_primitives::{Account, Hash32};

use super::fields::{Fields, RecordError};

const KEY_RECORD: u8 = b'r';
const KEY_BATCH: u8 = b'b';
const KEY_COSIGN: u8 = b'c';
const KEY_CIRCUMSTANCES: u8 = b'm';
const KEY_POLICY: u8 = b'p';
const KEY_CORRECTION: u8 = b'x';
const KEY_CERTIFICATE: u8 = b't';
const KEY_CASE: u8 = b'k';
const KEY_PROGRESS: u8 = b'g';
const KEY_ITEM: u8 = b'i';
const KEY_LINK: u8 = b'l';
/// Bytes of the key of a record or of a batch root.
const PAIR_KEY_BYTES: usize = 1 + 32 + 20;

/// A key of `evidence`, taken apart. A pair is a hash and the account that preserved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceKey {
    /// `r ‖ hash ‖ owner`: one preserved hash.
    Record {
        /// The preserved hash.
        hash: Hash32,
        /// Who preserved it.
        owner: Account,
    },
    /// `b ‖ root ‖ owner`: the root over a batch of hashes.
    Batch {
        /// The preserved root.
        root: Hash32,
        /// Who preserved it.
        owner: Account,
    },
    /// `c ‖ hash ‖ owner ‖ signer`: a co-signature of a record.
    Cosign {
        /// The record's hash.
        hash: Hash32,
        /// The record's owner.
        owner: Account,
        /// Who co-signed.
        signer: Account,
    },
    /// `m ‖ hash ‖ owner`: how what was preserved was collected.
    Circumstances {
        /// The record's hash.
        hash: Hash32,
        /// The record's owner.
        owner: Account,
    },
    /// `p ‖ hash ‖ owner`: which co-signatures a record needs.
    Policy {
        /// The record's hash.
        hash: Hash32,
        /// The record's owner.
        owner: Account,
    },
    /// `x ‖ hash ‖ owner`: the record that corrects this one.
    Correction {
        /// The corrected record's hash.
        hash: Hash32,
        /// The record's owner.
        owner: Account,
    },
    /// `t ‖ hash ‖ owner ‖ certificate`: a certificate issued about a record.
    Certificate {
        /// The record's hash.
        hash: Hash32,
        /// The record's owner.
        owner: Account,
        /// SM3 of the certificate's file.
        certificate: Hash32,
    },
    /// `k ‖ case`: what a case was opened with.
    Case {
        /// Id of the transaction that opened it.
        case: Hash32,
    },
    /// `g ‖ case`: how far a case has come.
    Progress {
        /// The case.
        case: Hash32,
    },
    /// `i ‖ case ‖ hash ‖ owner`: a record submitted to a case.
    Item {
        /// The case.
        case: Hash32,
        /// The record's hash.
        hash: Hash32,
        /// The record's owner.
        owner: Account,
    },
    /// `l ‖ hash ‖ owner ‖ case`: the same, found from the record.
    Link {
        /// The record's hash.
        hash: Hash32,
        /// The record's owner.
        owner: Account,
        /// The case.
        case: Hash32,
    },
}

impl EvidenceKey {
    /// The bytes of the key; the first 33 (hash, or case) or 53 (hash and owner) are a prefix to scan by.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Record { hash, owner } => pair_key(KEY_RECORD, hash, owner).to_vec(),
            Self::Batch { root, owner } => pair_key(KEY_BATCH, root, owner).to_vec(),
            Self::Cosign { hash, owner, signer } => cosign_key(hash, owner, signer).to_vec(),
            Self::Circumstances { hash, owner } => pair_key(KEY_CIRCUMSTANCES, hash, owner).to_vec(),
            Self::Policy { hash, owner } => pair_key(KEY_POLICY, hash, owner).to_vec(),
            Self::Correction { hash, owner } => pair_key(KEY_CORRECTION, hash, owner).to_vec(),
            Self::Certificate {
                hash,
                owner,
                certificate,
            } => [&pair_key(KEY_CERTIFICATE, hash, owner), certificate.as_slice()].concat(),
            Self::Case { case } => [&[KEY_CASE], case.as_slice()].concat(),
            Self::Progress { case } => [&[KEY_PROGRESS], case.as_slice()].concat(),
            Self::Item { case, hash, owner } => [&[KEY_ITEM], case.as_slice(), hash, owner].concat(),
            Self::Link { hash, owner, case } => [&pair_key(KEY_LINK, hash, owner), case.as_slice()].concat(),
        }
    }

    /// Takes a key apart.
    ///
    /// # Errors
    /// Unknown first byte or wrong length.
    pub fn decode(key: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::new(key, "key");
        let [kind] = fields.take()?;
        let hash = fields.take()?;
        let key = match kind {
            KEY_CASE => Self::Case { case: hash },
            KEY_PROGRESS => Self::Progress { case: hash },
            KEY_ITEM => Self::Item {
                case: hash,
                hash: fields.take()?,
                owner: fields.take()?,
            },
            _ => {
                let owner = fields.take()?;
                match kind {
                    KEY_RECORD => Self::Record { hash, owner },
                    KEY_BATCH => Self::Batch { root: hash, owner },
                    KEY_CIRCUMSTANCES => Self::Circumstances { hash, owner },
                    KEY_POLICY => Self::Policy { hash, owner },
                    KEY_CORRECTION => Self::Correction { hash, owner },
                    KEY_COSIGN => Self::Cosign {
                        hash,
                        owner,
                        signer: fields.take()?,
                    },
                    KEY_CERTIFICATE => Self::Certificate {
                        hash,
                        owner,
                        certificate: fields.take()?,
                    },
                    KEY_LINK => Self::Link {
                        hash,
                        owner,
                        case: fields.take()?,
                    },
                    _ => return Err(fields.error()),
                }
            }
        };
        fields.end()?;
        Ok(key)
    }
}

/// [`EvidenceKey::encode`] of a record.
pub(super) fn record_key(hash: &Hash32, owner: &Account) -> [u8; PAIR_KEY_BYTES] {
    pair_key(KEY_RECORD, hash, owner)
}

/// [`EvidenceKey::encode`] of a batch root.
pub(super) fn batch_key(root: &Hash32, owner: &Account) -> [u8; PAIR_KEY_BYTES] {
    pair_key(KEY_BATCH, root, owner)
}

/// [`EvidenceKey::encode`] of a co-signature.
pub(super) fn cosign_key(hash: &Hash32, owner: &Account, signer: &Account) -> [u8; PAIR_KEY_BYTES + 20] {
    let mut key = [0; PAIR_KEY_BYTES + 20];
    let (front, end) = key.split_at_mut(PAIR_KEY_BYTES);
    front.copy_from_slice(&pair_key(KEY_COSIGN, hash, owner));
    end.copy_from_slice(signer);
    key
}

fn pair_key(kind: u8, hash: &Hash32, owner: &Account) -> [u8; PAIR_KEY_BYTES] {
    let mut key = [kind; PAIR_KEY_BYTES];
    let (front, end) = key.split_at_mut(PAIR_KEY_BYTES - owner.len());
    front[1..].copy_from_slice(hash);
    end.copy_from_slice(owner);
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn prop_every_kind_of_key_comes_back(hash in any::<[u8; 32]>(), other in any::<[u8; 32]>(), owner in any::<[u8; 20]>()) {
            for key in [
                EvidenceKey::Record { hash, owner },
                EvidenceKey::Batch { root: hash, owner },
                EvidenceKey::Cosign { hash, owner, signer: [2; 20] },
                EvidenceKey::Circumstances { hash, owner },
                EvidenceKey::Policy { hash, owner },
                EvidenceKey::Correction { hash, owner },
                EvidenceKey::Certificate { hash, owner, certificate: other },
                EvidenceKey::Case { case: hash },
                EvidenceKey::Progress { case: hash },
                EvidenceKey::Item { case: other, hash, owner },
                EvidenceKey::Link { hash, owner, case: other },
            ] {
                let bytes = key.encode();
                prop_assert_eq!(EvidenceKey::decode(&bytes), Ok(key));
                prop_assert!(EvidenceKey::decode(&bytes[..bytes.len() - 1]).is_err());
                prop_assert!(EvidenceKey::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
            }
        }
    }
}
