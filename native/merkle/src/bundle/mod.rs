//! Proof bundles (formats §13): one file that proves transactions, receipts and state to a reader without a node.
//!
//! Flow: genesis → chain id → validator set → hand-offs → headers → certificate of the last one → items.

mod verify;

pub use verify::{BundleError, BundleReport, ReceiptReport, StateReport, TxReport, verify};

use crate::block_tree::InclusionProof;
use crate::state_tree::StateProof;
use hn_primitives::codec::{put_bytes32, put_count8, put_count16, put_name};
use hn_primitives::{
    Certificate, CodecError, Fault, Genesis, HEADER_BYTES, Header, Name, Object, Reader, Receipt, SignedTx,
    TX_BYTES_MAX, ValidatorSet,
};

/// The first bytes of a bundle.
pub const MAGIC: &[u8; 8] = b"HNPROOF1";
/// Headers in a bundle.
pub const HEADER_COUNT_MAX: usize = 8;
/// Items in a bundle.
pub const ITEM_COUNT_MAX: usize = 64;
/// Bytes of a hand-off without its variable parts.
const HAND_OFF_BYTES_MIN: usize = HEADER_BYTES + 8;

/// The change from one validator set to the next, certified by the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandOff {
    /// A header that names the next set.
    pub header: Header,
    /// Of that header, by the set before.
    pub certificate: Certificate,
    /// The set from the next height on.
    pub next_validators: ValidatorSet,
}

/// Something that a bundle proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// Kind 1: a transaction is in the block of the header.
    Tx {
        /// Which header, from 0.
        header_index: u8,
        /// The transaction.
        tx: SignedTx,
        /// Of its `tx_id` under `tx_root`.
        proof: InclusionProof,
    },
    /// Kind 2: a receipt belongs to the block before the header's.
    Receipt {
        /// Which header, from 0.
        header_index: u8,
        /// The receipt.
        receipt: Receipt,
        /// Under `receipts_root`.
        proof: InclusionProof,
    },
    /// Kind 3: a key has a value, or none, after the block before the header's.
    State {
        /// Which header, from 0.
        header_index: u8,
        /// The namespace.
        application: Name,
        /// The key inside the namespace.
        key: Vec<u8>,
        /// `None`: absent.
        value: Option<Vec<u8>>,
        /// Under `state_root`.
        proof: StateProof,
    },
}

/// A proof bundle. Built from its parts; nothing is checked before [`Bundle::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Its hash is the chain id.
    pub genesis: Genesis,
    /// The set that the genesis names.
    pub validators: ValidatorSet,
    /// Every change of the set up to the last header, ascending.
    pub hand_offs: Vec<HandOff>,
    /// 1–8, consecutive.
    pub headers: Vec<Header>,
    /// Of the last header.
    pub certificate: Certificate,
    /// 1–64.
    pub items: Vec<Item>,
}

impl Bundle {
    /// The file's bytes. More headers or items than allowed give bytes that `decode` refuses.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_bytes32(&mut out, &self.genesis.encode());
        put_bytes32(&mut out, &self.validators.encode());
        put_count16(&mut out, self.hand_offs.len());
        for hand_off in &self.hand_offs {
            out.extend_from_slice(&hand_off.header.encode());
            put_bytes32(&mut out, &hand_off.certificate.encode());
            put_bytes32(&mut out, &hand_off.next_validators.encode());
        }
        put_count8(&mut out, self.headers.len());
        for header in &self.headers {
            out.extend_from_slice(&header.encode());
        }
        put_bytes32(&mut out, &self.certificate.encode());
        put_count8(&mut out, self.items.len());
        for item in &self.items {
            item.write(&mut out);
        }
        out
    }

    /// Reads a bundle; nothing is verified yet.
    ///
    /// # Errors
    /// Any broken rule of formats §1–§13, code `PROOF_MALFORMED`.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        let mut reader = Reader::new(Object::Proof, bytes);
        if reader.take("magic", MAGIC.len())? != MAGIC {
            return Err(reader.fail(Fault::Mismatch("magic")).into());
        }
        let genesis = Genesis::decode(part(&mut reader, "genesis")?)?;
        let validators = ValidatorSet::decode(part(&mut reader, "validators")?)?;
        let hand_off_count = usize::from(reader.u16("hand_offs")?);
        let mut hand_offs = Vec::with_capacity(hand_off_count.min(reader.remaining() / HAND_OFF_BYTES_MIN));
        for _ in 0..hand_off_count {
            hand_offs.push(HandOff {
                header: Header::read(&mut reader)?,
                certificate: Certificate::decode(part(&mut reader, "certificate")?)?,
                next_validators: ValidatorSet::decode(part(&mut reader, "next_validators")?)?,
            });
        }
        let header_count = count8(&mut reader, "headers", HEADER_COUNT_MAX)?;
        let mut headers = Vec::with_capacity(header_count);
        for _ in 0..header_count {
            headers.push(Header::read(&mut reader)?);
        }
        let certificate = Certificate::decode(part(&mut reader, "certificate")?)?;
        let item_count = count8(&mut reader, "items", ITEM_COUNT_MAX)?;
        let mut items = Vec::with_capacity(item_count);
        for _ in 0..item_count {
            items.push(Item::read(&mut reader, header_count)?);
        }
        reader.finish()?;
        Ok(Self {
            genesis,
            validators,
            hand_offs,
            headers,
            certificate,
            items,
        })
    }
}

impl Item {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Tx {
                header_index,
                tx,
                proof,
            } => {
                out.extend([1, *header_index]);
                put_bytes32(out, &tx.encode());
                put_bytes32(out, &proof.encode());
            }
            Self::Receipt {
                header_index,
                receipt,
                proof,
            } => {
                out.extend([2, *header_index]);
                put_bytes32(out, &receipt.encode());
                put_bytes32(out, &proof.encode());
            }
            Self::State {
                header_index,
                application,
                key,
                value,
                proof,
            } => {
                out.extend([3, *header_index]);
                put_name(out, application);
                put_bytes32(out, key);
                out.push(u8::from(value.is_some()));
                put_bytes32(out, value.as_deref().unwrap_or_default());
                put_bytes32(out, &proof.encode());
            }
        }
    }

    fn read(reader: &mut Reader<'_>, header_count: usize) -> Result<Self, BundleError> {
        let kind = reader.u8("kind")?;
        let header_index = reader.u8("header_index")?;
        if usize::from(header_index) >= header_count {
            let (field, got) = ("header_index", header_index.into());
            return Err(reader.fail(Fault::Range { field, got }).into());
        }
        match kind {
            1 => Ok(Self::Tx {
                header_index,
                tx: SignedTx::decode(reader.bytes32("signed tx", TX_BYTES_MAX)?)?,
                proof: InclusionProof::decode(part(reader, "inclusion proof")?)?,
            }),
            2 => Ok(Self::Receipt {
                header_index,
                receipt: Receipt::decode(part(reader, "receipt")?)?,
                proof: InclusionProof::decode(part(reader, "inclusion proof")?)?,
            }),
            3 => {
                let application = reader.name("application")?;
                let key = part(reader, "key")?.to_vec();
                let present = reader.flag("present")?;
                let value = part(reader, "value")?;
                if !present && !value.is_empty() {
                    return Err(reader.fail(Fault::NotCanonical("value")).into());
                }
                Ok(Self::State {
                    header_index,
                    application,
                    key,
                    value: present.then(|| value.to_vec()),
                    proof: StateProof::decode(part(reader, "state proof")?)?,
                })
            }
            other => Err(reader
                .fail(Fault::Range {
                    field: "kind",
                    got: other.into(),
                })
                .into()),
        }
    }
}

/// A `bytes32` that only the input's length bounds; its own decoder knows its limits.
fn part<'a>(reader: &mut Reader<'a>, field: &'static str) -> Result<&'a [u8], CodecError> {
    reader.bytes32(field, u32::MAX as usize)
}

/// A `u8` count in `1..=max`.
fn count8(reader: &mut Reader<'_>, field: &'static str, max: usize) -> Result<usize, CodecError> {
    match reader.u8(field)? {
        count if (1..=max).contains(&usize::from(count)) => Ok(count.into()),
        other => Err(reader.fail(Fault::Range {
            field,
            got: other.into(),
        })),
    }
}
