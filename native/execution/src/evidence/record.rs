//! Keys and values of application `evidence`, written by its handlers and read by queries.

use hn_primitives::{Account, Hash32};
use thiserror::Error;

const RECORD_VERSION: u8 = 1;
const COSIGN_VERSION: u8 = 1;
const KEY_RECORD: u8 = b'r';
const KEY_BATCH: u8 = b'b';
const KEY_COSIGN: u8 = b'c';
/// Bytes of the key of a record or of a batch root.
const PAIR_KEY_BYTES: usize = 1 + 32 + 20;
/// Bytes of a record behind its name: flag and previous hash.
const RECORD_TAIL_BYTES: usize = 33;
/// Bytes of a record before its name, the length byte included.
const RECORD_HEAD_BYTES: usize = 1 + 8 + 8 + 32 + 1 + 8 + 1;
const COSIGN_BYTES: usize = 1 + 8 + 8 + 32;

/// A key or value of `evidence` that does not decode.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("evidence {0} does not decode")]
pub struct RecordError(&'static str);

/// How the preserved hash was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// SM3 (GB/T 32905).
    Sm3,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// The name as payloads and answers write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sm3 => "sm3",
            Self::Sha256 => "sha256",
        }
    }

    /// The algorithm called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "sm3" => Some(Self::Sm3),
            "sha256" => Some(Self::Sha256),
            _ => None,
        }
    }

    fn number(self) -> u8 {
        match self {
            Self::Sm3 => 1,
            Self::Sha256 => 2,
        }
    }
}

/// A key of `evidence`, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvidenceKey {
    /// `r ‖ hash ‖ sender`: one preserved hash.
    Record {
        /// The preserved hash.
        hash: Hash32,
        /// Who preserved it.
        owner: Account,
    },
    /// `b ‖ root ‖ sender`: the root over a batch of hashes.
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
}

impl EvidenceKey {
    /// The bytes of the key; the first 33 (hash) or 53 (hash and owner) are a prefix to scan by.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Record { hash, owner } => pair_key(KEY_RECORD, hash, owner).to_vec(),
            Self::Batch { root, owner } => pair_key(KEY_BATCH, root, owner).to_vec(),
            Self::Cosign { hash, owner, signer } => cosign_key(hash, owner, signer).to_vec(),
        }
    }

    /// Takes a key apart.
    ///
    /// # Errors
    /// Unknown first byte or wrong length.
    pub fn decode(key: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields {
            bytes: key,
            what: "key",
        };
        let [kind] = fields.take()?;
        let (hash, owner) = (fields.take()?, fields.take()?);
        let key = match kind {
            KEY_RECORD => Self::Record { hash, owner },
            KEY_BATCH => Self::Batch { root: hash, owner },
            KEY_COSIGN => Self::Cosign {
                hash,
                owner,
                signer: fields.take()?,
            },
            _ => return Err(fields.error()),
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

/// Value of a record or of a batch root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceRecord {
    /// Height of the block that preserved it.
    pub height: u64,
    /// Time of that block, Unix milliseconds.
    pub time_ms: u64,
    /// Transaction that preserved it.
    pub tx_id: Hash32,
    /// How the hash was made.
    pub algorithm: Algorithm,
    /// Bytes of the preserved file as the sender states them (0: not stated); for a batch root the number of leaves.
    pub size: u64,
    /// Name given by the sender, may be empty.
    pub name: String,
    /// The record of the same owner that this one continues.
    pub previous: Option<Hash32>,
}

impl EvidenceRecord {
    /// The bytes stored in the state.
    ///
    /// # Errors
    /// A name of more than 255 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, RecordError> {
        let name = self.name.as_bytes();
        let length = u8::try_from(name.len()).map_err(|_| RecordError("name"))?;
        let mut value = Vec::with_capacity(RECORD_HEAD_BYTES + name.len() + RECORD_TAIL_BYTES);
        value.push(RECORD_VERSION);
        value.extend_from_slice(&self.height.to_be_bytes());
        value.extend_from_slice(&self.time_ms.to_be_bytes());
        value.extend_from_slice(&self.tx_id);
        value.push(self.algorithm.number());
        value.extend_from_slice(&self.size.to_be_bytes());
        value.push(length);
        value.extend_from_slice(name);
        value.push(u8::from(self.previous.is_some()));
        value.extend_from_slice(&self.previous.unwrap_or_default());
        Ok(value)
    }

    /// Reads the bytes stored in the state.
    ///
    /// # Errors
    /// Anything that [`EvidenceRecord::encode`] does not write.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields {
            bytes: value,
            what: "record",
        };
        if fields.take()? != [RECORD_VERSION] {
            return Err(fields.error());
        }
        let (height, time_ms, tx_id) = (fields.u64()?, fields.u64()?, fields.take()?);
        let algorithm = match fields.take()? {
            [1] => Algorithm::Sm3,
            [2] => Algorithm::Sha256,
            _ => return Err(fields.error()),
        };
        let size = fields.u64()?;
        let [length] = fields.take()?;
        let name = fields.slice(usize::from(length))?;
        let name = std::str::from_utf8(name).map_err(|_| fields.error())?.to_owned();
        let ([flag], previous) = (fields.take()?, fields.take()?);
        let previous = match flag {
            0 if previous == [0; 32] => None,
            1 => Some(previous),
            _ => return Err(fields.error()),
        };
        fields.end()?;
        Ok(Self {
            height,
            time_ms,
            tx_id,
            algorithm,
            size,
            name,
            previous,
        })
    }
}

/// Value of a co-signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cosign {
    /// Height of the block that took it.
    pub height: u64,
    /// Time of that block, Unix milliseconds.
    pub time_ms: u64,
    /// Transaction that co-signed.
    pub tx_id: Hash32,
}

impl Cosign {
    /// The bytes stored in the state.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(COSIGN_BYTES);
        value.push(COSIGN_VERSION);
        value.extend_from_slice(&self.height.to_be_bytes());
        value.extend_from_slice(&self.time_ms.to_be_bytes());
        value.extend_from_slice(&self.tx_id);
        value
    }

    /// Reads the bytes stored in the state.
    ///
    /// # Errors
    /// Anything that [`Cosign::encode`] does not write.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields {
            bytes: value,
            what: "co-signature",
        };
        if fields.take()? != [COSIGN_VERSION] {
            return Err(fields.error());
        }
        let cosign = Self {
            height: fields.u64()?,
            time_ms: fields.u64()?,
            tx_id: fields.take()?,
        };
        fields.end()?;
        Ok(cosign)
    }
}

/// Fields of fixed width read from the front.
struct Fields<'a> {
    bytes: &'a [u8],
    what: &'static str,
}

impl<'a> Fields<'a> {
    fn error(&self) -> RecordError {
        RecordError(self.what)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (field, rest) = self.bytes.split_first_chunk::<N>().ok_or(RecordError(self.what))?;
        self.bytes = rest;
        Ok(*field)
    }

    fn u64(&mut self) -> Result<u64, RecordError> {
        self.take().map(u64::from_be_bytes)
    }

    fn slice(&mut self, length: usize) -> Result<&'a [u8], RecordError> {
        let (field, rest) = self.bytes.split_at_checked(length).ok_or(RecordError(self.what))?;
        self.bytes = rest;
        Ok(field)
    }

    fn end(&self) -> Result<(), RecordError> {
        if self.bytes.is_empty() {
            Ok(())
        } else {
            Err(self.error())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(name: String, previous: Option<Hash32>) -> EvidenceRecord {
        let algorithm = if name.is_empty() {
            Algorithm::Sha256
        } else {
            Algorithm::Sm3
        };
        EvidenceRecord {
            height: 7,
            time_ms: 1_700_000_000_000,
            tx_id: [3; 32],
            algorithm,
            size: 9,
            name,
            previous,
        }
    }

    #[test]
    fn test_record_layout_is_the_published_one() {
        let mut want = vec![1];
        want.extend(7u64.to_be_bytes());
        want.extend(1_700_000_000_000u64.to_be_bytes());
        want.extend([3; 32]);
        want.push(1);
        want.extend(9u64.to_be_bytes());
        want.extend(b"\x02ab\x01");
        want.extend([5; 32]);
        assert_eq!(record("ab".into(), Some([5; 32])).encode(), Ok(want));
    }

    #[test]
    fn test_decode_refuses_every_truncation_extension_and_wrong_constant() {
        let value = record("证据".into(), None).encode().unwrap();
        for end in 0..value.len() {
            assert!(EvidenceRecord::decode(&value[..end]).is_err(), "cut at {end}");
        }
        let flag = value.len() - 33;
        for (position, byte) in [
            (0, 2),
            (49, 0),
            (49, 3),
            (59, 0xff),
            (flag, 2),
            (flag, 1 << 7),
            (value.len() - 1, 1),
        ] {
            let mut wrong = value.clone();
            wrong[position] = byte;
            assert!(EvidenceRecord::decode(&wrong).is_err(), "byte {position}");
        }
        let mut longer = value.clone();
        longer.push(0);
        assert!(EvidenceRecord::decode(&longer).is_err());
        let cosign = Cosign {
            height: 1,
            time_ms: 2,
            tx_id: [3; 32],
        };
        assert_eq!(Cosign::decode(&cosign.encode()), Ok(cosign));
        assert!(Cosign::decode(&cosign.encode()[1..]).is_err());
        assert!(Cosign::decode(&[&[2], &cosign.encode()[1..]].concat()).is_err());
        assert!(EvidenceKey::decode(&[b'x'; 53]).is_err());
        assert!(EvidenceKey::decode(&[b'r'; 54]).is_err());
        assert!(EvidenceKey::decode(&[b'c'; 53]).is_err());
    }

    proptest! {
        #[test]
        fn prop_round_trip(name in "\\PC{0,50}", previous in any::<Option<[u8; 32]>>(), hash in any::<[u8; 32]>()) {
            let record = record(name, previous);
            prop_assert_eq!(EvidenceRecord::decode(&record.encode().unwrap()), Ok(record));
            for key in [
                EvidenceKey::Record { hash, owner: [1; 20] },
                EvidenceKey::Batch { root: hash, owner: [1; 20] },
                EvidenceKey::Cosign { hash, owner: [1; 20], signer: [2; 20] },
            ] {
                prop_assert_eq!(EvidenceKey::decode(&key.encode()), Ok(key));
            }
        }

        #[test]
        fn prop_decode_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(record) = EvidenceRecord::decode(&bytes) {
                prop_assert_eq!(record.encode(), Ok(bytes.clone()));
            }
            if let Ok(key) = EvidenceKey::decode(&bytes) {
                prop_assert_eq!(key.encode(), bytes);
            }
        }
    }
}
