//! Values of records and co-signatures of application `evidence`, written by its handlers and read by queries.

use hn_primitives::codec::put_name;
use hn_primitives::{Hash32, Name};

use super::fields::Fields;
pub use super::fields::RecordError;

const RECORD_VERSION: u8 = 1;
const COSIGN_VERSION: u8 = 1;
/// A co-signature given in a role.
const COSIGN_ROLE_VERSION: u8 = 2;
/// Bytes of a record behind its name: flag and previous hash.
const RECORD_TAIL_BYTES: usize = 33;
/// Bytes of a record before its name, the length byte included.
const RECORD_HEAD_BYTES: usize = 1 + 8 + 8 + 32 + 1 + 8 + 1;
const COSIGN_BYTES: usize = 1 + 8 + 8 + 32;

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
        let mut fields = Fields::new(value, "record");
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
    /// The role of its signer in which it was given; `None`: in none.
    pub role: Option<Name>,
}

impl Cosign {
    /// The bytes stored in the state.
    pub fn encode(&self) -> Vec<u8> {
        let mut value = Vec::with_capacity(COSIGN_BYTES);
        value.push(match self.role {
            None => COSIGN_VERSION,
            Some(_) => COSIGN_ROLE_VERSION,
        });
        value.extend_from_slice(&self.height.to_be_bytes());
        value.extend_from_slice(&self.time_ms.to_be_bytes());
        value.extend_from_slice(&self.tx_id);
        if let Some(role) = &self.role {
            put_name(&mut value, role);
        }
        value
    }

    /// Reads the bytes stored in the state.
    ///
    /// # Errors
    /// Anything that [`Cosign::encode`] does not write.
    pub fn decode(value: &[u8]) -> Result<Self, RecordError> {
        let mut fields = Fields::new(value, "co-signature");
        let [version] = fields.take()?;
        let (height, time_ms, tx_id) = (fields.u64()?, fields.u64()?, fields.take()?);
        let role = match version {
            COSIGN_VERSION => None,
            COSIGN_ROLE_VERSION => Some(fields.name()?),
            _ => return Err(fields.error()),
        };
        fields.end()?;
        Ok(Self {
            height,
            time_ms,
            tx_id,
            role,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::EvidenceKey;
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
        for role in [None, Some(Name::new("notary").unwrap())] {
            let cosign = Cosign {
                height: 1,
                time_ms: 2,
                tx_id: [3; 32],
                role,
            };
            let other = if role.is_none() { 2 } else { 1 };
            assert_eq!(Cosign::decode(&cosign.encode()), Ok(cosign));
            assert!(Cosign::decode(&cosign.encode()[1..]).is_err());
            assert!(Cosign::decode(&[&[other], &cosign.encode()[1..]].concat()).is_err());
        }
        assert!(EvidenceKey::decode(&[b'z'; 53]).is_err());
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
